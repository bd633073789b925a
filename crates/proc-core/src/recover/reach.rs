//! What a run's ledger says that holds here and now: its identities, its container, its signs.

use std::collections::BTreeSet;
use std::io;

use crate::contain::Remains;
use crate::identity::Identity;
use crate::ledger::{KnownRun, RunState};
use crate::membership::{RunSigns, ScopeRef};
use crate::sys;

pub(super) fn is_of_this_boot(run: &KnownRun) -> io::Result<bool> {
    Ok(sys::boot()? == run.history.opened.boot)
}

pub(super) fn is_of_this_namespace(run: &KnownRun) -> io::Result<bool> {
    Ok(sys::pid_namespace()? == run.history.opened.pid_namespace)
}

/// Whether the PIDs that its ledger names are PIDs here and now.
pub(crate) fn is_within_reach(run: &KnownRun) -> io::Result<bool> {
    Ok(is_of_this_boot(run)? && is_of_this_namespace(run)?)
}

/// What a run has left by which its processes can be told here and now, its container included.
pub(crate) fn signs(run: &KnownRun, scope: ScopeRef) -> io::Result<RunSigns> {
    let are_seen = is_of_this_namespace(run)?;
    Ok(RunSigns {
        // A cgroup that cannot be read leaves the other evidence.
        contained: contained(run).unwrap_or_default(),
        ..run.signs(scope, are_seen)
    })
}

/// Everything that is in the cgroup of a run.
pub(super) fn contained(run: &KnownRun) -> io::Result<BTreeSet<Identity>> {
    let mut members = BTreeSet::new();
    if run.state != RunState::Closed && is_within_reach(run)? {
        for cgroup in remains(run) {
            members.extend(cgroup?.members(&run.history.opened.guardian)?);
        }
    }
    Ok(members)
}

/// What is there of the cgroups that its ledger names.
pub(super) fn remains(run: &KnownRun) -> impl Iterator<Item = io::Result<Remains>> {
    let folders = run.history.cgroups.iter();
    folders.filter_map(|folder| Remains::find(&run.id, folder).transpose())
}
