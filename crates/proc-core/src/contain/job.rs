//! A job object of Windows: it holds everything that a run starts, and ends with the guardian.
//!
//! Nothing adopts orphans there, and a job holds whatever its members start. But a member can have another program start
//! something for it. Such a process is known where its environment names the run, or where the system names a member as
//! the one that has started it.

use std::io;

use super::hold::{Escapes, Hold};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::ledger::live_holders;
use crate::membership::Membership;
use crate::sys::{AtStart, Job};
use crate::table::{Process, Table, living};

/// The job of this process's run.
#[derive(Debug)]
pub(super) struct InJob {
    own: Identity,
    job: Job,
}

impl InJob {
    pub(super) fn make(own: Identity) -> io::Result<Self> {
        let job = Job::make()?;
        Ok(Self { own, job })
    }

    /// What is of the run and neither among these nor a server of the system that works for them.
    fn outside(&self, members: &[Identity], escapes: Escapes<'_>) -> io::Result<Vec<Identity>> {
        let table = Table::read()?;
        let find_holders = || live_holders(escapes.folder, &table);
        let swept = Membership::of_run(&table, escapes.signs, find_holders).sweep();
        let found = swept.ending.keys().filter_map(|pid| table.get(*pid));
        let outside = found.filter(|process| {
            process.is_own() == Some(true)
                && !members.contains(&process.identity())
                && !self.job.serves(process.pid())
        });
        Ok(outside.map(Process::identity).collect())
    }
}

impl Hold for InJob {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Job
    }

    fn at_start(&self, _mark: Option<u64>) -> AtStart<'_> {
        AtStart { job: &self.job }
    }

    fn members(&self, escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>> {
        let mut members = living(self.job.pids()?, self.own.boot);
        if let Some(escapes) = escapes {
            members.append(&mut self.outside(&members, escapes)?);
        }
        Ok(members)
    }

    fn kill(&self, _is_spared: &dyn Fn(&Identity) -> bool) -> io::Result<()> {
        self.job.kill()
    }
}
