//! Which run claims a process, and on what evidence.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Evidence, LiveHolders, RunSigns, ScopeRef};
use crate::identity::Identity;
use crate::mark::Mark;
use crate::sys::Origin;
use crate::table::{Process, Table};

/// Where the question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A command that judges every process, beside runs that go on. What a guardian has started itself is its run's, and
    /// what carries the sign of a run that is not known here is that run's.
    Command,
    /// What ends one run: its guardian, or what finishes the run of a guardian that is gone. The guardian's own helpers
    /// are none of the run; and what the run has started is the run's, whatever other signs it carries.
    End,
}

/// Runs, ready to be asked which of them a process of a snapshot belongs to.
pub struct Membership<'a> {
    asker: Asker,
    table: &'a Table,
    /// Where two claim the same process, the one that protects it more comes first.
    runs: Vec<&'a RunSigns>,
    named: BTreeMap<Identity, Named<'a>>,
    by_mark: BTreeMap<Mark, &'a RunSigns>,
    by_cookie: BTreeMap<&'a str, &'a RunSigns>,
    holders: OnceCell<LiveHolders>,
    /// Asked only where nothing but a copied environment tells.
    find_holders: Box<dyn Fn() -> LiveHolders + 'a>,
}

/// The runs that name a very process, by what it is to them.
#[derive(Debug, Default)]
struct Named<'a> {
    guardian: Option<&'a RunSigns>,
    member: Option<&'a RunSigns>,
    contained: Option<&'a RunSigns>,
    recognised: Option<&'a RunSigns>,
}

/// What a process is to the runs.
#[derive(Clone, Debug)]
pub enum Claim<'a> {
    /// It is the guardian of a live run.
    Guardian(&'a RunSigns),
    /// It belongs to a run.
    Member(&'a RunSigns, Evidence),
    /// A run has started it, on this evidence, and lets it live on.
    Exempt(&'a RunSigns, Evidence),
    /// It carries the sign of a run that is not known here.
    UnknownRun(String),
}

/// Everything that one run has started and that is still there, by PID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// What ends with it.
    pub ending: BTreeMap<u32, Evidence>,
    /// What lives on.
    pub exempt: BTreeMap<u32, Evidence>,
}

impl fmt::Debug for Membership<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("asker", &self.asker)
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}

impl<'a> Membership<'a> {
    /// For a command, which knows these runs.
    pub fn of_runs(table: &'a Table, runs: impl IntoIterator<Item = &'a RunSigns>) -> Self {
        let runs: Vec<&RunSigns> = runs.into_iter().collect();
        let live: Vec<&RunSigns> = runs.iter().copied().filter(|run| run.is_live).collect();
        let find_holders = move || {
            let mut holders = LiveHolders::default();
            for run in &live {
                let own = run.members.keys().copied().chain(run.guardian);
                holders.add(&run.run, table, own, run.holders.iter().copied());
            }
            holders
        };
        Self::new(Asker::Command, table, runs, Box::new(find_holders))
    }

    /// For the end of this run; `find_holders` looks up what belongs to other live runs, or holds one.
    pub fn of_run(
        table: &'a Table,
        run: &'a RunSigns,
        find_holders: impl Fn() -> LiveHolders + 'a,
    ) -> Self {
        Self::new(Asker::End, table, vec![run], Box::new(find_holders))
    }

    fn new(
        asker: Asker,
        table: &'a Table,
        mut runs: Vec<&'a RunSigns>,
        find_holders: Box<dyn Fn() -> LiveHolders + 'a>,
    ) -> Self {
        runs.sort_by_key(|run| (run.scope == ScopeRef::This, !run.is_live, &run.run));
        let mut named: BTreeMap<Identity, Named<'a>> = BTreeMap::new();
        let mut by_mark = BTreeMap::new();
        let mut by_cookie = BTreeMap::new();
        for run in &runs {
            if let Some(guardian) = run.guardian {
                let known = &mut named.entry(guardian).or_default().guardian;
                // Only that of a live run is protected as such.
                if known.is_none_or(|known| run.is_live && !known.is_live) {
                    *known = Some(*run);
                }
            }
            for member in run.members.keys() {
                let named = named.entry(*member).or_default();
                named.member.get_or_insert(*run);
            }
            for contained in &run.contained {
                let named = named.entry(*contained).or_default();
                named.contained.get_or_insert(*run);
            }
            for recognised in run.recognised.iter().chain(&run.exempted) {
                let named = named.entry(*recognised).or_default();
                named.recognised.get_or_insert(*run);
            }
            if let Some(mark) = run.mark {
                by_mark.entry(mark).or_insert(*run);
            }
            by_cookie.entry(run.run.as_str()).or_insert(*run);
        }
        Self {
            asker,
            table,
            runs,
            named,
            by_mark,
            by_cookie,
            holders: OnceCell::new(),
            find_holders,
        }
    }

    /// The runs, those that protect more first.
    pub fn runs(&self) -> &[&'a RunSigns] {
        &self.runs
    }

    /// The run with this id.
    pub fn get(&self, id: &str) -> Option<&'a RunSigns> {
        self.by_cookie.get(id).copied()
    }

    /// What a process is to the runs, by the strongest evidence there is: identities first, which cost nothing, and what
    /// it carries only where `reads_signs`.
    pub fn claim(&self, process: &Process, reads_signs: bool) -> Option<Claim<'a>> {
        let identity = process.identity();
        let named = self.named.get(&identity);
        let guarded = named.and_then(|named| named.guardian);
        if let Some(run) = guarded.filter(|run| run.is_live) {
            return Some(Claim::Guardian(run));
        }
        let (run, evidence) = if let Some(run) = named.and_then(|named| named.contained) {
            (run, Evidence::Container)
        } else if let Some(run) = self.line(process, named) {
            (run, Evidence::Lineage)
        } else if let Some(run) = reads_signs.then(|| self.marked(process)).flatten() {
            (run, Evidence::Mark)
        } else if let Some(run) = named
            .and_then(|named| named.member)
            .or(guarded.filter(|_| self.asker == Asker::Command))
        {
            (run, Evidence::RecordedIdentity)
        } else if let Some(run) = reads_signs.then(|| self.cookied(process)).flatten() {
            (run, Evidence::Cookie)
        } else {
            return reads_signs.then(|| self.sign_of_unknown_run(process))?;
        };
        if !run.can_have(process) {
            return None;
        }
        Some(if self.is_exempt(run, process) {
            Claim::Exempt(run, evidence)
        } else {
            Claim::Member(run, evidence)
        })
    }

    /// Whether a process carries the sign of a run that is not known here.
    pub fn is_of_unknown_run(&self, process: &Process) -> bool {
        self.sign_of_unknown_run(process).is_some()
    }

    /// The runs that a process is part of: its own, and those around it where a run's test starts runs itself.
    ///
    /// An environment counts only where the run has no mark: there its guardian has nothing better either.
    pub fn around(&self, pid: u32) -> BTreeSet<&'a str> {
        let is_part = |run: &&&RunSigns| {
            self.table.line(pid).any(|process| {
                let identity = process.identity();
                run.guardian == Some(identity)
                    || run.is_certain_of(process)
                    || run.mark.is_none()
                        && self
                            .cookied(process)
                            .is_some_and(|named| named.run == run.run)
            })
        };
        let around = self.runs.iter().filter(is_part);
        around.map(|run| run.run.as_str()).collect()
    }

    /// Everything that the run has started and that is still there. Never its guardian, nor the system's first process.
    pub fn sweep(&self) -> Swept {
        let mut found = BTreeMap::new();
        for process in self.table.iter() {
            if let Some(Claim::Member(_, evidence) | Claim::Exempt(_, evidence)) =
                self.claim(process, true)
            {
                found.insert(process.pid(), evidence);
            }
        }
        for pid in self.started_by_numbers(&found) {
            found.insert(pid, Evidence::Lineage);
        }
        for pid in self.table.descendants(&found.keys().copied().collect()) {
            found.entry(pid).or_insert(Evidence::Lineage);
        }
        let mut sweep = Swept::default();
        for (pid, evidence) in found {
            let Some(process) = self.table.get(pid).filter(|_| pid != 1) else {
                continue;
            };
            let is_one = |run: &&&RunSigns| {
                run.can_have(process) && run.guardian != Some(process.identity())
            };
            let Some(run) = self.runs.iter().find(is_one) else {
                continue;
            };
            if self.is_exempt(run, process) {
                sweep.exempt.insert(pid, evidence);
            } else {
                sweep.ending.insert(pid, evidence);
            }
        }
        sweep
    }

    /// The run that earlier snapshots, or else the nearest ancestor that a run names, tell for a process.
    fn line(&self, process: &Process, named: Option<&Named<'a>>) -> Option<&'a RunSigns> {
        if let Some(run) = named.and_then(|named| named.recognised) {
            return Some(run);
        }
        let counts_guardian = self.asker == Asker::Command;
        let name = |ancestor: &&Process| {
            let named = self.named.get(&ancestor.identity())?;
            let guardian = named.guardian.filter(|_| counts_guardian);
            guardian
                .or(named.member)
                .or(named.contained)
                .or(named.recognised)
        };
        let kept = |child: &Process| {
            let mut runs = self.runs.iter().copied();
            runs.find(|run| run.kept_parent(child).is_some())
        };
        let ancestors = self.table.ancestors(process.pid());
        let named = ancestors.iter().find_map(name);
        named.or_else(|| kept(ancestors.last().copied().unwrap_or(process)))
    }

    fn marked(&self, process: &Process) -> Option<&'a RunSigns> {
        let (mark, _) = process.mark()?;
        self.by_mark.get(&mark).copied()
    }

    /// The run that the environment of a process names. A mark outweighs it, known here or not: that cannot be taken over
    /// without privilege. Another user's environment is that user's own business.
    fn cookied(&self, process: &Process) -> Option<&'a RunSigns> {
        let run = self.get(cookie(process)?)?;
        let holders = self.holders.get_or_init(&self.find_holders);
        (!holders.concerns_another(&process.identity(), &run.run)).then_some(run)
    }

    fn sign_of_unknown_run(&self, process: &Process) -> Option<Claim<'a>> {
        if let Some((mark, _)) = process.mark() {
            let is_known = self.by_mark.contains_key(&mark);
            return (!is_known).then(|| Claim::UnknownRun(format!("mark {mark}")));
        }
        let cookie = cookie(process)?;
        let is_known = self.by_cookie.contains_key(cookie);
        (!is_known).then(|| Claim::UnknownRun(format!("cookie {cookie}")))
    }

    /// Whether a process, or one that it descends from, is exempt from the end of a run.
    fn is_exempt(&self, run: &RunSigns, process: &Process) -> bool {
        !run.exempt.is_empty()
            && self
                .table
                .line(process.pid())
                .any(|process| run.exempted.contains(&process.identity()) || run.exempts(process))
    }

    /// What else was started by what is found, as the kernel tells, where it does. The starters need not be there any more.
    fn started_by_numbers(&self, found: &BTreeMap<u32, Evidence>) -> BTreeSet<u32> {
        let origin = |process: &Process| Some((process.pid(), process.origin()?));
        let mut origins: BTreeMap<u32, Origin> = self.table.iter().filter_map(origin).collect();
        let runs = self.runs.iter();
        let mut known: BTreeSet<u64> = runs.flat_map(|run| &run.numbers).copied().collect();
        let found = found.keys().filter_map(|pid| origins.remove(pid));
        known.extend(found.map(|origin| origin.number));
        started_by(known, origins)
    }
}

/// The run that the environment of a process of this user names, where it carries no mark.
fn cookie(process: &Process) -> Option<&str> {
    let counts = process.mark().is_none() && process.is_own() == Some(true);
    let cookie = counts.then(|| process.cookie())?;
    cookie.filter(|cookie| !cookie.is_empty())
}

/// Those of these processes that were started by one with a known number, or by another one of those.
fn started_by(mut known: BTreeSet<u64>, mut origins: BTreeMap<u32, Origin>) -> BTreeSet<u32> {
    let mut started = BTreeSet::new();
    loop {
        let before = started.len();
        origins.retain(|pid, origin| {
            let is_started = known.contains(&origin.starter);
            if is_started {
                known.insert(origin.number);
                started.insert(*pid);
            }
            !is_started
        });
        if started.len() == before {
            return started;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PID, number and starter.
    fn origins<const N: usize>(processes: [(u32, u64, u64); N]) -> BTreeMap<u32, Origin> {
        let origin = |(pid, number, starter)| (pid, Origin { number, starter });
        processes.map(origin).into()
    }

    #[test]
    fn what_descends_from_a_known_number_is_found_without_its_parents() {
        // The first of the line is gone, and the PIDs are no sign of age.
        let processes = origins([(30, 103, 102), (20, 104, 103), (10, 105, 104), (40, 106, 1)]);
        let started = started_by(BTreeSet::from([102]), processes);
        assert_eq!(started, BTreeSet::from([10, 20, 30]));
    }

    #[test]
    fn without_a_known_number_nothing_is_found() {
        let processes = origins([(1, 1, 0), (30, 103, 1)]);
        assert_eq!(started_by(BTreeSet::new(), processes), BTreeSet::new());
    }
}
