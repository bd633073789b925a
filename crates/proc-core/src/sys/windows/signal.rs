//! Pinning processes, ending them, and being asked to end.
//!
//! An open handle keeps a PID from being given to another process. It is opened first and the creation time compared
//! afterwards: from then on nothing can slip in between.

use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, HANDLE, HANDLE_FLAG_INHERIT, NTSTATUS,
    SetHandleInformation,
};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::Threading::{
    CreateEventW, EVENT_MODIFY_STATE, GetCurrentProcess, GetProcessHandleCount, OpenEventW,
    PROCESS_SUSPEND_RESUME, PROCESS_TERMINATE, SetEvent, TerminateProcess,
};
use windows_sys::core::BOOL;

use super::call::{check, has_ended, is, owned, raw, wait_for, wide};
use super::process::{creation_time, open, open_for, stat};
use crate::identity::Identity;
use crate::sys::{Interruption, Signal};

/// The exit code of what is killed, as `taskkill` gives it.
pub(super) const KILLED: u32 = 1;

/// A process that was pinned while it had a known identity.
#[derive(Debug)]
pub(crate) struct Handle {
    process: OwnedHandle,
    identity: Identity,
}

impl Handle {
    /// The process.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Pins the process with this identity. `None`: it is gone, or its PID belongs to another process by now.
pub(crate) fn pin(identity: &Identity) -> io::Result<Option<Handle>> {
    let process = match open(identity.pid) {
        Ok(process) => process,
        Err(error) if is(&error, ERROR_INVALID_PARAMETER) => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_it = creation_time(&process) == Some(identity.start) && !has_ended(&process);
    let identity = *identity;
    Ok(is_it.then_some(Handle { process, identity }))
}

/// Whether the process with this identity lives.
pub(crate) fn is_there(identity: &Identity) -> bool {
    stat(identity.pid, identity.boot).is_some_and(|stat| stat.identity == *identity && !stat.zombie)
}

/// Asks something of a pinned process. `false`: it is gone.
pub(crate) fn signal(handle: &Handle, signal: Signal) -> io::Result<bool> {
    match signal {
        Signal::Terminate => {
            // Any other process is asked by what it shows to people.
            ask_guardian(&handle.identity);
        }
        Signal::Kill => return kill(handle),
        Signal::Stop => {
            // What is stopped is killed next. One that may not be killed is told from one that does not go away, and
            // goes on.
            if open_to_end(handle)?.is_some() {
                stop(handle);
            }
        }
        // What was stopped here is killed next. Of what others have stopped, a thread may be meant to stand still.
        Signal::Continue => {}
    }
    Ok(!has_ended(&handle.process))
}

/// Opens a pinned process to be ended. `None`: it has ended already.
fn open_to_end(handle: &Handle) -> io::Result<Option<OwnedHandle>> {
    match open_for(handle.identity.pid, PROCESS_TERMINATE) {
        Ok(process) => Ok(Some(process)),
        Err(_) if has_ended(&handle.process) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kill(handle: &Handle) -> io::Result<bool> {
    let Some(process) = open_to_end(handle)? else {
        return Ok(false);
    };
    // SAFETY: the handle is open, and that of `handle` has kept the PID for the same process.
    let result = check(unsafe { TerminateProcess(raw(&process), KILLED) });
    match result {
        Ok(()) => Ok(true),
        // What the system says of a process that is on its way out.
        Err(error) if is(&error, ERROR_ACCESS_DENIED) && has_ended(&handle.process) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets all threads of a process stand still, if this one may.
fn stop(handle: &Handle) {
    if let Ok(process) = open_for(handle.identity.pid, PROCESS_SUSPEND_RESUME) {
        // SAFETY: the handle is open, and that of `handle` has kept the PID for the same process.
        unsafe { NtSuspendProcess(raw(&process)) };
    }
}

// In no header, but the same since Windows XP: task managers and debuggers rely on it.
#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> NTSTATUS;
}

/// Waits for a pinned process to exit, for as long as it takes.
pub(crate) fn wait_for_exit(handle: &Handle) {
    wait_for(&handle.process);
}

/// Keeps what this process was started with to itself: only what is lent to a child is inherited. And listens to
/// Ctrl+C, whatever its parent had ignored.
pub(crate) fn hear_signals() {
    keep_handles();
    // Without a console there is no Ctrl+C.
    // SAFETY: no function is handed over.
    unsafe { SetConsoleCtrlHandler(None, 0) };
}

/// The numbers of handles are multiples of this.
const HANDLE_STEP: usize = 4;

/// The greatest number of a handle that is looked at. One that was inherited has the number that it had before, in a
/// process that may have had many.
const LAST_HANDLE: usize = 1 << 18;

/// How many numbers in a row belong to no handle where there are no more to be expected.
const HANDLE_GAP: usize = 256;

/// Lets no child inherit what this process has inherited.
///
/// These are not only its standard streams. A process that starts a program mostly hands over duplicates of its own
/// streams, and the program inherits these too. A guardian that held one would keep the reader of the other end
/// waiting.
fn keep_handles() {
    let mut count = 0;
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    // Where it is not told, as under Wine, only a gap shows the end.
    // SAFETY: the handle is always open, and the result goes to live memory.
    unsafe { GetProcessHandleCount(this, &raw mut count) };
    let (mut found, mut gap) = (0, 0);
    for number in (HANDLE_STEP..=LAST_HANDLE).step_by(HANDLE_STEP) {
        let handle = std::ptr::without_provenance_mut(number);
        // SAFETY: whatever the handle is, nothing but a flag of it is changed; it fails where there is none.
        if unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) } != 0 {
            found += 1;
            gap = 0;
        } else {
            gap += 1;
        }
        if found >= count && gap >= HANDLE_GAP {
            break;
        }
    }
}

/// The name of the event by which a guardian is asked to end. It has no window and no console to be asked by. The name is
/// the same in all sessions of the machine: a user who has logged in once more from elsewhere asks too.
fn request_name(identity: &Identity) -> Vec<u16> {
    wide(format!(
        "Global\\clean-slate-end-{}-{:x}",
        identity.pid, identity.start
    ))
}

/// The event by which this process is asked to end. It is there for as long as the process lives.
pub(super) fn own_request_to_end() -> io::Result<BorrowedHandle<'static>> {
    static OWN: OnceLock<OwnedHandle> = OnceLock::new();
    if let Some(event) = OWN.get() {
        return Ok(event.as_handle());
    }
    let own = stat(std::process::id(), super::boot()?).ok_or(io::ErrorKind::NotFound)?;
    let name = request_name(&own.identity);
    // SAFETY: the name ends with a zero; the result is checked.
    let event = owned(unsafe { CreateEventW(std::ptr::null(), 1, 0, name.as_ptr()) })?;
    Ok(OWN.get_or_init(|| event).as_handle())
}

/// Asks a process to end, if it is a guardian.
fn ask_guardian(identity: &Identity) {
    let name = request_name(identity);
    // SAFETY: the name ends with a zero; the result is checked.
    let event = owned(unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) });
    if let Ok(event) = event {
        // SAFETY: the handle is open.
        unsafe { SetEvent(raw(&event)) };
    }
}

/// The requests to end that reach a launcher, in order of arrival.
pub(crate) struct LauncherSignals(Receiver<Interruption>);

/// Where they are sent.
static LISTENER: Mutex<Option<Sender<Interruption>>> = Mutex::new(None);

impl LauncherSignals {
    /// Listens from now on.
    pub(crate) fn begin() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        // SAFETY: the function lives as long as the program.
        check(unsafe { SetConsoleCtrlHandler(Some(interrupted), 1) })?;
        Ok(Self(receiver))
    }

    /// The next one. `None`: there will be no more.
    pub(crate) fn next(&mut self) -> Option<Interruption> {
        self.0.recv().ok()
    }
}

/// Called by the system, on a thread of its own each time.
extern "system" fn interrupted(how: u32) -> BOOL {
    let interruption = match how {
        CTRL_C_EVENT => Interruption::Interrupt,
        CTRL_BREAK_EVENT => Interruption::Terminate,
        // The window is closed.
        _ => Interruption::HangUp,
    };
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = listener
        .as_ref()
        .is_some_and(|listener| listener.send(interruption).is_ok());
    drop(listener);
    // When this returns, the system ends the process. It does so in some seconds anyway, and until then the run can be
    // ended; after that its guardian goes on.
    if heard && interruption == Interruption::HangUp {
        loop {
            std::thread::park();
        }
    }
    BOOL::from(heard)
}

/// What asks a launcher to end, for people.
pub(crate) fn name_of_interruption(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::Interrupt => "Ctrl+C",
        Interruption::Terminate => "Ctrl+Break",
        Interruption::HangUp => "the closing of its window",
    }
}
