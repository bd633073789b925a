//! Ending the processes that a request selects.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::{
    Action, BlockedPort, CleanError, Cleaner, Cleaning, DEFAULT_GRACE, ProcessReport, Seen,
    SelectionReport, Targets,
};
use crate::classify::{
    CleanRequest, Decision, ForeignReason, ProtectedReason, Selection, SpareReason, TargetReason,
    Verdict,
};
use crate::identity::Identity;
use crate::ledger::{RunState, Runs};
use crate::port::{self, PortState};
use crate::shutdown::{self, Asking};
use crate::wait::{Deadline, Pauses};

/// The pauses between the snapshots while targets have time to end by themselves.
const SNAPSHOTS: Pauses = Pauses {
    first: Duration::from_millis(20),
    longest: Duration::from_millis(250),
};

impl Cleaner {
    /// Ends what a request selects, and looks again.
    pub fn clean(&self, request: &CleanRequest) -> Result<Cleaning, CleanError> {
        let mut runs = self.runs()?;
        if self.dry_run {
            // What they would be by now.
            for run in &mut runs.known {
                if request.runs.contains(&run.id) {
                    run.state = RunState::Closed;
                }
            }
        }
        let seen = self.snapshot(&runs, request)?;
        let chosen = seen
            .iter()
            .filter(|(selection, _)| selection.decision.is_target());
        let mut listening =
            port::listening_ports(chosen.map(|(selection, _)| selection.identity.pid))?;
        let mut targets = Targets::new();
        let mut spared = Vec::new();
        for (selection, seen) in seen {
            let ports = listening
                .remove(&selection.identity.pid)
                .unwrap_or_default();
            if selection.decision.is_target() {
                targets.insert(
                    selection.identity,
                    report(selection, seen, Action::WouldEnd, ports),
                );
            } else if seen.1.is_some() || belongs_to_a_run(&selection.verdict) {
                spared.push(report(selection, seen, Action::Spared, ports));
            }
        }
        let mut blocked_ports = Vec::new();
        if !self.dry_run && !targets.is_empty() {
            self.end(&runs, request, &mut targets)?;
            blocked_ports = blocked(&targets)?;
        }
        let processes = targets.into_values().chain(spared).collect();
        Ok(Cleaning {
            processes,
            blocked_ports,
        })
    }

    fn end(
        &self,
        runs: &Runs,
        request: &CleanRequest,
        targets: &mut Targets,
    ) -> Result<(), CleanError> {
        let system = |source| CleanError::System {
            operation: "end a process",
            source,
        };
        let grace = self.grace.unwrap_or(DEFAULT_GRACE);
        self.ask_and_wait(runs, request, targets, grace);
        let mut failure = None;
        let killed = shutdown::kill_all(|| match self.snapshot_again(runs, request, targets) {
            Ok(identities) => Ok(identities),
            Err(error) => {
                let text = error.to_string();
                failure = Some(error);
                Err(io::Error::other(text))
            }
        });
        let killed = match (failure, killed) {
            (Some(error), _) => return Err(error),
            (None, killed) => killed.map_err(system)?,
        };
        for target in targets.values_mut() {
            target.action = Action::Ended;
        }
        for identity in &killed.killed {
            if let Some(target) = targets.get_mut(identity) {
                target.action = Action::Killed;
            }
        }
        for survivor in &killed.survivors {
            if let Some(target) = targets.get_mut(&survivor.identity) {
                target.action = survivor.reason.into();
            }
        }
        Ok(())
    }

    /// Asks the targets to end, and waits until they have or the time is up.
    ///
    /// It looks again and again in the meantime: what a target starts while it is ending is known for its descendant
    /// only for as long as the target is there. Whatever comes is asked too.
    fn ask_and_wait(
        &self,
        runs: &Runs,
        request: &CleanRequest,
        targets: &mut Targets,
        grace: Duration,
    ) {
        let deadline = Deadline::after(grace);
        let mut asking = Asking::with_grace(grace);
        for pause in SNAPSHOTS {
            let asked: Vec<Identity> = targets.keys().copied().collect();
            asking.ask(&asked);
            let next_snapshot = Deadline::after(pause).min(deadline);
            if shutdown::wait_for_all(&asked, next_snapshot) || deadline.has_passed() {
                return;
            }
            // One that fails is left to the snapshot before the killing, which says so.
            let _ = self.snapshot_again(runs, request, targets);
        }
    }

    /// The targets that are still there, and those that have come since. A target stays one when its parent is gone,
    /// and with it whatever it has started in the meantime.
    fn snapshot_again(
        &self,
        runs: &Runs,
        request: &CleanRequest,
        targets: &mut Targets,
    ) -> Result<Vec<Identity>, CleanError> {
        let mut request = request.clone();
        request.pursued = targets.keys().copied().collect();
        let mut seen = self.snapshot(runs, &request)?;
        seen.retain(|(selection, _)| selection.decision.is_target());
        let is_new = |identity: &Identity| !targets.contains_key(identity);
        let identities = seen.iter().map(|(selection, _)| selection.identity);
        let new = identities
            .clone()
            .filter(is_new)
            .map(|identity| identity.pid);
        let mut listening = port::listening_ports(new)?;
        let found = identities.collect();
        for (selection, seen) in seen {
            let ports = listening
                .remove(&selection.identity.pid)
                .unwrap_or_default();
            targets
                .entry(selection.identity)
                .or_insert_with(|| report(selection, seen, Action::WouldEnd, ports));
        }
        Ok(found)
    }
}

/// Whether a process has to do with a run of this scope. Such processes, and those that a rule names, a person could
/// take for targets; nothing else on the machine is of concern to a report.
fn belongs_to_a_run(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Ours { .. }
            | Verdict::Foreign {
                reason: ForeignReason::Exempt { .. }
            }
            | Verdict::Protected {
                reason: ProtectedReason::Guardian { .. }
            }
    )
}

fn report(
    selection: Selection,
    (label, rule): Seen,
    action: Action,
    ports: Vec<u16>,
) -> ProcessReport {
    // The evidence says more than that a group or a run was asked for.
    let by_verdict = matches!(
        selection.decision,
        Decision::Spare {
            why: SpareReason::Verdict
        } | Decision::Target {
            why: TargetReason::Group { .. } | TargetReason::Run { .. }
        }
    );
    let reason = if by_verdict {
        selection.verdict.to_string()
    } else {
        selection.decision.to_string()
    };
    ProcessReport {
        label,
        rule,
        selection: SelectionReport {
            judgement: selection.verdict,
            decision: selection.decision,
        },
        action,
        reason,
        ports,
    }
}

fn blocked(targets: &Targets) -> Result<Vec<BlockedPort>, CleanError> {
    let ports: BTreeSet<u16> = targets
        .values()
        .flat_map(|target| target.ports.iter().copied())
        .collect();
    let mut blocked = BTreeMap::new();
    for port in ports {
        let holder = match port::state(port, &[])? {
            PortState::Free | PortState::Leased { .. } | PortState::Forbidden => continue,
            PortState::Held { holders, .. } => holders
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        };
        blocked.insert(port, holder);
    }
    Ok(blocked
        .into_iter()
        .map(|(port, holder)| BlockedPort { port, holder })
        .collect())
}
