//! What a process is to a scope: ours, of a group, foreign, protected, or unknown; and what a request means for it.
//!
//! Everything here is a pure function: rules and evidence in, verdicts out. The facts of a process are asked for cheap ones
//! first, so that little is read of most processes; the only other question to the machine is where a path leads
//! ([`Resolver`]).
//!
//! The invariants, which the tests hold against every combination of facts:
//!
//! - a protected process is never a target, whatever else is known about it;
//! - a process without evidence is never a target, and a name alone is evidence only where the whole machine was asked
//!   for;
//! - a verdict does not depend on the order in which processes are seen.
//!
//! # Examples
//!
//! ```
//! use proc_core::classify::{
//!     self, Caller, Classifier, GroupSpec, Groups, Inputs, CleanRequest, Rules, Bounds, BoundsSpec,
//! };
//! use proc_core::table::Table;
//!
//! let rules = Rules::new([GroupSpec {
//!     name: "python".to_owned(),
//!     names: vec!["python*".to_owned()],
//!     scripts: vec!["**/*.py".to_owned()],
//!     ..GroupSpec::default()
//! }])?;
//! let root = std::env::current_dir()?;
//! let bounds = Bounds::new(&BoundsSpec { root, ..BoundsSpec::default() }, &classify::on_disk)?;
//! let table = Table::read()?;
//! let classifier = Classifier::new(
//!     &table,
//!     Inputs {
//!         caller: Caller::this_process(),
//!         bounds: &bounds,
//!         rules: &rules,
//!         runs: &[],
//!         all_users: false,
//!     },
//! )?;
//! let request = CleanRequest { groups: Groups::All, ..CleanRequest::default() };
//! for selected in classifier.select(&request) {
//!     if selected.decision.is_target() {
//!         println!("{}: {}", selected.identity, selected.verdict);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod explain;
mod matching;
mod protect;
mod rules;
mod select;
mod unreal;
mod verdict;
mod work;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

pub use bounds::{Bounds, BoundsError, BoundsSpec, Resolver, on_disk};
pub use explain::Explanation;
pub use matching::NamedBy;
pub use protect::Caller;
pub use rules::{GroupSpec, RuleError, Rules};
pub use select::{CleanRequest, Count, Groups, Selection, Uncounted};
pub use verdict::{
    Decision, ForeignReason, ProtectedReason, SpareReason, TargetReason, UnknownReason, Verdict,
};

use crate::identity::Identity;
use crate::membership::{Claim, Evidence, Membership, RunSigns, ScopeRef};
use crate::table::{Process, Table};
use matching::{Match, Matcher};

/// All that verdicts rest on, the processes themselves excepted.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The process that asks.
    pub caller: Caller,
    /// Where the scope lies on whose behalf.
    pub bounds: &'a Bounds<'a>,
    /// The rules of its groups.
    pub rules: &'a Rules,
    /// The runs that the caller knows: this scope's, and any other's.
    pub runs: &'a [RunSigns],
    /// Whether other users' processes are judged like one's own. Being root alone never widens anything.
    pub all_users: bool,
}

/// The verdicts on the processes of one snapshot.
#[derive(Debug)]
pub struct Classifier<'a> {
    inputs: Inputs<'a>,
    table: &'a Table,
    runs: Membership<'a>,
    matcher: Matcher<'a>,
    /// The runs that the caller is part of.
    around: BTreeSet<&'a str>,
    protected: BTreeMap<u32, ProtectedReason>,
    verdicts: BTreeMap<u32, OnceCell<Verdict>>,
}

/// Nothing can be said about these processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifyError {
    /// The caller is not among the processes, so that neither it nor its ancestors could be told from the rest. The
    /// snapshot was taken in another PID namespace, or `/proc` is another one's.
    #[error(
        "the caller (PID {0}) is not in the process table: `/proc` belongs to another PID namespace"
    )]
    CallerMissing(u32),
}

/// What is protected for the sake of this process.
#[derive(Debug)]
pub(crate) struct ProtectedKin {
    /// Itself and its ancestors.
    pub(crate) line: BTreeSet<Identity>,
    /// Beside these what else [`Classifier`] protects for the caller: what reads its output, its debuggers and so on.
    pub(crate) all: BTreeSet<Identity>,
}

impl ProtectedKin {
    /// As far as one snapshot shows.
    pub(crate) fn of_this_process(table: &Table) -> Self {
        let lines = protect::lines(table, &Caller::this_process());
        let identities = |is_meant: fn(&ProtectedReason) -> bool| {
            let pids = lines.iter().filter(|(_, reason)| is_meant(reason));
            let processes = pids.filter_map(|(pid, _)| table.get(*pid));
            processes.map(Process::identity).collect()
        };
        Self {
            line: identities(|reason| {
                matches!(reason, ProtectedReason::Caller | ProtectedReason::Ancestor)
            }),
            all: identities(|_| true),
        }
    }
}

impl<'a> Classifier<'a> {
    /// Prepares the verdicts on all processes of a snapshot; none is reached before it is asked for.
    pub fn new(table: &'a Table, inputs: Inputs<'a>) -> Result<Self, ClassifyError> {
        let caller = inputs.caller.pid;
        if table.get(caller).is_none() {
            return Err(ClassifyError::CallerMissing(caller));
        }
        let pids = || table.iter().map(Process::pid);
        let runs = Membership::of_runs(table, inputs.runs);
        Ok(Self {
            around: runs.around(caller),
            runs,
            matcher: Matcher::new(inputs.bounds, inputs.rules, pids()),
            protected: protect::lines(table, &inputs.caller),
            verdicts: pids().map(|pid| (pid, OnceCell::new())).collect(),
            inputs,
            table,
        })
    }

    /// The verdict on a process. `None`: it is not in the snapshot.
    pub fn verdict(&self, identity: &Identity) -> Option<&Verdict> {
        let process = self.table.get(identity.pid)?;
        (process.identity() == *identity).then(|| self.judge(process))?
    }

    /// The rule that names a process, whatever else is known about it.
    pub fn rule(&self, identity: &Identity) -> Option<NamedBy> {
        let process = self
            .table
            .get(identity.pid)
            .filter(|process| process.identity() == *identity)?;
        self.matcher.named_by(process)
    }

    fn judge(&self, process: &'a Process) -> Option<&Verdict> {
        let cell = self.verdicts.get(&process.identity().pid)?;
        Some(cell.get_or_init(|| self.reach(process)))
    }

    /// Reaches a verdict. What protects a process comes first, then what a run can claim, then what a rule can.
    fn reach(&self, process: &'a Process) -> Verdict {
        let protected = |reason| Verdict::Protected { reason };
        let pid = process.identity().pid;
        if pid == 1 {
            return protected(ProtectedReason::Init);
        }
        if process.is_kernel() {
            return protected(ProtectedReason::Kernel);
        }
        if let Some(reason) = self.protected.get(&pid) {
            return protected(reason.clone());
        }
        if process.is_zombie() {
            return Verdict::Foreign {
                reason: ForeignReason::Exited,
            };
        }
        let is_others = process.is_own() == Some(false) && !self.inputs.all_users;
        match self.claim(process) {
            Some(Claim::Guardian(run)) if run.scope == ScopeRef::This => {
                let run = run.run.clone();
                protected(ProtectedReason::Guardian { run })
            }
            Some(Claim::Exempt(run, _)) if run.scope == ScopeRef::This => self.exempt(run, process),
            Some(Claim::Member(run, evidence)) if run.scope == ScopeRef::This => Verdict::Ours {
                run: run.run.clone(),
                evidence,
                group: self.matcher.group(self.table, process),
            },
            Some(Claim::Guardian(run) | Claim::Member(run, _) | Claim::Exempt(run, _)) => {
                let run = run.run.clone();
                protected(ProtectedReason::OtherScope { run })
            }
            _ if is_others => protected(ProtectedReason::OtherUser),
            Some(Claim::UnknownRun(sign)) => protected(ProtectedReason::UnknownRun { sign }),
            None if process.is_own().is_none() => Verdict::Unknown {
                reason: UnknownReason::Vanished,
            },
            None => match self.matcher.of(self.table, process) {
                Match::Group(found) => found.into(),
                Match::Foreign(reason) => Verdict::Foreign { reason },
                Match::Unknown(reason) => Verdict::Unknown { reason },
            },
        }
    }

    /// What a process is that may live on: none of ours, unless a group's rule names the program itself. While the run
    /// goes on it serves the run, and is no group's.
    fn exempt(&self, run: &RunSigns, process: &'a Process) -> Verdict {
        let is_within_reach = process
            .is_own()
            .is_some_and(|own| own || self.inputs.all_users);
        let may_be_cleaned = is_within_reach && !run.is_live;
        match self.matcher.of(self.table, process) {
            Match::Group(found) if may_be_cleaned && found.evidence != Evidence::Script => {
                found.into()
            }
            Match::Group(_) | Match::Foreign(_) | Match::Unknown(_) => Verdict::Foreign {
                reason: ForeignReason::Exempt {
                    run: run.run.clone(),
                },
            },
        }
    }

    /// The run that a process belongs to. Mark and cookie are read where they can matter: where there is a run that
    /// could claim it, or where a rule could make it a target, by its own name or by that of an ancestor.
    fn claim(&self, process: &'a Process) -> Option<Claim<'a>> {
        let reads_signs = match process.is_own() {
            None => false,
            Some(_) if !self.runs.runs().is_empty() => true,
            Some(own) => (own || self.inputs.all_users) && self.could_be_target(process),
        };
        self.runs.claim(process, reads_signs)
    }

    fn could_be_target(&self, process: &'a Process) -> bool {
        self.matcher.is_named(process)
            || self
                .table
                .ancestors(process.identity().pid)
                .into_iter()
                .any(|ancestor| self.matcher.is_named(ancestor))
    }
}
