//! The cgroup of a run, in the hands of its guardian or of what comes after it. A ledger may name one on any system.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::identity::{Boot, Identity};
use crate::membership::is_of_its_time;
use crate::sys::Cgroup;
use crate::table::living;
use crate::wait::{Deadline, poll_until};

/// How long a cgroup may go on to hold its last member, which no list shows any more.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The cgroup of a run.
#[derive(Debug)]
pub(crate) struct Remains(pub(super) Cgroup);

/// The name of a run's cgroup, in whatever place.
pub(super) fn cgroup_name(run: &str) -> String {
    format!("clean-slate-{run}")
}

impl Remains {
    /// What is there of a cgroup that a run's ledger names. `None`: nothing.
    pub(crate) fn find(run: &str, folder: &Path) -> io::Result<Option<Self>> {
        // The name is the run's own: nothing else that a ledger may name is ever looked at, much less killed.
        if folder.file_name() != Some(cgroup_name(run).as_ref()) {
            return Ok(None);
        }
        Ok(Cgroup::find(folder)?.map(Self))
    }

    /// Everything of the run that lives in it.
    pub(crate) fn members(&self, guardian: &Identity) -> io::Result<Vec<Identity>> {
        let mut members = self.inhabitants(guardian.boot)?;
        members.retain(|identity| is_of_its_time(guardian, identity));
        Ok(members)
    }

    /// Lets everything go on that was frozen, so that it can do what it is asked.
    pub(crate) fn thaw(&self) {
        let _ = self.0.thaw();
    }

    /// Takes a process out of it.
    pub(crate) fn release(&self, process: &Identity) -> io::Result<()> {
        // A process is moved by its PID, of which there is no handle. One that was looked at a moment ago and is in the
        // cgroup of a run is no stranger.
        if self.inhabitants(process.boot)?.contains(process) {
            self.0.let_out(process.pid)?;
        }
        Ok(())
    }

    /// Kills it as one, unless something is in it that is to be spared or does not belong there.
    pub(crate) fn kill(
        &self,
        guardian: &Identity,
        is_spared: impl Fn(&Identity) -> bool,
    ) -> io::Result<()> {
        let is_fair =
            |identity: &Identity| is_of_its_time(guardian, identity) && !is_spared(identity);
        if self.inhabitants(guardian.boot)?.iter().all(is_fair) {
            self.0.kill()?;
        }
        Ok(())
    }

    /// Removes it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut refusal = None;
        let removed = poll_until(Deadline::after(REMOVAL_TIMEOUT), || match self.0.remove() {
            Ok(()) => Some(()),
            Err(error) => {
                refusal = Some(error);
                None
            }
        });
        match (removed, refusal) {
            (None, Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn inhabitants(&self, boot: Boot) -> io::Result<Vec<Identity>> {
        Ok(living(self.0.pids()?, boot))
    }
}
