//! Who has got out of a job: started on behalf of a member by somebody who is none.
//!
//! A job holds whatever its members start. But a member can have another program start something: a service, a broker,
//! a task scheduler. Such a process is known where its environment names the run, or where the system names a member as
//! the one that has started it.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::identity::Identity;
use crate::ledger::of_other_runs;
use crate::table::{Process, Table};

/// What tells a run's processes, wherever they are.
#[derive(Debug)]
pub(super) struct Escapes {
    run: String,
    folder: PathBuf,
    guardian: Identity,
    /// What the guardian has started. It keeps their PIDs from being used again, so that none of them is anybody else's.
    members: Vec<Identity>,
}

impl Escapes {
    pub(super) fn new(run: &str, folder: &Path, guardian: Identity) -> Self {
        Self {
            run: run.to_owned(),
            folder: folder.to_owned(),
            guardian,
            members: Vec::new(),
        }
    }

    pub(super) fn add_member(&mut self, member: Identity) {
        self.members.push(member);
    }

    /// Those of the run that are not among the `contained`, with all that they have started.
    pub(super) fn look(&self, table: &Table, contained: &[Identity]) -> Vec<Identity> {
        let is_outside = |process: &&Process| {
            // Nothing of the run is older than its guardian.
            process.identity().start >= self.guardian.start
                && process.identity() != self.guardian
                && !process.is_zombie()
                && !process.is_kernel()
                && !contained.contains(&process.identity())
                && process.is_own() == Some(true)
        };
        // Only asked for where nothing but a copied environment tells.
        let others = LazyCell::new(|| of_other_runs(&self.folder, table));
        let names_it = |process: &Process| {
            process.cookie() == Some(&self.run) && !others.contains(&process.identity())
        };
        let found = table
            .iter()
            .filter(is_outside)
            .filter(|process| self.started(process) || names_it(process));
        let mut pids: BTreeSet<u32> = found.map(|process| process.identity().pid).collect();
        pids.extend(table.descendants(&pids));
        let processes = pids.iter().filter_map(|pid| table.get(*pid));
        let outside = processes.filter(is_outside);
        outside.map(Process::identity).collect()
    }

    /// Whether a member has started a process.
    fn started(&self, process: &Process) -> bool {
        self.members.iter().any(|member| {
            member.pid == process.parent() && member.start <= process.identity().start
        })
    }
}
