//! The completion port at which a guardian hears of everything: of what happens in the job of its run, of the ends of
//! the processes that it has started itself, of requests to end, and of the end of the session.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{BorrowedHandle, OwnedHandle};
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::IO::{CreateIoCompletionPort, PostQueuedCompletionStatus};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

use super::call::{check, owned, raw};

/// The keys under which there is something to hear at the port.
pub(super) const JOB: usize = 1;
pub(super) const CHILD: usize = 2;
pub(super) const REQUEST: usize = 3;
pub(super) const SESSION: usize = 4;

static PORT: OnceLock<OwnedHandle> = OnceLock::new();

/// The port at which this process hears of everything. It lives as long as the process.
pub(super) fn port() -> io::Result<HANDLE> {
    if let Some(port) = PORT.get() {
        return Ok(raw(port));
    }
    // SAFETY: a port of its own, without a file; the result is checked.
    let port =
        owned(unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, std::ptr::null_mut(), 0, 1) })?;
    Ok(raw(PORT.get_or_init(|| port)))
}

/// That it is said at the port when a process has ended, or an event has happened, for as long as this lives.
pub(super) struct Hearing {
    /// The number of the wait.
    wait: usize,
    /// What is waited for: a handle of its own, which nothing closes before the wait is over.
    _handle: OwnedHandle,
}

impl Hearing {
    /// Has it said under this key.
    pub(super) fn of(handle: BorrowedHandle<'_>, key: usize) -> io::Result<Self> {
        port()?;
        let handle = handle.try_clone_to_owned()?;
        let mut wait = std::ptr::null_mut();
        // SAFETY: the handle stays open until the wait has been called off. The context is a number, and no address.
        check(unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                raw(&handle),
                Some(say),
                std::ptr::without_provenance(key),
                INFINITE,
                WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE,
            )
        })?;
        Ok(Self {
            wait: wait.addr(),
            _handle: handle,
        })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let wait = std::ptr::without_provenance_mut(self.wait);
        // SAFETY: it was registered, and is called off once. This waits until it is not in the middle of being said.
        unsafe { UnregisterWaitEx(wait, INVALID_HANDLE_VALUE) };
    }
}

extern "system" fn say(key: *mut c_void, _timed_out: bool) {
    post(key.addr());
}

/// Says at the port that there is something to hear under this key.
pub(super) fn post(key: usize) {
    if let Some(port) = PORT.get() {
        // SAFETY: the port is open for as long as this process lives; there is nothing but the key to be passed on.
        unsafe { PostQueuedCompletionStatus(raw(port), 0, key, std::ptr::null()) };
    }
}
