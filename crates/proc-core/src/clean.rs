//! Cleaning a scope: a snapshot, verdicts, ending what they select, and another snapshot.
//!
//! Cleaning has succeeded only when a fresh snapshot shows none of the targets, and their ports can be bound again.

mod processes;
mod runs;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::classify::{
    Bounds, BoundsError, BoundsSpec, Caller, Classifier, ClassifyError, CleanRequest, Count,
    Explanation, Inputs, NamedBy, Rules, Selection, Uncounted, on_disk,
};
use crate::identity::Identity;
use crate::ledger::Runs;
use crate::membership::{RunSigns, ScopeRef};
use crate::port::PortError;
use crate::recover::{self, RecoveryError};
use crate::scope::Scope;
use crate::shutdown::SurvivalReason;
use crate::table::{Label, Table};

pub use runs::{Kept, RunAction, RunChoice, RunProcess, RunReport};

/// How long processes may take to end by themselves, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Cleaning cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The process table, the ledgers or a process cannot be reached.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The scope's paths do not tell it from the rest of the machine.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// No verdict can be reached.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// A dead run cannot be finished.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Ports cannot be looked at.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What is to be cleaned, and how.
#[derive(Clone, Debug)]
pub struct Cleaner {
    /// The scope.
    pub scope: Scope,
    /// The rules of its groups.
    pub rules: Rules,
    /// The `.uproject` files whose editors and games belong to the scope.
    pub projects: Vec<PathBuf>,
    /// Names by which a folder below the scope's root is known for the root of another scope.
    pub marks: Vec<String>,
    /// Whether other users' processes are judged like one's own.
    pub all_users: bool,
    /// How long everything may take to end by itself. `None`: as long as a run was launched with, and
    /// [`DEFAULT_GRACE`] otherwise.
    pub grace: Option<Duration>,
    /// Only look, and say what would be done.
    pub dry_run: bool,
}

/// What is there: the result of one snapshot.
#[derive(Debug)]
pub struct Survey {
    /// How many processes each group has.
    pub counts: Vec<Count>,
    /// Unreal programs that no group counts.
    pub uncounted: Uncounted,
    /// The runs of the scope.
    pub runs: Runs,
}

/// One process and what was done with it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProcessReport {
    /// Which process.
    #[serde(flatten)]
    pub label: Label,
    /// The rule that names its program, whatever it does.
    pub rule: Option<NamedBy>,
    /// What it is to the scope, with the evidence; what a rule and the request make of it.
    #[serde(flatten)]
    pub selection: SelectionReport,
    /// What was done with it.
    pub action: Action,
    /// Why, in words.
    pub reason: String,
    /// The ports on which it listened, if it is a target.
    pub ports: Vec<u16>,
}

/// The verdict and the decision behind an action.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SelectionReport {
    /// The verdict.
    pub judgement: crate::classify::Verdict,
    /// The decision.
    pub decision: crate::classify::Decision,
}

/// What was done with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It ended when it was asked to.
    Ended,
    /// It was killed.
    Killed,
    /// It would be ended; nothing was done, as asked.
    WouldEnd,
    /// It was left alone.
    Spared,
    /// It is still there, because this user may not end it.
    AccessDenied,
    /// It is still there, because the kernel does not let it go.
    Uninterruptible,
}

impl From<SurvivalReason> for Action {
    fn from(reason: SurvivalReason) -> Self {
        match reason {
            SurvivalReason::AccessDenied => Self::AccessDenied,
            SurvivalReason::Uninterruptible => Self::Uninterruptible,
        }
    }
}

/// A port on which a target listened, and that is not available although the target is gone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BlockedPort {
    /// The port.
    pub port: u16,
    /// What holds it, for people.
    pub holder: String,
}

/// What cleaning has come to.
#[derive(Clone, Debug, Default)]
pub struct Cleaning {
    /// The targets, and those that were spared though a rule names them.
    pub processes: Vec<ProcessReport>,
    /// Ports of targets that are still taken.
    pub blocked_ports: Vec<BlockedPort>,
}

impl Cleaner {
    /// Counts, and touches nothing.
    pub fn survey(&self) -> Result<Survey, CleanError> {
        let runs = self.runs()?;
        let (counts, uncounted) = self.with_classifier(&runs, |classifier, _| {
            Ok((classifier.counts(), classifier.uncounted()))
        })?;
        Ok(Survey {
            counts,
            uncounted,
            runs,
        })
    }

    /// What is known about a process, what follows from it, and what a request means for it. `None`: there is no such
    /// process.
    pub fn explain(
        &self,
        pid: u32,
        request: &CleanRequest,
    ) -> Result<Option<Explanation>, CleanError> {
        let runs = self.runs()?;
        self.with_classifier(&runs, |classifier, _| Ok(classifier.explain(pid, request)))
    }

    /// Reads the ledgers of the scope, and leaves everything as it is.
    pub fn runs(&self) -> Result<Runs, CleanError> {
        Runs::read(&self.scope).map_err(|source| CleanError::System {
            operation: "read the ledgers",
            source,
        })
    }

    /// Takes a snapshot, and says what a request means for each process.
    fn snapshot(
        &self,
        runs: &Runs,
        request: &CleanRequest,
    ) -> Result<Vec<(Selection, Seen)>, CleanError> {
        self.with_classifier(runs, |classifier, table| {
            let selections = classifier.select(request);
            Ok(selections
                .into_iter()
                .filter_map(|selection| {
                    let process = table.find(&selection.identity)?;
                    let rule = classifier.rule(&selection.identity);
                    Some((selection, (Label::from(process), rule)))
                })
                .collect())
        })
    }

    fn with_classifier<T>(
        &self,
        runs: &Runs,
        act: impl FnOnce(&Classifier<'_>, &Table) -> Result<T, CleanError>,
    ) -> Result<T, CleanError> {
        let elsewhere = Runs::read_elsewhere(&self.scope);
        let spec = BoundsSpec {
            root: self.scope.root().to_owned(),
            projects: self.projects.clone(),
            others: self.scope.other_roots(),
            marks: self.marks.clone(),
        };
        let bounds = Bounds::new(&spec, &on_disk)?;
        let ours = runs.known.iter().map(|run| (run, ScopeRef::This));
        let others = elsewhere.known.iter().map(|run| (run, ScopeRef::Other));
        let signs: Vec<RunSigns> = ours
            .chain(others)
            .map(|(run, scope)| recover::signs(run, scope))
            .collect::<Result<_, _>>()
            .map_err(|source| CleanError::System {
                operation: "tell its PID namespace",
                source,
            })?;
        // The table comes last: a run that is not in the ledgers by now has not started anything yet.
        let table = Table::read().map_err(|source| CleanError::System {
            operation: "read the process table",
            source,
        })?;
        let inputs = Inputs {
            caller: Caller::this_process(),
            bounds: &bounds,
            rules: &self.rules,
            runs: &signs,
            all_users: self.all_users,
        };
        act(&Classifier::new(&table, inputs)?, &table)
    }
}

/// What a report says of a process beside the verdict: its label, and the rule that names it.
type Seen = (Label, Option<NamedBy>);

/// The targets of a cleaning so far, by identity.
type Targets = BTreeMap<Identity, ProcessReport>;
