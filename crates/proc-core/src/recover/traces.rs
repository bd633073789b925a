//! Which processes belong to a dead run, and what gives each of them away.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Trace, living_on, starters};
use crate::classify::Kin;
use crate::identity::Identity;
use crate::ledger::{History, KnownRun, of_other_runs};
use crate::sys::Origin;
use crate::table::{Process, Table};

/// What earlier looks have shown: a process that was recognised by its lineage alone may have lost its parent since.
#[derive(Default)]
pub(super) struct Known {
    pub(super) ending: BTreeSet<Identity>,
    pub(super) living_on: BTreeSet<Identity>,
    /// Of all of them, where the kernel has numbers.
    pub(super) numbers: BTreeSet<u64>,
}

/// Whether a living process carries the mark of a run.
pub(super) fn carries_mark(run: &KnownRun, process: &Process) -> bool {
    let opened = &run.history.opened;
    // Nothing of the run is older than its guardian.
    process.identity().start >= opened.guardian.start
        && !process.is_zombie()
        && !process.is_kernel()
        && opened.mark.is_some()
        && process.mark().map(|(mark, _)| mark) == opened.mark
}

/// What belongs to the run, by PID: what ends with it, and what lives on. Never its guardian, nor this process or one of its
/// ancestors; nor, where nothing tells that somebody else could not have too, who is protected for the sake of this process.
pub(super) fn traces(
    run: &KnownRun,
    table: &Table,
    contained: &BTreeSet<Identity>,
    known: &Known,
    kin: &Kin,
) -> (BTreeMap<u32, Trace>, BTreeMap<u32, Trace>) {
    let history = &run.history;
    // Only asked for where nothing but a copied environment tells.
    let others = LazyCell::new(|| of_other_runs(&run.folder, table));
    let recorded: BTreeSet<Identity> = history
        .members
        .values()
        .filter_map(|member| member.identity)
        .collect();
    let mut found = BTreeMap::new();
    for process in table
        .iter()
        .filter(|process| !process.is_zombie() && !process.is_kernel())
    {
        // Nothing of the run is older than its guardian.
        if process.identity().start < history.opened.guardian.start {
            continue;
        }
        let mark = process.mark().map(|(mark, _)| mark);
        let trace = if contained.contains(&process.identity()) {
            Trace::Container
        } else if carries_mark(run, process) {
            Trace::Mark
        } else if known.ending.contains(&process.identity())
            || known.living_on.contains(&process.identity())
        {
            Trace::Lineage
        } else if recorded.contains(&process.identity()) {
            Trace::Recorded
        } else if mark.is_none()
            && process.is_own() == Some(true)
            && process.cookie() == Some(&run.id)
            && !others.contains(&process.identity())
        {
            Trace::Cookie
        } else {
            continue;
        };
        found.insert(process.identity().pid, trace);
    }
    for pid in started(history, table, known, &found) {
        found.insert(pid, Trace::Lineage);
    }
    for pid in table.descendants(&found.keys().copied().collect()) {
        let alive = table.get(pid).is_some_and(|process| !process.is_zombie());
        if alive {
            found.entry(pid).or_insert(Trace::Lineage);
        }
    }
    found.retain(|pid, trace| {
        let is_certain = matches!(trace, Trace::Container | Trace::Mark | Trace::Recorded);
        let spared = if is_certain { &kin.line } else { &kin.all };
        let identity = table.get(*pid).map(Process::identity);
        *pid != 1
            && identity.is_some_and(|identity| {
                !spared.contains(&identity) && identity != history.opened.guardian
            })
    });
    let allowed = living_on(run);
    if allowed.is_empty() {
        return (found, BTreeMap::new());
    }
    let lives_on = |pid: &u32| {
        table.get(*pid).is_some_and(|process| {
            let client = process.mark().map(|(_, client)| client);
            // A client's own process ends with its run, whatever it is called.
            known.living_on.contains(&process.identity())
                || carries_mark(run, process)
                    && !recorded.contains(&process.identity())
                    && client.is_some_and(|client| allowed.allows(client, process))
        })
    };
    let mut living: BTreeSet<u32> = found.keys().copied().filter(lives_on).collect();
    living.extend(table.descendants(&living));
    found
        .into_iter()
        .partition(|(pid, _)| !living.contains(pid))
}

/// What else was started by the run, as the kernel tells, where it does. Its starters need not be there any more.
fn started(
    history: &History,
    table: &Table,
    known: &Known,
    found: &BTreeMap<u32, Trace>,
) -> BTreeSet<u32> {
    let alive = table
        .iter()
        .filter(|process| !process.is_zombie() && !process.is_kernel());
    let mut origins: BTreeMap<u32, Origin> = alive
        .filter_map(|process| Some((process.identity().pid, process.origin()?)))
        .collect();
    let mut numbers = starters::recorded(history);
    numbers.extend(&known.numbers);
    let found = found.keys().filter_map(|pid| origins.remove(pid));
    numbers.extend(found.map(|origin| origin.number));
    starters::started_by(numbers, origins)
}
