//! Pinning processes and signalling them.
//!
//! No handle here keeps a PID from being used again, so a process is pinned by its version: the kernel gives another
//! one with each fork and with each program that is executed, and delivers a signal to one version of a PID only
//! ([`token`](super::token)). The version is taken before the identity is read: the process that has it when the signal
//! arrives has had it all the time between, and so is the one whose identity was read.
//!
//! Where the system cannot do that, what is left is the moment between the last look and the signal: in it the process
//! would have to end, be collected by its parent, and its PID be given to another one, while the kernel hands out all
//! others from 100 to 99,998 in turn first. A process that this one has started itself keeps its PID until this one
//! collects it, and is safe from that altogether.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use rustix::event::kqueue::ProcessEvents;
use rustix::io::Errno;
use rustix::process::{Pid, Signal as OsSignal};

use super::queue::Queue;
use super::{process, token};
use crate::identity::Identity;
use crate::sys::Signal;

/// How many times a process may execute another program while it is being signalled.
const ATTEMPTS: usize = 16;

/// A process that is watched, and that had a known identity when that began.
#[derive(Debug)]
pub(crate) struct Handle {
    identity: Identity,
    end: Queue,
}

/// Pins the process with this identity. `None`: it is gone, or its PID belongs to another process by now.
pub(crate) fn pin(identity: &Identity) -> io::Result<Option<Handle>> {
    let end = Queue::new()?;
    let is_watched = end.watch(identity.pid, ProcessEvents::EXIT)?;
    Ok((is_watched && is_there(identity)).then_some(Handle {
        identity: *identity,
        end,
    }))
}

/// Whether the process with this identity lives.
pub(crate) fn is_there(identity: &Identity) -> bool {
    process::stat(identity.pid, identity.boot)
        .is_some_and(|stat| stat.identity == *identity && !stat.zombie)
}

/// Sends a signal to a pinned process. `false`: it is gone.
pub(crate) fn signal(handle: &Handle, signal: Signal) -> io::Result<bool> {
    let signal = match signal {
        Signal::Terminate => OsSignal::TERM,
        Signal::Kill => OsSignal::KILL,
        Signal::Stop => OsSignal::STOP,
        Signal::Continue => OsSignal::CONT,
    };
    let pid = handle.identity.pid;
    for _ in 0..ATTEMPTS {
        let uniques = process::uniques(pid);
        if !is_there(&handle.identity) {
            return Ok(false);
        }
        // Without a version it is about to end, and is not there at the next look.
        let Some(uniques) = uniques else { continue };
        match token::send(pid, uniques.version, signal)? {
            Some(true) => return Ok(true),
            // It has ended, or executed another program.
            Some(false) => {}
            None => return send(pid, signal),
        }
    }
    // One that executes program after program is there, and is met by the next look.
    Ok(is_there(&handle.identity))
}

/// Sends a signal to the process that has this PID now. `false`: none has.
fn send(pid: u32, signal: OsSignal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    match rustix::process::kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for a pinned process to exit, for as long as it takes.
pub(crate) fn wait_for_exit(handle: &Handle) {
    // An error leaves nothing to wait with.
    let _ = handle.end.wait();
}

/// Lets this process hear of requests to end and of the ends of its children. A program starts with the signals blocked
/// that its parent had blocked, and where that ignored SIGCHLD, no child could be waited for.
///
/// To be called while this process has no other thread.
pub(crate) fn hear_signals() {
    unblock_all();
    expect_children();
}

#[expect(unsafe_code, reason = "nothing safe does this")]
fn unblock_all() {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to live memory of a set's size.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set was made by the call above; the old set is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) };
}

#[expect(unsafe_code, reason = "nothing safe does this")]
fn expect_children() {
    // SAFETY: the default is no function that could be called.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}
