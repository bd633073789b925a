//! What a cleaning has found that is not as asked, and the exit that follows: the same for every command that cleans.

use std::collections::BTreeMap;

use proc_core::clean::{Action, BlockedPort, Cleaning, RunReport};
use proc_core::identity::Identity;
use proc_core::ledger::Runs;
use proc_core::report::Exit;

use crate::cleaning::{DamageReport, damage, live_ids, shorten};
use crate::context::complain;

/// What says most about the state of the machine comes first.
const GRAVEST_FIRST: [Exit; 6] = [
    Exit::Survivors,
    Exit::Ledger,
    Exit::Config,
    Exit::Dirty,
    Exit::Busy,
    Exit::PortUnavailable,
];

/// The problems so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(Exit, String)>);

impl Problems {
    /// What every cleaning is held against: whatever was to end has ended, and every ledger could be read.
    pub(crate) fn of(
        before: &Runs,
        reports: &[RunReport],
        cleaning: &Cleaning,
        after: &Runs,
    ) -> (Self, Vec<DamageReport>) {
        let mut problems = Self::default();
        // A survivor of a run may be a member of a group as well.
        let survivors: BTreeMap<Identity, String> = cleaning
            .processes
            .iter()
            .map(|process| {
                (
                    process.label.identity,
                    &process.label.command,
                    process.action,
                )
            })
            .chain(reports.iter().flat_map(|run| {
                let processes = run.processes.iter();
                processes.map(|process| {
                    (
                        process.label.identity,
                        &process.label.command,
                        process.action,
                    )
                })
            }))
            .filter_map(|(identity, command, action)| {
                let why = match action {
                    Action::AccessDenied => "access denied",
                    Action::Uninterruptible => "uninterruptible",
                    _ => return None,
                };
                let (pid, command) = (identity.pid, shorten(command, 60));
                Some((identity, format!("PID {pid} ({command}): {why}")))
            })
            .collect();
        for survivor in survivors.values() {
            let text = format!("not clean: could not end {survivor}");
            problems.add(Exit::Survivors, text);
        }
        // Another command that was ending a run may be done with it by now.
        let open = live_ids(after);
        for run in reports.iter().filter(|run| run.is_unended()) {
            if open.contains(&run.run.as_str()) {
                let text = format!("not clean: could not end run {}: {}", run.run, run.reason);
                problems.add(Exit::Survivors, text);
            }
        }
        let damaged = damage(before, after);
        for damage in &damaged {
            problems.add(Exit::Ledger, damage.describe());
        }
        (problems, damaged)
    }

    /// Ports of ended processes that other processes have by now.
    pub(crate) fn add_ports(&mut self, blocked: &[BlockedPort]) {
        for BlockedPort { port, holder } in blocked {
            let text = format!("port {port} is still held by {holder}");
            self.add(Exit::PortUnavailable, text);
        }
    }

    pub(crate) fn add(&mut self, exit: Exit, problem: String) {
        self.0.push((exit, problem));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something of the scope could not be ended.
    pub(crate) fn has_survivors(&self) -> bool {
        self.exit() == Exit::Survivors
    }

    /// The exit of the gravest.
    pub(crate) fn exit(&self) -> Exit {
        let of = |wanted: &Exit| self.0.iter().any(|(exit, _)| exit == wanted);
        let other = || self.0.first().map(|(exit, _)| *exit);
        GRAVEST_FIRST
            .into_iter()
            .find(of)
            .or_else(other)
            .unwrap_or(Exit::Ok)
    }

    /// All of them in words.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(_, text)| text.clone()).collect()
    }

    /// Says all of them.
    pub(crate) fn show(&self) {
        for (exit, problem) in &self.0 {
            match exit {
                Exit::Ledger => complain(&format!("{problem}; see docs/troubleshooting.md")),
                _ => complain(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_decides_whatever_the_order() {
        let mut problems = Problems::default();
        assert_eq!(problems.exit(), Exit::Ok);
        for (exit, decides) in [
            (Exit::PortUnavailable, Exit::PortUnavailable),
            (Exit::Dirty, Exit::Dirty),
            (Exit::Busy, Exit::Dirty),
            (Exit::Survivors, Exit::Survivors),
            (Exit::Ledger, Exit::Survivors),
        ] {
            problems.add(exit, String::new());
            assert_eq!(problems.exit(), decides);
        }
    }
}
