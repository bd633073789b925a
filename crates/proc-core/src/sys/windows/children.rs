//! The processes that a guardian has started, and how it hears of their ends.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::ERROR_NO_MORE_FILES;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::IO::GetQueuedCompletionStatus;
use windows_sys::Win32::System::SystemServices::{
    JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO,
    JOB_OBJECT_MSG_EXIT_PROCESS,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, OpenThread, ResumeThread, THREAD_SUSPEND_RESUME,
};

use super::call::{check, is, owned, raw};
use super::completion_port::{self, CHILD, Hearing, REQUEST, SESSION};
use super::launch::AtStart;
use super::session;
use super::signal::own_request_to_end;
use crate::status::ExitStatus;
use crate::sys::{GuardianSignal, Reaped};

/// Those that this process has started and not collected yet. An open handle keeps a PID from being used again.
static CHILDREN: Mutex<Vec<(Child, Hearing)>> = Mutex::new(Vec::new());

/// Those that were collected. Their PIDs stay theirs, so that a process that names one as its parent means it.
static COLLECTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

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
    #[expect(
        clippy::unused_self,
        reason = "nothing is heard before listening has begun"
    )]
    pub(crate) fn next(&mut self) -> Option<GuardianSignal> {
        let port = completion_port::port().ok()?;
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
                // What a job says is no promise, but nothing else tells of the end of another process's child.
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
