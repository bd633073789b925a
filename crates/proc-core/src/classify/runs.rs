//! Which run a process belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, LivingOn};
use crate::identity::Identity;
use crate::mark::Mark;
use crate::table::{Process, Table};

/// What the caller knows of a run.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Its id, which is also the cookie in its processes' environment.
    pub id: String,
    /// Whose run it is.
    pub scope: ScopeRef,
    /// Whether it goes on.
    pub state: RunState,
    /// The process that owns its containment.
    pub guardian: Option<Identity>,
    /// Who holds it: the launcher, and the process with whose end the run is to end. While the run is alive, its holders
    /// and their ancestors are not cleaned away, for that would end the run.
    pub holders: Vec<Identity>,
    /// The processes that its ledger names.
    pub members: Vec<Identity>,
    /// The processes that were found in its container.
    pub contained: Vec<Identity>,
    /// The mark that its processes carry.
    pub mark: Option<Mark>,
    /// What its clients may leave behind.
    pub living_on: LivingOn,
    /// Whether nothing but that was left when the run was closed, and it was: then whatever carries the mark of such a
    /// client comes from it, though what has started it may be gone.
    pub has_left: bool,
}

/// Whose run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRef {
    /// This scope's.
    This,
    /// Another scope's.
    Other,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Its guardian is there.
    Live,
    /// It has ended, or nobody is left to end it.
    Dead,
}

impl RunInfo {
    /// A run of which nothing but its id is known.
    pub fn new(id: impl Into<String>, scope: ScopeRef, state: RunState) -> Self {
        Self {
            id: id.into(),
            scope,
            state,
            guardian: None,
            holders: Vec::new(),
            members: Vec::new(),
            contained: Vec::new(),
            mark: None,
            living_on: LivingOn::default(),
            has_left: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.state == RunState::Live
    }

    /// Whether a process of this run may live on when it ends: as a program that a client may leave behind, or as one
    /// that such a program has started.
    pub(super) fn lets_live(&self, table: &Table, process: &Process) -> bool {
        if self.living_on.is_empty() {
            return false;
        }
        let line = table.ancestors(process.identity().pid);
        self.allows(process) || line.into_iter().any(|ancestor| self.allows(ancestor))
    }

    fn allows(&self, process: &Process) -> bool {
        let client = process
            .mark()
            .and_then(|(mark, client)| (self.mark == Some(mark)).then_some(client));
        // A client's own process ends with its run, whatever it is called.
        !self.members.contains(&process.identity())
            && client.is_some_and(|client| {
                self.has_left && self.living_on.concerns(client)
                    || self.living_on.allows(client, process)
            })
    }
}

/// The runs, ready to be asked.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    /// Where two claim the same process, the one that protects it more comes first.
    all: Vec<&'a RunInfo>,
    guardians: BTreeMap<Identity, &'a RunInfo>,
    members: BTreeMap<Identity, &'a RunInfo>,
    contained: BTreeMap<Identity, &'a RunInfo>,
}

/// What a process is to the runs.
#[derive(Debug)]
pub(super) enum Membership<'a> {
    /// It is the guardian of a live run.
    Guardian(&'a RunInfo),
    /// It belongs to a run.
    Member(&'a RunInfo, Evidence),
    /// It carries the sign of a run that nobody here knows.
    Stranger(String),
}

impl<'a> Runs<'a> {
    pub(super) fn new(runs: &'a [RunInfo]) -> Self {
        let mut all: Vec<&RunInfo> = runs.iter().collect();
        all.sort_by_key(|run| (run.scope == ScopeRef::This, !run.is_live(), &run.id));
        let by = |identities: fn(&RunInfo) -> Vec<Identity>| {
            let mut known = BTreeMap::new();
            for run in &all {
                for identity in identities(run) {
                    known.entry(identity).or_insert(*run);
                }
            }
            known
        };
        let mut guardians = by(|run| run.guardian.into_iter().collect());
        // Only that of a live run is protected as such.
        let live = all.iter().rev().filter(|run| run.is_live());
        guardians.extend(live.filter_map(|run| Some((run.guardian?, *run))));
        Self {
            guardians,
            members: by(|run| run.members.clone()),
            contained: by(|run| run.contained.clone()),
            all,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The live runs that somebody holds. A script of this scope may hold another scope's.
    pub(super) fn held(&self) -> impl Iterator<Item = (&'a RunInfo, Identity)> {
        self.all
            .iter()
            .filter(|run| run.is_live())
            .flat_map(|run| run.holders.iter().map(|holder| (*run, *holder)))
    }

    /// The runs that a process is part of: its own, and those around it where a run's test starts runs itself.
    pub(super) fn around(&self, table: &Table, pid: u32) -> BTreeSet<&'a str> {
        let line: Vec<&Process> = table
            .get(pid)
            .into_iter()
            .chain(table.ancestors(pid))
            .collect();
        let is_part = |run: &&RunInfo| {
            line.iter().any(|process| {
                let identity = process.identity();
                run.guardian == Some(identity)
                    || run.members.contains(&identity)
                    || run.contained.contains(&identity)
                    || (run.mark.is_some() && process.mark().map(|(mark, _)| mark) == run.mark)
            })
        };
        self.all
            .iter()
            .copied()
            .filter(is_part)
            .map(|run| run.id.as_str())
            .collect()
    }

    pub(super) fn get(&self, id: &str) -> Option<&'a RunInfo> {
        self.all.iter().copied().find(|run| run.id == id)
    }

    /// Which run a process belongs to, by the strongest evidence there is: the identities of its line first, which
    /// cost nothing, and what it carries only `with_signs`.
    ///
    /// A mark weighs more than a cookie: it cannot be taken over without privilege, while an environment is copied
    /// freely.
    pub(super) fn membership(
        &self,
        table: &Table,
        process: &Process,
        with_signs: bool,
    ) -> Option<Membership<'a>> {
        let identity = process.identity();
        let guarded = self.guardians.get(&identity);
        if let Some(run) = guarded.filter(|run| run.is_live()) {
            return Some(Membership::Guardian(run));
        }
        if let Some(run) = self.contained.get(&identity) {
            return Some(Membership::Member(run, Evidence::Container));
        }
        if let Some(run) = self.line(table, identity.pid) {
            return Some(Membership::Member(run, Evidence::Lineage));
        }
        if with_signs {
            let signed = self.by_mark(process).or_else(|| self.by_cookie(process));
            if signed.is_some() {
                return signed;
            }
        }
        let recorded = self.members.get(&identity).or(guarded);
        recorded.map(|run| Membership::Member(run, Evidence::RecordedIdentity))
    }

    /// Whether a process carries the sign of a run that nobody here knows.
    pub(super) fn is_of_unknown_run(&self, process: &Process) -> bool {
        let signed = self.by_mark(process).or_else(|| self.by_cookie(process));
        matches!(signed, Some(Membership::Stranger(_)))
    }

    /// The run of the nearest ancestor that is known to belong to one.
    fn line(&self, table: &Table, pid: u32) -> Option<&'a RunInfo> {
        table.ancestors(pid).iter().find_map(|ancestor| {
            let identity = ancestor.identity();
            [&self.guardians, &self.members, &self.contained]
                .iter()
                .find_map(|known| known.get(&identity).copied())
        })
    }

    fn by_mark(&self, process: &Process) -> Option<Membership<'a>> {
        let (mark, _) = process.mark()?;
        Some(match self.all.iter().find(|run| run.mark == Some(mark)) {
            Some(run) => Membership::Member(run, Evidence::Mark),
            None => Membership::Stranger(format!("mark {mark}")),
        })
    }

    fn by_cookie(&self, process: &Process) -> Option<Membership<'a>> {
        // Another user's environment is that user's own business.
        let cookie = process
            .is_own()
            .filter(|own| *own)
            .and_then(|_| process.cookie())
            .filter(|cookie| !cookie.is_empty())?;
        Some(match self.get(cookie) {
            Some(run) => Membership::Member(run, Evidence::Cookie),
            None => Membership::Stranger(format!("cookie {cookie}")),
        })
    }
}
