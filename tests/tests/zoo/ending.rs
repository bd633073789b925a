//! How a run ends.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tests::terminal::CONTROL_C;
use tests::{Bench, PATIENCE, Running, is_stopped, poll, wait_for};

use crate::case::SEARCH_TIMEOUT;
use crate::case_run::CaseRun;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// The test passes.
    Normal,
    /// The test fails.
    Fails,
    Interrupt,
    InterruptTwice,
    /// Ctrl+C is typed at the launcher's terminal, so that the kernel interrupts all of its foreground group.
    InterruptForeground,
    Terminate,
    HangUp,
    /// The launcher's terminal is closed.
    TerminalClosed,
    TerminateGuardian,
    /// The process is killed that was named as the owner of the run.
    OwnerDies,
    /// The launcher stands still when the test passes, and goes on when everything is gone.
    StopLauncher,
    KillLauncher,
    KillGroup,
    KillSession,
    /// A launcher that stands still is killed.
    KillStopped,
    KillGuardian,
    /// Launcher and guardian are killed, and `preflight` follows.
    KillBothPreflight,
    /// Launcher and guardian are killed, and `cleanup --all` follows.
    KillBothCleanup,
    /// Launcher and guardian are killed, and `postflight` follows.
    KillBothPostflight,
}

impl Ending {
    /// Endings in which launcher or guardian can still do something.
    pub(crate) const SOFT: [Self; 11] = [
        Self::Normal,
        Self::Fails,
        Self::Interrupt,
        Self::InterruptTwice,
        Self::InterruptForeground,
        Self::Terminate,
        Self::HangUp,
        Self::TerminalClosed,
        Self::TerminateGuardian,
        Self::OwnerDies,
        Self::StopLauncher,
    ];

    /// Endings by SIGKILL.
    pub(crate) const HARD: [Self; 8] = [
        Self::KillLauncher,
        Self::KillGuardian,
        Self::KillBothCleanup,
        Self::KillGroup,
        Self::KillSession,
        Self::KillStopped,
        Self::KillBothPreflight,
        Self::KillBothPostflight,
    ];

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::SOFT.into_iter().chain(Self::HARD)
    }

    /// Whether nothing happens but that the test command ends.
    pub(crate) fn is_by_test(self) -> bool {
        matches!(self, Self::Normal | Self::Fails)
    }

    /// Whether the end of the test command is part of it.
    pub(crate) fn needs_end_of_test(self) -> bool {
        self.is_by_test() || self == Self::StopLauncher
    }

    /// Whether the launcher leads the session of a terminal.
    pub(crate) fn is_at_terminal(self) -> bool {
        matches!(self, Self::InterruptForeground | Self::TerminalClosed)
    }

    /// Whether the run has an owner.
    pub(crate) fn needs_owner(self) -> bool {
        self == Self::OwnerDies
    }

    /// Whether the launcher is killed, so that it says nothing any more.
    pub(crate) fn is_silent(self) -> bool {
        matches!(
            self,
            Self::KillLauncher
                | Self::KillGroup
                | Self::KillSession
                | Self::KillStopped
                | Self::KillBothPreflight
                | Self::KillBothCleanup
                | Self::KillBothPostflight
        )
    }

    /// Whether guardian and launcher are both killed.
    pub(crate) fn kills_both(self) -> bool {
        self.later_command().is_some()
    }

    /// The command that ends what is left when guardian and launcher are both gone.
    pub(crate) fn later_command(self) -> Option<&'static [&'static str]> {
        match self {
            Self::KillBothPreflight => Some(&["preflight"]),
            Self::KillBothCleanup => Some(&["cleanup", "--all", "--grace", "500ms"]),
            Self::KillBothPostflight => Some(&["postflight", "--grace", "500ms"]),
            _ => None,
        }
    }

    /// The launcher's exit code, of a species that lives until it is ended.
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Normal | Self::StopLauncher => Some(0),
            Self::Fails => Some(1),
            Self::Interrupt | Self::InterruptTwice | Self::InterruptForeground => Some(130),
            // However the run is ended from outside the launcher, the launcher ends as after SIGTERM.
            Self::Terminate | Self::TerminateGuardian | Self::OwnerDies => Some(143),
            Self::HangUp | Self::TerminalClosed => Some(129),
            Self::KillGuardian => Some(110),
            _ => None,
        }
    }

    /// Brings it about.
    pub(crate) fn act(self, run: &mut CaseRun, bench: &Bench) {
        let (launcher, guardian) = (run.launcher.pid(), run.guardian);
        match self {
            Self::Normal | Self::Fails => {}
            Self::Interrupt => send(launcher, Signal::INT),
            Self::InterruptTwice => interrupt_twice(&mut run.launcher),
            Self::InterruptForeground => {
                let terminal = run.terminal.as_ref();
                terminal.unwrap().press(CONTROL_C);
            }
            Self::Terminate => send(launcher, Signal::TERM),
            Self::HangUp => send(launcher, Signal::HUP),
            Self::TerminalClosed => drop(run.terminal.take()),
            Self::TerminateGuardian => send(guardian, Signal::TERM),
            // Dropping it kills it.
            Self::OwnerDies => drop(run.owner.take()),
            Self::StopLauncher => stop_during_the_end(launcher, bench),
            Self::KillLauncher => send(launcher, Signal::KILL),
            Self::KillGroup => {
                let group = Pid::from_raw(launcher.cast_signed()).unwrap();
                let _ = kill_process_group(group, Signal::KILL);
            }
            Self::KillSession => {
                for pid in session(launcher) {
                    send(pid, Signal::KILL);
                }
            }
            Self::KillStopped => {
                send(launcher, Signal::STOP);
                send(launcher, Signal::KILL);
            }
            Self::KillGuardian => send(guardian, Signal::KILL),
            Self::KillBothPreflight | Self::KillBothCleanup | Self::KillBothPostflight => {
                // A launcher that lives would do the guardian's work.
                send(launcher, Signal::STOP);
                send(guardian, Signal::KILL);
                send(launcher, Signal::KILL);
            }
        }
    }
}

/// Lets the test end while the launcher stands still, and the launcher go on when it is alone.
fn stop_during_the_end(launcher: u32, bench: &Bench) {
    send(launcher, Signal::STOP);
    wait_for(PATIENCE, "the launcher to stand still", || {
        is_stopped(launcher)
    });
    bench.go();
    let is_alone = poll(SEARCH_TIMEOUT, || {
        (bench.survivors() == [launcher]).then_some(())
    });
    let left = bench.describe_survivors();
    send(launcher, Signal::CONT);
    assert!(
        is_alone.is_some(),
        "left beside a launcher that stands still: {left}"
    );
}

fn interrupt_twice(launcher: &mut Running) {
    send(launcher.pid(), Signal::INT);
    // The second one counts only when the first was seen; it may be over by then.
    poll(PATIENCE, || {
        let is_ending = launcher.stdout().contains("\"terminating\"");
        (is_ending || launcher.child.try_wait().unwrap().is_some()).then_some(())
    });
    send(launcher.pid(), Signal::INT);
}

/// Signals a process that this test has started, or that one of those has.
fn send(pid: u32, signal: Signal) {
    // It may have ended by itself: some species end their run.
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

/// The processes of a session that this test has started.
fn session(leader: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_ascii_whitespace().nth(3) == Some(&leader.to_string())
    })
    .collect()
}
