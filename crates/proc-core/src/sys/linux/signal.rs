//! Pinning processes and signalling them.
//!
//! A pidfd refers to one process for ever, whatever becomes of its PID. It is opened first and the identity re-read
//! afterwards: from then on nothing can slip in between.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal as OsSignal, WaitOptions};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::procfs;
use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::status::ExitStatus;

/// A process that was pinned while it had a known identity.
#[derive(Debug)]
pub(crate) struct Handle {
    fd: OwnedFd,
}

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End in your own way (`SIGTERM`).
    Terminate,
    /// End now (`SIGKILL`).
    Kill,
    /// Stand still (`SIGSTOP`).
    Stop,
    /// Go on (`SIGCONT`).
    Continue,
}

/// What there was to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// This child has exited.
    Exited(u32, ExitStatus),
    /// There are children, and all of them live.
    NoneYet,
    /// There is no child at all; for a subreaper: no descendant at all.
    NoChild,
}

/// Pins the process with this identity. `None`: it is gone, or its PID belongs to another process by now.
pub(crate) fn pin(identity: &Identity) -> io::Result<Option<Handle>> {
    let Some(pid) = i32::try_from(identity.pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        // EINVAL: the PID is that of a thread by now, which is no process of its own.
        Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    match procfs::stat(identity.pid, identity.boot) {
        Some(now) if now.identity == *identity => Ok(Some(Handle { fd })),
        _ => Ok(None),
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

/// Collects one child that has exited.
pub(crate) fn reap() -> io::Result<Reaped> {
    loop {
        return match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let exit = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => ExitStatus::Code(code),
                    (None, Some(signal)) => ExitStatus::Signal(signal),
                    // Without WUNTRACED and WCONTINUED the kernel reports nothing else.
                    (None, None) => continue,
                };
                Ok(Reaped::Exited(
                    pid.as_raw_nonzero().get().unsigned_abs(),
                    exit,
                ))
            }
            Ok(None) => Ok(Reaped::NoneYet),
            Err(Errno::INTR) => continue,
            Err(Errno::CHILD) => Ok(Reaped::NoChild),
            Err(errno) => Err(errno.into()),
        };
    }
}

/// Waits for a pinned process to exit, for as long as it takes.
pub(crate) fn wait_for_exit(handle: &Handle) {
    let mut fds = [PollFd::from_borrowed_fd(handle.fd.as_fd(), PollFlags::IN)];
    while poll(&mut fds, None).is_err_and(|errno| errno == Errno::INTR) {}
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
/// that its parent had blocked, and where that ignored SIGCHLD, nobody could wait for a child.
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

/// A signal that concerns a guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardianSignal {
    ChildEnded,
    AskedToEnd,
}

/// The signals of a guardian, in order of arrival.
pub(crate) struct GuardianSignals(Signals);

impl GuardianSignals {
    pub(crate) fn begin() -> io::Result<Self> {
        Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT]).map(Self)
    }

    /// The next one. `None`: there will be no more.
    pub(crate) fn next(&mut self) -> Option<GuardianSignal> {
        let signal = self.0.forever().next()?;
        Some(if signal == SIGCHLD {
            GuardianSignal::ChildEnded
        } else {
            GuardianSignal::AskedToEnd
        })
    }
}

/// The requests to end that reach a launcher, in order of arrival.
pub(crate) struct LauncherSignals(Signals);

impl LauncherSignals {
    /// Listens from now on. What this process was started to ignore (`nohup`) stays ignored.
    pub(crate) fn begin() -> io::Result<Self> {
        let ignored = procfs::ignored_signals(std::process::id()).unwrap_or(0);
        let wanted = [SIGINT, SIGTERM, SIGHUP];
        Signals::new(
            wanted
                .into_iter()
                .filter(|signal| ignored & (1 << (signal - 1)) == 0),
        )
        .map(Self)
    }

    /// The next one. `None`: there will be no more.
    pub(crate) fn next(&mut self) -> Option<Interruption> {
        Some(match self.0.forever().next()? {
            SIGINT => Interruption::Interrupt,
            SIGHUP => Interruption::HangUp,
            _ => Interruption::Terminate,
        })
    }
}
