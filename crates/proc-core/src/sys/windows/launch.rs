//! How a new process is started.

use std::io;
use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::Foundation::{
    ERROR_COMMITMENT_LIMIT, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY,
    ERROR_TOO_MANY_OPEN_FILES,
};
use windows_sys::Win32::System::ProcessStatus::K32EmptyWorkingSet;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED,
    DETACHED_PROCESS, GetCurrentProcess,
};

use super::call::is;
use super::console::is_in_console;
use super::job::Job;
use crate::guarantee::Mechanism;

/// All mechanisms of this system.
pub(crate) const MECHANISMS: &[Mechanism] = &[Mechanism::Job];

/// A program cannot be replaced while it runs.
pub(crate) const RUNNING_PROGRAMS_ARE_LOCKED: bool = true;

/// What a new process gets before its first instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtStart<'a> {
    /// The job that it is put in.
    pub(crate) job: &'a Job,
}

/// Lets a command start suspended, for [`take_charge`](super::take_charge) to put it where it belongs: in the console
/// that this process has entered for it, or else in one of its own that is not shown.
///
/// It is of this process's group. In a group of its own it would not hear Ctrl+C.
#[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
pub(crate) fn contain_at_start(command: &mut Command, _at_start: AtStart<'_>) -> io::Result<()> {
    let console = if is_in_console() { 0 } else { CREATE_NO_WINDOW };
    command.creation_flags(CREATE_SUSPENDED | console);
    Ok(())
}

/// Lets a command start apart from what starts it: without its console, and outside of its job, if it may leave that.
/// `false`: there is no other way than the one that was tried last.
pub(crate) fn set_apart(command: &mut Command, attempt: usize) -> bool {
    let apart = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    match attempt {
        0 => command.creation_flags(apart | CREATE_BREAKAWAY_FROM_JOB),
        // A job that lets no process leave reaches the guardian too. Its own are inside that one then.
        1 => command.creation_flags(apart),
        _ => return false,
    };
    true
}

/// Whether the system has had too little of something to start a program, whichever it is: handles, memory, room for them.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let shortages = [
        ERROR_TOO_MANY_OPEN_FILES,
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_OUTOFMEMORY,
        ERROR_NO_SYSTEM_RESOURCES,
        ERROR_COMMITMENT_LIMIT,
    ];
    shortages.iter().any(|code| is(error, *code))
}

/// Gives back the memory that this process has mapped and does not need while it waits.
pub(crate) fn give_back_program() {
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    // What is needed again is mapped again.
    // SAFETY: the handle is always open.
    unsafe { K32EmptyWorkingSet(this) };
}
