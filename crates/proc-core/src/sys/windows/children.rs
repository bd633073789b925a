//! The processes that a guardian has started, and how it hears of their ends.
//!
//! Everything that a guardian hears from the system comes to one completion port: from the job of its run, from the
//! processes that it has started itself, from whoever asks it to end, and when the session ends.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::process::Child;
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::{ERROR_NO_MORE_FILES, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::SystemServices::{
    JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO,
    JOB_OBJECT_MSG_EXIT_PROCESS,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, OpenThread, RegisterWaitForSingleObject, ResumeThread, THREAD_SUSPEND_RESUME,
    UnregisterWaitEx, WT_EXECUTEINWAITTHREAD, WT_EXECUTEONLYONCE,
};

use super::call::{check, is, owned, raw};
use super::launch::AtStart;
use super::session;
use super::signal::own_request_to_end;
use crate::status::ExitStatus;
use crate::sys::{GuardianSignal, Reaped};

/// The exit code of what is killed, as `taskkill` gives it.
pub(super) const KILLED: u32 = 1;

/// Who has something to say at the port.
pub(super) const JOB: usize = 1;
const CHILD: usize = 2;
pub(super) const REQUEST: usize = 3;
pub(super) const SESSION: usize = 4;

/// Those that this process has started and not collected yet. An open handle keeps a PID from being used again.
static CHILDREN: Mutex<Vec<(Child, Hearing)>> = Mutex::new(Vec::new());

/// Those that were collected. Their PIDs stay theirs, so that whoever names one as its parent means it.
static COLLECTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

static PORT: OnceLock<OwnedHandle> = OnceLock::new();

/// Takes charge of a process that was started suspended: puts it where it belongs, and lets it go on.
///
/// One that cannot be put there ends before its first instruction.
pub(crate) fn take_charge(mut child: Child, at_start: AtStart<'_>) -> io::Result<u32> {
    let pid = child.id();
    let begun = at_start
        .job
        .put_in_member(child.as_raw_handle())
        .and_then(|()| Hearing::of(child.as_handle(), CHILD))
        .and_then(|hearing| resume(pid).map(|()| hearing));
    let hearing = match begun {
        Ok(hearing) => hearing,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    children.push((child, hearing));
    Ok(pid)
}

/// Collects one child that has exited.
pub(crate) fn reap() -> io::Result<Reaped> {
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    for index in 0..children.len() {
        if children[index].0.try_wait()?.is_some() {
            let (mut child, _) = children.swap_remove(index);
            let code = child.wait()?.code().unwrap_or(-1);
            let pid = child.id();
            let mut collected = COLLECTED.lock().unwrap_or_else(PoisonError::into_inner);
            collected.push(child);
            return Ok(Reaped::Exited(pid, ExitStatus::Code(code)));
        }
    }
    Ok(Reaped::NoneYet)
}

/// Lets the thread of a process go on that was created suspended.
///
/// It need not be the only one: what watches over programs may have put a thread of its own into the new process, and
/// that one waits for nothing.
fn resume(pid: u32) -> io::Result<()> {
    // SAFETY: it takes no memory; the result is checked.
    let list = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 {
        dwSize: u32::try_from(size_of::<THREADENTRY32>()).map_err(io::Error::other)?,
        ..THREADENTRY32::default()
    };
    let mut refusal = io::Error::other("the new process has no thread that waits");
    // SAFETY: the list is open, and the entry says how long it is.
    let mut found = check(unsafe { Thread32First(raw(&list), &raw mut entry) });
    loop {
        match found {
            Ok(()) if entry.th32OwnerProcessID == pid => match resume_thread(entry.th32ThreadID) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => refusal = error,
            },
            Ok(()) => {}
            Err(error) if is(&error, ERROR_NO_MORE_FILES) => return Err(refusal),
            Err(error) => return Err(error),
        }
        // SAFETY: as above.
        found = check(unsafe { Thread32Next(raw(&list), &raw mut entry) });
    }
}

/// Lets a thread go on. `false`: it was not suspended.
fn resume_thread(id: u32) -> io::Result<bool> {
    // SAFETY: it takes no memory; the result is checked.
    let thread = owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, id) })?;
    // SAFETY: the handle is open.
    match unsafe { ResumeThread(raw(&thread)) } {
        u32::MAX => Err(io::Error::last_os_error()),
        suspensions => Ok(suspensions > 0),
    }
}

/// The signals of a guardian, in order of arrival.
pub(crate) struct GuardianSignals {
    _requests: Hearing,
}

impl GuardianSignals {
    pub(crate) fn begin() -> io::Result<Self> {
        let requests = Hearing::of(own_request_to_end()?, REQUEST)?;
        // Where it cannot be heard of, everything ends with the job.
        let _ = session::hear_of_end();
        Ok(Self {
            _requests: requests,
        })
    }

    /// The next one. `None`: there will be no more.
    #[expect(clippy::unused_self, reason = "only whoever has begun to listen hears")]
    pub(crate) fn next(&mut self) -> Option<GuardianSignal> {
        let port = port_for_job().ok()?;
        loop {
            let (mut message, mut key, mut detail) = (0, 0, std::ptr::null_mut());
            // SAFETY: the port is open for as long as this process lives, and the results go to live memory.
            let result = unsafe {
                GetQueuedCompletionStatus(
                    port,
                    &raw mut message,
                    &raw mut key,
                    &raw mut detail,
                    INFINITE,
                )
            };
            check(result).ok()?;
            match key {
                CHILD => return Some(GuardianSignal::ChildEnded),
                REQUEST => return Some(GuardianSignal::AskedToEnd),
                SESSION => return Some(GuardianSignal::SessionEnds),
                // What a job says is no promise, but nothing else tells of the end of somebody else's child.
                _ if matches!(
                    message,
                    JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO
                        | JOB_OBJECT_MSG_EXIT_PROCESS
                        | JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS
                ) =>
                {
                    return Some(GuardianSignal::ChildEnded);
                }
                _ => {}
            }
        }
    }
}

/// The port at which this process hears of everything. It lives as long as the process.
pub(super) fn port_for_job() -> io::Result<HANDLE> {
    if let Some(port) = PORT.get() {
        return Ok(raw(port));
    }
    // SAFETY: a port of its own, without a file; the result is checked.
    let port =
        owned(unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, std::ptr::null_mut(), 0, 1) })?;
    Ok(raw(PORT.get_or_init(|| port)))
}

/// That it is said at the port when a process has ended, or an event has happened, for as long as this lives.
struct Hearing {
    /// The number of the wait.
    wait: usize,
    /// What is waited for: a handle of its own, which nobody closes before the wait is over.
    _handle: OwnedHandle,
}

impl Hearing {
    /// Has it said as coming from this one.
    fn of(handle: BorrowedHandle<'_>, who: usize) -> io::Result<Self> {
        port_for_job()?;
        let handle = handle.try_clone_to_owned()?;
        let mut wait = std::ptr::null_mut();
        // SAFETY: the handle stays open until the wait has been called off. The context is a number, and no address.
        check(unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                raw(&handle),
                Some(say),
                std::ptr::without_provenance(who),
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
        // SAFETY: it was registered, and is called off once. This waits until nobody is in the middle of saying it.
        unsafe { UnregisterWaitEx(wait, INVALID_HANDLE_VALUE) };
    }
}

extern "system" fn say(who: *mut c_void, _timed_out: bool) {
    post(who.addr());
}

/// Says at the port that there is something to hear from this one.
pub(super) fn post(who: usize) {
    if let Some(port) = PORT.get() {
        // SAFETY: the port is open for as long as this process lives; there is nothing but the key to be passed on.
        unsafe { PostQueuedCompletionStatus(raw(port), 0, who, std::ptr::null()) };
    }
}
