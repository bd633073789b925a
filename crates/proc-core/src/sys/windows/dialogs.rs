//! The dialogs in which the system shows the errors of programs.

use windows_sys::Win32::System::Diagnostics::Debug::{
    GetErrorMode, SEM_FAILCRITICALERRORS, SetErrorMode,
};

/// Has no error of what this process starts shown in a dialog that the system waits with for an answer. A program that
/// lacks a library then ends, with a code that says so, instead of waiting for a user.
///
/// Every process has this from its parent. How a crash is reported stays as it is.
pub(super) fn show_no_dialogs() {
    // SAFETY: it takes no memory.
    let mode = unsafe { GetErrorMode() };
    // SAFETY: as above.
    unsafe { SetErrorMode(mode | SEM_FAILCRITICALERRORS) };
}
