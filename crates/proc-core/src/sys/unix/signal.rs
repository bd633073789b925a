//! The signals that a guardian and a launcher listen to, and the ends of children.

use std::io;

use rustix::io::Errno;
use rustix::process::WaitOptions;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::status::ExitStatus;
use crate::sys::{self, GuardianSignal, Interruption, Reaped};

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
        let ignored = sys::ignored_signals(std::process::id()).unwrap_or(0);
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

/// What asks a launcher to end, for people.
pub(crate) fn name_of_interruption(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::Interrupt => "Ctrl+C (SIGINT)",
        Interruption::Terminate => "SIGTERM",
        Interruption::HangUp => "the end of the terminal (SIGHUP)",
    }
}
