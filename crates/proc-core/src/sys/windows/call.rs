//! What every call needs: results as errors, owned handles, wide strings, events.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{self, Component, Path, Prefix};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::Globalization::lstrlenW;
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};
use windows_sys::core::BOOL;

/// A path of this length, with the zero at its end, has to say that it is that long. For files it might be some letters
/// longer, for folders not.
const LONG_PATH: usize = 248;

/// A handle as the functions of Windows take it.
pub(super) fn raw(handle: &impl AsRawHandle) -> HANDLE {
    handle.as_raw_handle()
}

/// What a function has said that answers zero when it fails.
pub(super) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A handle that a function has made for this process alone.
pub(super) fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller has just got the handle from the system, and nothing else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A text as the functions of Windows take it: UTF-16, with a zero at its end.
pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// A path as the functions of Windows take it, however long it is.
pub(super) fn wide_path(path: &Path) -> io::Result<Vec<u16>> {
    let path = path::absolute(path)?;
    let plain = wide(&path);
    if plain.len() < LONG_PATH {
        return Ok(plain);
    }
    let Some(Component::Prefix(prefix)) = path.components().next() else {
        return Ok(plain);
    };
    let (start, rest) = match prefix.kind() {
        Prefix::Disk(_) => (r"\\?\", &plain[..]),
        // What follows the two separators in front of the server.
        Prefix::UNC(..) => (r"\\?\UNC\", &plain[2..]),
        _ => return Ok(plain),
    };
    Ok(start.encode_utf16().chain(rest.iter().copied()).collect())
}

/// A text that a function of Windows has written.
///
/// # Safety
///
/// It has to end with a zero.
pub(super) unsafe fn read_text(text: *const u16) -> String {
    // SAFETY: the caller knows that there is a zero.
    let length = unsafe { lstrlenW(text) };
    let length = usize::try_from(length).unwrap_or(0);
    // SAFETY: so many units come before the zero.
    let units = unsafe { std::slice::from_raw_parts(text, length) };
    String::from_utf16_lossy(units)
}

/// Whether an error is this one of the system's.
pub(super) fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// Something that happens once.
#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    /// One that has not happened.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no name and no security attributes are needed; the result is checked.
        let event = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        owned(event).map(Self)
    }

    /// From now on it has happened.
    pub(super) fn set(&self) -> io::Result<()> {
        // SAFETY: the handle is open for as long as this value lives.
        check(unsafe { SetEvent(self.raw()) })
    }

    pub(super) fn has_happened(&self) -> bool {
        has_ended(&self.0)
    }

    pub(super) fn raw(&self) -> HANDLE {
        raw(&self.0)
    }
}

/// Whether a process has ended, or an event has happened.
pub(super) fn has_ended(handle: &OwnedHandle) -> bool {
    // SAFETY: the handle is open for as long as it is borrowed.
    let result = unsafe { WaitForSingleObject(raw(handle), 0) };
    result == WAIT_OBJECT_0
}

/// Waits until a process has ended, for as long as it takes.
pub(super) fn wait_for(handle: &OwnedHandle) {
    // SAFETY: the handle is open for as long as it is borrowed.
    unsafe { WaitForSingleObject(raw(handle), INFINITE) };
}

/// Waits until one of two events has happened. `None`: the time is up, or they cannot be waited for.
pub(super) fn wait_for_either(
    first: &Event,
    second: &Event,
    patience: Option<Duration>,
) -> Option<usize> {
    let events = [first.raw(), second.raw()];
    let time = patience.map_or(INFINITE, |time| {
        u32::try_from(time.as_millis()).unwrap_or(INFINITE - 1)
    });
    // SAFETY: both handles are open for as long as their events are borrowed.
    let result = unsafe { WaitForMultipleObjects(2, events.as_ptr(), 0, time) };
    match result {
        WAIT_TIMEOUT => None,
        result => usize::try_from(result.checked_sub(WAIT_OBJECT_0)?)
            .ok()
            .filter(|index| *index < events.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_says_so() {
        let name = "x".repeat(250);
        for (path, expected) in [
            (r"C:\a\..\b".to_owned(), r"C:\b".to_owned()),
            (format!("C:/a/{name}"), format!(r"\\?\C:\a\{name}")),
            (
                format!(r"\\server\share\{name}"),
                format!(r"\\?\UNC\server\share\{name}"),
            ),
            (format!(r"\\?\C:\a\{name}"), format!(r"\\?\C:\a\{name}")),
        ] {
            assert_eq!(wide_path(Path::new(&path)).unwrap(), wide(&expected));
        }
    }
}
