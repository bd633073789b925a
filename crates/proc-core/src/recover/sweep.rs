//! Looking for what is left of a run, snapshot by snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::reach::{remains, signs};
use crate::classify::ProtectedKin;
use crate::contain::Remains;
use crate::identity::Identity;
use crate::ledger::{KnownRun, live_holders};
use crate::membership::{Evidence, Member, Membership, RunSigns, ScopeRef, Swept};
use crate::table::{Label, Process, Table};

/// A process of a dead run.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Which process.
    pub label: Label,
    /// How it was recognised.
    pub evidence: Evidence,
    /// The member that it descends from, where its mark says so.
    pub member: Option<Member>,
}

/// What belongs to the run, by PID: what ends with it, and what lives on. Never this process or one of its ancestors;
/// nor, where nothing tells that a bystander could not have too, what else is protected for the sake of this process.
fn sweep(run: &KnownRun, signs: &RunSigns, table: &Table, kin: &ProtectedKin) -> Swept {
    let membership = Membership::of_run(table, signs, || live_holders(&run.folder, table));
    let mut swept = membership.sweep();
    let is_spared = |pid: &u32| {
        table.get(*pid).is_none_or(|process| {
            let spared = if signs.is_certain_of(process) {
                &kin.line
            } else {
                &kin.all
            };
            spared.contains(&process.identity())
        })
    };
    swept.ending.retain(|pid, _| !is_spared(pid));
    swept.exempt.retain(|pid, _| !is_spared(pid));
    swept
}

/// What is there of a run that ends with it.
pub(super) fn ending(
    run: &KnownRun,
    signs: &RunSigns,
    table: &Table,
    kin: &ProtectedKin,
) -> Vec<Leftover> {
    let ending = sweep(run, signs, table, kin).ending.into_iter();
    ending
        .filter_map(|(pid, evidence)| Some(leftover(table.get(pid)?, evidence)))
        .collect()
}

/// What snapshots have shown of a dead run so far.
pub(super) struct Sweep<'a> {
    run: &'a KnownRun,
    remains: Vec<Remains>,
    kin: ProtectedKin,
    signs: RunSigns,
    ending: BTreeMap<Identity, Leftover>,
    exempt: BTreeMap<Identity, Leftover>,
}

impl<'a> Sweep<'a> {
    pub(super) fn begin(run: &'a KnownRun) -> io::Result<Self> {
        Ok(Self {
            run,
            remains: remains(run).filter_map(Result::ok).collect(),
            kin: ProtectedKin::of_this_process(&Table::read()?),
            signs: signs(run, ScopeRef::This)?,
            ending: BTreeMap::new(),
            exempt: BTreeMap::new(),
        })
    }

    /// What is found: what ends, and what lives on.
    pub(super) fn found(self) -> (Vec<Leftover>, Vec<Leftover>) {
        (
            self.ending.into_values().collect(),
            self.exempt.into_values().collect(),
        )
    }

    /// Everything that is there of the run and ends with it; what lives on is taken out of the run's cgroup.
    ///
    /// What carries the run's mark is shown at once: a process that starts another and leaves, again and again, is gone
    /// when all others have been looked at.
    pub(super) fn snapshot(&mut self, at_once: impl Fn(&Identity)) -> io::Result<Vec<Identity>> {
        let table = Table::read_with(|process| {
            if self.signs.marks(process)
                && !self.signs.may_exempt(process)
                && !self.kin.line.contains(&process.identity())
            {
                at_once(&process.identity());
            }
        })?;
        self.signs.contained = self.contained();
        let swept = sweep(self.run, &self.signs, &table, &self.kin);
        for (process, evidence) in found(&table, &swept.exempt) {
            self.signs.exempted.insert(process.identity());
            let leftovers = self.exempt.entry(process.identity());
            leftovers.or_insert_with(|| leftover(process, evidence));
        }
        let mut identities = Vec::new();
        for (process, evidence) in found(&table, &swept.ending) {
            identities.push(process.identity());
            let number = process.origin().map(|origin| origin.number);
            self.signs.numbers.extend(number);
            self.add(process, evidence);
        }
        let is_new = |identity: &Identity| {
            table.find(identity).is_none() && !self.kin.line.contains(identity)
        };
        let new: Vec<Identity> = self
            .signs
            .contained
            .iter()
            .copied()
            .filter(is_new)
            .collect();
        for process in new.iter().filter_map(Process::find) {
            // The next snapshot knows where it comes from.
            if !process.is_zombie() && !self.signs.may_exempt(&process) {
                identities.push(process.identity());
                self.add(&process, Evidence::Container);
            }
        }
        for cgroup in &self.remains {
            for identity in self.exempt.keys() {
                let _ = cgroup.release(identity);
            }
        }
        Ok(identities)
    }

    fn add(&mut self, process: &Process, evidence: Evidence) {
        self.signs.recognised.insert(process.identity());
        let leftovers = self.ending.entry(process.identity());
        leftovers.or_insert_with(|| leftover(process, evidence));
    }

    fn contained(&self) -> BTreeSet<Identity> {
        let guardian = &self.run.history.opened.guardian;
        let members = self.remains.iter().map(|cgroup| cgroup.members(guardian));
        members.filter_map(Result::ok).flatten().collect()
    }

    /// Lets everything go on that was frozen, so that it can do what it is asked.
    pub(super) fn thaw(&self) {
        for cgroup in &self.remains {
            cgroup.thaw();
        }
    }

    /// Kills the run's cgroup as one, unless something is in it that is to be spared. What that does not reach is for the
    /// snapshots that follow.
    pub(super) fn kill(&self) {
        let guardian = &self.run.history.opened.guardian;
        let is_spared =
            |member: &Identity| self.kin.line.contains(member) || self.exempt.contains_key(member);
        for cgroup in &self.remains {
            let _ = cgroup.kill(guardian, is_spared);
        }
    }
}

fn found<'t>(
    table: &'t Table,
    swept: &'t BTreeMap<u32, Evidence>,
) -> impl Iterator<Item = (&'t Process, Evidence)> {
    let found = swept.iter();
    found.filter_map(|(pid, evidence)| Some((table.get(*pid)?, *evidence)))
}

fn leftover(process: &Process, evidence: Evidence) -> Leftover {
    Leftover {
        label: process.into(),
        evidence,
        member: process
            .mark()
            .and_then(|(_, number)| Member::from_number(number)),
    }
}
