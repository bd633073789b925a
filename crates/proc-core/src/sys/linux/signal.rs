//! Pinning processes and signalling them.
//!
//! A pidfd refers to one process for ever, whatever becomes of its PID. It is opened first and the identity re-read
//! afterwards: from then on nothing can slip in between.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as OsSignal};
use signal_hook::consts::SIGCHLD;

use super::procfs;
use crate::identity::Identity;
use crate::sys::{Link, Signal, hang_up};

/// A process that was pinned while it had a known identity.
#[derive(Debug)]
pub(crate) struct Handle {
    fd: OwnedFd,
}

/// Pins the process with this identity. `None`: it is gone, or its PID belongs to another process by now.
pub(crate) fn pin(identity: &Identity) -> io::Result<Option<Handle>> {
    let Some(pid) = i32::try_from(identity.pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        // EINVAL, or ENOENT on newer kernels: the PID is that of a thread by now, which is no process of its own.
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let now = procfs::try_stat(identity.pid, identity.boot)?;
    let is_it = now.is_some_and(|now| now.identity == *identity);
    Ok(is_it.then_some(Handle { fd }))
}

/// Whether the process with this identity lives. It is taken to, where nothing can be learned of it.
pub(crate) fn is_there(identity: &Identity) -> bool {
    match procfs::try_stat(identity.pid, identity.boot) {
        Ok(now) => now.is_some_and(|now| now.identity == *identity && !now.zombie),
        Err(_) => true,
    }
}

/// Sends a signal to a pinned process. `false`: it is gone.
pub(crate) fn signal(handle: &Handle, signal: Signal) -> io::Result<bool> {
    let signal = match signal {
        Signal::Terminate => OsSignal::TERM,
        Signal::Kill => OsSignal::KILL,
        Signal::Stop => OsSignal::STOP,
        Signal::Continue => OsSignal::CONT,
    };
    match rustix::process::pidfd_send_signal(&handle.fd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for a pinned process to exit, for as long as it takes.
pub(crate) fn wait_for_exit(handle: &Handle) {
    let mut fds = [PollFd::from_borrowed_fd(handle.fd.as_fd(), PollFlags::IN)];
    while poll(&mut fds, None).is_err_and(|errno| errno == Errno::INTR) {}
}

/// Waits until the process at the other end of a link has exited, and ends the link then.
///
/// The kernel does that by itself, unless a process has taken a copy of the other end (`pidfd_getfd`).
pub(crate) fn hang_up_after(other: &Identity, link: &Link) {
    // A process that cannot be watched is left to the kernel.
    let Ok(handle) = pin(other) else { return };
    if let Some(handle) = handle {
        wait_for_exit(&handle);
    }
    hang_up(link);
}

/// An empty `sigset_t`, in as much room as any C library takes for one.
#[repr(C, align(16))]
struct NoSignals([u8; 128]);

// `asm-generic/signal-defs.h`, and the architectures that differ from it.
const SIG_SETMASK: c_int = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "mips32r6",
    target_arch = "mips64r6"
)) {
    3
} else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    4
} else {
    2
};
const SIG_DFL: usize = 0;

#[expect(
    unsafe_code,
    reason = "functions of the C library that std links anyway"
)]
unsafe extern "C" {
    fn pthread_sigmask(how: c_int, set: *const NoSignals, old: *mut NoSignals) -> c_int;
    #[link_name = "signal"]
    fn set_handler(number: c_int, handler: usize) -> usize;
}

/// Lets this process hear of requests to end and of the ends of its children. A program starts with the signals blocked
/// that its parent had blocked, and where that ignored SIGCHLD, no child could be waited for.
///
/// To be called while this process has no other thread.
#[expect(unsafe_code, reason = "nothing safe does this")]
pub(crate) fn hear_signals() {
    let none = NoSignals([0; 128]);
    // SAFETY: the set is live memory of at least the size of a `sigset_t`, and zeros are one; the old set is not asked for.
    unsafe { pthread_sigmask(SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
    // SAFETY: the default is no function that could be called.
    unsafe { set_handler(SIGCHLD, SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_no_process_that_can_be_pinned() {
        let thread = std::thread::spawn(|| {
            let own = rustix::thread::gettid().as_raw_nonzero().get();
            let boot = procfs::boot().unwrap();
            let shown = procfs::stat(own.cast_unsigned(), boot).unwrap();
            assert!(pin(&shown.identity).unwrap().is_none());
        });
        thread.join().unwrap();
    }
}
