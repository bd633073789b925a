//! Ending the runs of a scope: live ones through their guardians, dead ones from their ledgers.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Action, CleanError, Cleaner, Cleaning, DEFAULT_GRACE};
use crate::control::{self, ControlError};
use crate::identity::Identity;
use crate::ledger::{KnownRun, RunState, Runs};
use crate::membership::Evidence;
use crate::recover::{self, Leftover, Skipped};
use crate::shutdown;
use crate::table::Label;

/// Why a run is ended without its guardian, where there is nothing more to be said.
const GONE: &str = "its guardian was gone";

/// Which runs are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunChoice {
    /// Those whose guardian is dead, and those that a launcher has left without meaning to.
    Dead,
    /// Those, and the ones that go on without a launcher.
    DeadAndDetached,
    /// All of them.
    All,
    /// This one.
    One(String),
}

/// One run, and what was done with it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunReport {
    /// The run id.
    pub run: String,
    /// Its folder, with its logs.
    pub folder: String,
    /// What was done.
    pub action: RunAction,
    /// Why, in words.
    pub reason: String,
    /// Why it was left as it is, if it was.
    pub kept: Option<Kept>,
    /// The process that ends it, while the run goes on.
    pub guardian: Option<Identity>,
    /// Its processes, and what was done with them. Empty where it was left as it is.
    pub processes: Vec<RunProcess>,
    /// How many processes of it were ended.
    pub ended: usize,
    /// How many of those had to be killed.
    pub killed: usize,
    /// How many are still there.
    pub survivors: usize,
}

/// What was done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunAction {
    /// It was ended, or what was left of it.
    Ended,
    /// It would be ended; nothing was done, as asked.
    WouldEnd,
    /// It was left as it is.
    Kept,
    /// It was to be ended, and that failed.
    Failed,
}

/// Why a run was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It was not asked for.
    NotAsked,
    /// The command itself is part of it.
    Inside,
    /// Another command is ending it, or its guardian does not answer.
    Busy,
    /// It ran in another PID namespace, such as a container, where its processes have other PIDs.
    OtherNamespace,
}

/// A process of a run that was ended, and what was done with it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunProcess {
    /// Which process.
    #[serde(flatten)]
    pub label: Label,
    /// How it was recognised. `null`: by the run's guardian.
    pub evidence: Option<Evidence>,
    /// What was done with it.
    pub action: Action,
}

impl RunReport {
    /// Whether the run was to be ended, and was not: there may be processes of it that were not looked at.
    pub fn is_unended(&self) -> bool {
        self.action == RunAction::Failed || self.kept == Some(Kept::Busy)
    }
}

impl Cleaning {
    /// Leaves out what runs will have ended by then: a dry run still sees it.
    #[must_use]
    pub fn without_ending(mut self, runs: &[RunReport]) -> Self {
        let ending: BTreeSet<Identity> = runs
            .iter()
            .filter(|run| run.action == RunAction::WouldEnd)
            .flat_map(|run| {
                run.processes
                    .iter()
                    .map(|process| process.label.identity)
                    .chain(run.guardian)
            })
            .collect();
        self.processes
            .retain(|process| !ending.contains(&process.label.identity));
        self
    }
}

impl Cleaner {
    /// Ends runs of the scope. Runs that are over are not mentioned, and one that cannot be ended keeps none of the
    /// others from it.
    pub fn end_runs(&self, runs: &Runs, choice: &RunChoice, reason: &str) -> Vec<RunReport> {
        let open = runs
            .known
            .iter()
            .filter(|run| run.state != RunState::Closed);
        open.map(|run| {
            if is_meant(run, choice) {
                self.end_run(run, reason).unwrap_or_else(|error| {
                    report(run, RunAction::Failed, &error.to_string(), Vec::new())
                })
            } else {
                kept(run, Kept::NotAsked)
            }
        })
        .collect()
    }

    fn grace_of(&self, run: &KnownRun) -> Duration {
        let own = run.history.opened.grace;
        self.grace.or(own).unwrap_or(DEFAULT_GRACE)
    }

    fn end_run(&self, run: &KnownRun, reason: &str) -> Result<RunReport, CleanError> {
        if control::is_inside(run) {
            return Ok(kept(run, Kept::Inside));
        }
        match run.state {
            RunState::Live => self.end_live(run, reason),
            RunState::Dead | RunState::Closed => self.finish(run, GONE),
        }
    }

    fn end_live(&self, run: &KnownRun, reason: &str) -> Result<RunReport, CleanError> {
        let present = leftovers(run)?;
        if self.dry_run {
            let processes = present.into_iter().map(|p| process(p, Action::WouldEnd));
            return Ok(report(
                run,
                RunAction::WouldEnd,
                "it goes on",
                processes.collect(),
            ));
        }
        let ending = match control::end(run, reason, self.grace_of(run)) {
            Ok(ending) => ending,
            // A guardian that is gone, or that does not answer, has left its work to the next command.
            Err(ControlError::Gone { .. }) => return self.finish(run, GONE),
            Err(error) => return self.finish(run, &error.to_string()),
        };
        let mut processes: Vec<RunProcess> = present
            .into_iter()
            .map(|present| process(present, Action::Ended))
            .collect();
        let ended = ending.ended.iter().map(|(identity, killed)| {
            let action = if *killed {
                Action::Killed
            } else {
                Action::Ended
            };
            (*identity, action)
        });
        let killed = ending
            .killed
            .iter()
            .map(|identity| (*identity, Action::Killed));
        let exempt = ending
            .exempt
            .iter()
            .map(|identity| (*identity, Action::Spared));
        let survived = ending
            .survivors
            .iter()
            .map(|(identity, reason)| (*identity, (*reason).into()));
        for (identity, action) in ended.chain(killed).chain(exempt).chain(survived) {
            match processes
                .iter_mut()
                .find(|known| known.label.identity == identity)
            {
                Some(known) => known.action = action,
                None => processes.push(RunProcess {
                    label: identity.into(),
                    evidence: None,
                    action,
                }),
            }
        }
        let reason = "it went on; its guardian has ended it";
        Ok(report(run, RunAction::Ended, reason, processes))
    }

    /// Ends what is left of a run without its guardian, for this reason.
    fn finish(&self, run: &KnownRun, why: &str) -> Result<RunReport, CleanError> {
        if self.dry_run {
            if let Some(skipped) = recover::obstacle(run).map_err(look_error)? {
                return Ok(kept(run, skipped.into()));
            }
            let processes = leftovers(run)?
                .into_iter()
                .map(|leftover| process(leftover, Action::WouldEnd));
            return Ok(report(
                run,
                RunAction::WouldEnd,
                "its guardian is gone",
                processes.collect(),
            ));
        }
        let recovery = match run.state {
            RunState::Live => recover::take_over(run, self.grace_of(run)),
            RunState::Dead | RunState::Closed => recover::finish(run, self.grace_of(run)),
        }?;
        if let Some(skipped) = recovery.skipped {
            return Ok(kept(run, skipped.into()));
        }
        let exempt = recovery.exempt.into_iter();
        let exempt = exempt.map(|leftover| process(leftover, Action::Spared));
        let leftovers = recovery.leftovers.into_iter().map(|leftover| {
            let identity = leftover.label.identity;
            let survivor = recovery
                .survivors
                .iter()
                .find(|survivor| survivor.identity == identity);
            let action = match survivor {
                Some(survivor) => survivor.reason.into(),
                None if recovery.killed.contains(&identity) => Action::Killed,
                None => Action::Ended,
            };
            process(leftover, action)
        });
        let reason = match &recovery.unclosed {
            None => why.to_owned(),
            Some(unclosed) => format!("{why}; {unclosed}, so the next command looks again"),
        };
        let processes = leftovers.chain(exempt).collect();
        Ok(report(run, RunAction::Ended, &reason, processes))
    }
}

impl From<Skipped> for Kept {
    fn from(skipped: Skipped) -> Self {
        match skipped {
            Skipped::Busy => Self::Busy,
            Skipped::OtherNamespace => Self::OtherNamespace,
        }
    }
}

fn leftovers(run: &KnownRun) -> Result<Vec<Leftover>, CleanError> {
    recover::leftovers(run).map_err(look_error)
}

fn look_error(source: io::Error) -> CleanError {
    CleanError::System {
        operation: "look for what is left of a run",
        source,
    }
}

fn process(leftover: Leftover, action: Action) -> RunProcess {
    RunProcess {
        label: leftover.label,
        evidence: Some(leftover.evidence),
        action,
    }
}

fn is_meant(run: &KnownRun, choice: &RunChoice) -> bool {
    match choice {
        RunChoice::All => true,
        RunChoice::One(id) => run.id == *id,
        RunChoice::Dead => run.state == RunState::Dead || is_abandoned(run),
        RunChoice::DeadAndDetached => {
            run.state == RunState::Dead || run.history.detached || is_abandoned(run)
        }
    }
}

/// Whether a run goes on although its launcher is gone, and was not meant to: its guardian is ending it, or was killed a
/// moment ago, or stands still. Or its lock is held although its guardian is gone: another process is ending it, or
/// it has taken the lock itself.
fn is_abandoned(run: &KnownRun) -> bool {
    let is_gone = |identity: &Identity| !shutdown::is_there(identity);
    let opened = &run.history.opened;
    run.state == RunState::Live
        && recover::obstacle(run).is_ok_and(|obstacle| obstacle.is_none())
        && (is_gone(&opened.guardian)
            || !run.history.detached && opened.launcher.as_ref().is_some_and(is_gone))
}

fn kept(run: &KnownRun, kept: Kept) -> RunReport {
    let reason = match (kept, run.state, run.history.detached) {
        (Kept::Inside, _, _) => "this command is part of it",
        (Kept::Busy, _, _) => "another command is ending it, or its guardian does not answer",
        (Kept::OtherNamespace, _, _) => "it ran in another PID namespace, such as a container",
        (Kept::NotAsked, RunState::Live, true) => "it goes on without a launcher, as asked",
        (Kept::NotAsked, RunState::Live, false) => "it goes on under its launcher",
        (Kept::NotAsked, RunState::Dead | RunState::Closed, _) => "it was not asked for",
    };
    RunReport {
        kept: Some(kept),
        ..report(run, RunAction::Kept, reason, Vec::new())
    }
}

fn report(
    run: &KnownRun,
    action: RunAction,
    reason: &str,
    processes: Vec<RunProcess>,
) -> RunReport {
    let count = |actions: &[Action]| {
        let is_one = |process: &&RunProcess| actions.contains(&process.action);
        processes.iter().filter(is_one).count()
    };
    RunReport {
        run: run.id.clone(),
        folder: run.folder.display().to_string(),
        action,
        reason: reason.into(),
        kept: None,
        guardian: (run.state == RunState::Live).then_some(run.history.opened.guardian),
        ended: count(&[Action::Ended, Action::Killed, Action::WouldEnd]),
        killed: count(&[Action::Killed]),
        survivors: count(&[Action::AccessDenied, Action::Uninterruptible]),
        processes,
    }
}
