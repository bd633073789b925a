//! Finishing a run whose guardian was killed: from its ledger, its cgroup, its mark, its cookie, and what the kernel names
//! as starters.
//!
//! What a ledger says is a claim about the past. A process is ended on its word only when the identity still holds:
//! the same boot, the same PID namespace, the same start time.

mod reach;
mod sweep;

use std::io;
use std::time::Duration;

use crate::classify::ProtectedKin;
use crate::identity::Identity;
use crate::ledger::{Entry, KnownRun, LOCK, Ledger, take_lock};
use crate::membership::ScopeRef;
use crate::shutdown::{self, Survivor};
use crate::sys;
use crate::table::Table;
use crate::wait::{Deadline, poll_until};
use reach::{contained, is_of_this_boot, is_of_this_namespace, remains};
pub(crate) use reach::{is_within_reach, signs};
pub use sweep::Leftover;
use sweep::Sweep;

/// How long another command may hold a run's lock: one that asks whether the run lives holds it for an instant.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long such an instant may be, until it is asked whether the run itself holds its lock.
const LOCK_INSTANT: Duration = Duration::from_millis(500);

/// How much longer than the grace a guardian may take that was asked to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// What finishing a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// What was left of it.
    pub leftovers: Vec<Leftover>,
    /// What lives on, as the profiles of the clients say that started it. It is none of the leftovers.
    pub exempt: Vec<Leftover>,
    /// Those of the leftovers that did not end when asked.
    pub killed: Vec<Identity>,
    /// Those that are still there.
    pub survivors: Vec<Survivor>,
    /// Why nothing was done, if nothing could be.
    pub skipped: Option<Skipped>,
    /// Why its ledger still says that the run is not over, if it does: there may be no room for that on the disk. The
    /// next command looks again, and finds nothing.
    pub unclosed: Option<String>,
}

/// Why a dead run was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Another command is finishing it at this moment.
    Busy,
    /// It ran in another PID namespace (a container), where its processes have other PIDs.
    OtherNamespace,
}

/// A dead run cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The process table cannot be read, or a signal cannot be sent.
    #[error("cannot finish run {run}: {source}")]
    System {
        /// The run.
        run: String,
        /// Why.
        source: io::Error,
    },
}

/// Ends the guardian of a run, which does not do what it is asked, and does its work.
///
/// The guardian is asked once more, in the way in which every process is asked.
pub fn take_over(run: &KnownRun, grace: Duration) -> Result<Recovery, RecoveryError> {
    let guardian = &run.history.opened.guardian;
    if obstacle(run).is_ok_and(|obstacle| obstacle.is_none()) {
        shutdown::end_one(guardian, grace.saturating_add(PATIENCE));
    }
    finish(run, grace)
}

/// Why a dead run cannot be finished from here, if it cannot.
pub fn obstacle(run: &KnownRun) -> io::Result<Option<Skipped>> {
    // Nothing outlives a boot, wherever it ran.
    let is_out_of_reach = is_of_this_boot(run)? && !is_of_this_namespace(run)?;
    Ok(is_out_of_reach.then_some(Skipped::OtherNamespace))
}

/// Shows what is there of a run, and touches nothing.
pub fn leftovers(run: &KnownRun) -> io::Result<Vec<Leftover>> {
    if !is_within_reach(run)? {
        return Ok(Vec::new());
    }
    let table = Table::read()?;
    let kin = ProtectedKin::of_this_process(&table);
    Ok(sweep::ending(
        run,
        &signs(run, ScopeRef::This)?,
        &table,
        &kin,
    ))
}

/// Ends what is left of a dead run, and closes its ledger.
pub fn finish(run: &KnownRun, grace: Duration) -> Result<Recovery, RecoveryError> {
    let system = |source| RecoveryError::System {
        run: run.id.clone(),
        source,
    };
    // Held until the end, so that two commands do not end the same run.
    let lock_within =
        |time| poll_until(Deadline::after(time), || take_lock(&run.folder).transpose());
    let mut lock = lock_within(LOCK_INSTANT);
    if lock.is_none() && !is_held_by_itself(run).map_err(system)? {
        lock = lock_within(LOCK_TIMEOUT);
        if lock.is_none() {
            return Ok(Recovery {
                skipped: Some(Skipped::Busy),
                ..Recovery::default()
            });
        }
    }
    let _lock = match lock {
        Some(Ok(lock)) => Some(lock),
        // Nothing else can find a run whose folder is gone, or hold a lock that is none.
        Some(Err(_)) if !run.folder.join(LOCK).is_file() => None,
        Some(Err(error)) => return Err(system(error)),
        None => None,
    };
    if let Some(skipped) = obstacle(run).map_err(system)? {
        return Ok(Recovery {
            skipped: Some(skipped),
            ..Recovery::default()
        });
    }
    let mut recovery = if is_of_this_boot(run).map_err(system)? {
        end(run, grace).map_err(system)?
    } else {
        Recovery::default()
    };
    if recovery.survivors.is_empty() {
        recovery.unclosed = close(run, &recovery.exempt).err();
    }
    Ok(recovery)
}

/// Whether a process of the run has its lock open, as none has that is to end it. The lock is a file like others to it.
fn is_held_by_itself(run: &KnownRun) -> io::Result<bool> {
    let lock = run.folder.join(LOCK);
    let mut leftovers = leftovers(run)?.into_iter();
    Ok(leftovers.any(|leftover| sys::has_open(leftover.label.identity.pid, &lock)))
}

/// Puts away what a run has used up of which nothing is left but what lives on. The error says why a later command has
/// to look again, for people: its cgroup may hold a process that is not to be ended, such as an ancestor of this one.
fn close(run: &KnownRun, exempt: &[Leftover]) -> Result<(), String> {
    if is_within_reach(run).map_err(|error| error.to_string())? {
        for cgroup in remains(run) {
            cgroup
                .and_then(|cgroup| cgroup.remove())
                .map_err(|error| format!("cannot remove its cgroup: {error}"))?;
        }
    }
    let exempt = exempt
        .iter()
        .map(|leftover| leftover.label.identity)
        .collect();
    Ledger::reopen(&run.folder)
        .and_then(|mut ledger| ledger.append(&Entry::Closed { exempt }))
        .map_err(|error| error.to_string())
}

fn end(run: &KnownRun, grace: Duration) -> io::Result<Recovery> {
    let mut sweep = Sweep::begin(run)?;
    let present = sweep.snapshot(|_| {})?;
    sweep.thaw();
    // What those leave behind that were asked was not there to be asked, and is not waited for.
    shutdown::ask_and_wait(&present, grace);
    sweep.snapshot(|_| {})?;
    sweep.kill();
    let killed = shutdown::kill_all(|| sweep.snapshot(shutdown::stop))?;
    // Each snapshot has left out a cgroup that did not tell what is in it, so that what else gave a process away still
    // counted. Nothing is called gone because of that.
    contained(run)?;
    let (leftovers, mut exempt) = sweep.found();
    exempt.retain(|leftover| shutdown::is_there(&leftover.label.identity));
    Ok(Recovery {
        leftovers,
        exempt,
        killed: killed.killed.into_iter().collect(),
        survivors: killed.survivors,
        ..Recovery::default()
    })
}
