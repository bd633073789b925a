//! What an observer does to a run, and what it does when it has seen enough.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::ledger::{RunState, Runs};
use crate::recover::{self, RecoveryError};
use crate::scope::Scope;
use crate::shutdown;
use crate::sys;
use crate::wait::Deadline;

/// A process that is to be killed: the guardian of a run that the observer has started itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillTarget(pub Identity);

/// What is left of a scope's runs cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The ledgers cannot be read.
    #[error("cannot read the ledgers of {root}: {source}", root = root.display())]
    Ledgers {
        /// The scope.
        root: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A run cannot be finished.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
}

impl KillTarget {
    /// Lets it stand still, so that it does nothing between the death of another and its own.
    pub fn stop(self) {
        shutdown::stop(&self.0);
    }

    /// Kills it.
    pub fn kill(self) {
        shutdown::kill(&self.0);
    }

    /// Waits until it is gone. `false`: it is still there.
    pub fn is_gone_by(self, deadline: Deadline) -> bool {
        shutdown::wait_for_all(&[self.0], deadline)
    }
}

/// Ends what is left of the runs of a scope, as the next command would. Of those that are over nothing is.
pub fn sweep(scope: &Scope, grace: Duration) -> Result<(), SweepError> {
    let runs = Runs::read(scope).map_err(|source| SweepError::Ledgers {
        root: scope.root().to_owned(),
        source,
    })?;
    for run in &runs.known {
        match run.state {
            RunState::Closed => {}
            RunState::Dead => drop(recover::finish(run, grace)?),
            RunState::Live => drop(recover::take_over(run, grace)?),
        }
    }
    Ok(())
}

/// Notices from now on when this process is asked to end, instead of ending.
pub fn interruption() -> io::Result<Arc<OnceLock<Interruption>>> {
    let mut signals = sys::LauncherSignals::begin()?;
    let first = Arc::new(OnceLock::new());
    let noticed = Arc::clone(&first);
    let listen = move || {
        while let Some(interruption) = signals.next() {
            // The first one is what counts.
            let _ = noticed.set(interruption);
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(listen)?;
    Ok(first)
}
