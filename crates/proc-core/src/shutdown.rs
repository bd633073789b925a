//! Ending processes: ask, wait, then stop everything to a fixed point and kill it, then look again.
//!
//! A signal is sent only through a handle that was pinned to an identity, and no handle is kept: a run may have more
//! processes than this one may open descriptors. "Ended" means that a fresh look no longer shows the process, not that
//! a signal was sent.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use crate::identity::Identity;
use crate::sys::{self, Signal};
use crate::wait::{Deadline, Pauses, pause, poll_until};

pub(crate) use crate::sys::is_there;

/// How long it may take until at least one more of the killed processes is gone, or has at least worked at going. Killing
/// is immediate unless the kernel itself waits for something (state `D`), is too busy to get around to it, or has a great
/// deal of memory to free, which takes it a second or more for 10 GB and counts as work of the process.
const PROGRESS_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long killing may take in all, whatever progress there is.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);

/// How many looks in a row have to show nothing. A process that starts another and leaves may be missed by one look:
/// gone when it would be looked at, while the other was not there yet when the list was made.
const QUIET_LOOKS: u32 = 4;

/// How many looks at the most find new processes to stop before what is found is killed anyway.
const FREEZE_ROUNDS: usize = 64;

/// Why a process survived.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SurvivalReason {
    /// It belongs to another user by now, and this one may not signal it.
    AccessDenied,
    /// It is in a wait of the kernel that nothing interrupts, or did not go away in time.
    Uninterruptible,
}

impl std::fmt::Display for SurvivalReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AccessDenied => "access denied",
            Self::Uninterruptible => "uninterruptible",
        })
    }
}

/// A process that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Which.
    pub identity: Identity,
    /// Why.
    pub reason: SurvivalReason,
}

/// What killing has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Killed {
    /// Those that were killed.
    pub(crate) killed: BTreeSet<Identity>,
    /// Those that are still there.
    pub(crate) survivors: Vec<Survivor>,
}

/// Processes that are asked to end, each of them once.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    asked: BTreeSet<Identity>,
    surfaces: sys::Surfaces,
    has_no_time: bool,
}

impl Asking {
    /// How long to wait until it is worth while to ask again. `None`: it never is.
    pub(crate) const PAUSE: Option<Duration> = sys::Surfaces::PAUSE;

    /// For processes that have this long to end. With no time at all none is asked: what a process begins to do when it
    /// is asked, such as a question to a person, would only be cut off.
    pub(crate) fn with_grace(grace: Duration) -> Self {
        Self {
            has_no_time: grace.is_zero(),
            ..Self::default()
        }
    }

    /// Asks these, and lets stopped ones go on so that they can end.
    ///
    /// One that cannot be asked is left to [`kill_all`], which names it.
    pub(crate) fn ask(&mut self, targets: &[Identity]) {
        if self.has_no_time {
            return;
        }
        for identity in targets {
            if self.asked.insert(*identity)
                && send(identity, Signal::Terminate).is_ok_and(|sent| sent)
            {
                // Without this a stopped process would not even see the request.
                let _ = send(identity, Signal::Continue);
            }
        }
        self.again();
    }

    /// Asks once more, by what has come since: a window that one has opened while it was ending.
    pub(crate) fn again(&mut self) {
        self.surfaces.ask(&self.asked);
    }

    /// Asks more firmly, where there is a way to.
    pub(crate) fn insist(&mut self) {
        self.surfaces.insist(&self.asked);
    }
}

/// Asks processes to end, once, and waits until they have, or until the grace is over.
pub(crate) fn ask_and_wait(targets: &[Identity], grace: Duration) -> bool {
    let deadline = Deadline::after(grace);
    Asking::with_grace(grace).ask(targets);
    wait_for_all(targets, deadline)
}

/// Waits until all of these have ended. `false`: the deadline has passed before.
pub(crate) fn wait_for_all(identities: &[Identity], deadline: Deadline) -> bool {
    let mut open: Vec<&Identity> = identities.iter().collect();
    poll_until(deadline, || {
        open.retain(|identity| is_there(identity));
        open.is_empty().then_some(())
    })
    .is_some()
}

/// Kills everything that `look` shows, until some looks in a row show nothing.
///
/// Each pass stops what it sees until a look shows nothing new, so that nothing is left that could start another, and
/// kills all of it then. `look` must leave out what is to be spared, and zombies. An error of `look` is final only when
/// it persists.
pub(crate) fn kill_all(mut look: impl FnMut() -> io::Result<Vec<Identity>>) -> io::Result<Killed> {
    let mut denied = BTreeSet::new();
    let mut killed = BTreeSet::new();
    let mut progress = Progress::default();
    let mut stalls = Deadline::after(PROGRESS_TIMEOUT);
    let end = Deadline::after(KILL_TIMEOUT);
    let mut pauses = Pauses::default();
    let mut quiet_looks = 0;
    loop {
        let (frozen, seen) = freeze(&mut look, &mut denied);
        // What is stopped is killed, whatever kept the look from showing the rest.
        for identity in &frozen {
            if send(identity, Signal::Kill).is_ok_and(|sent| sent) {
                killed.insert(*identity);
            }
        }
        let is_quiet = seen.is_ok() && frozen.is_empty();
        let work = frozen
            .iter()
            .filter_map(|identity| sys::work(identity.pid))
            .sum();
        if progress.is_made(frozen, work) {
            stalls = Deadline::after(PROGRESS_TIMEOUT);
        }
        quiet_looks = if is_quiet { quiet_looks + 1 } else { 0 };
        let is_over = stalls.has_passed() || end.has_passed();
        if quiet_looks == QUIET_LOOKS || is_over {
            seen?;
            let left = look()?;
            // Nothing is a survivor before an attempt to kill it. What this process may not kill may be on its way out
            // all the same: its container was ended as one before.
            if is_over || left.is_empty() {
                return Ok(survey(left, killed, &denied));
            }
            quiet_looks = 0;
        }
        pause(pauses.next().unwrap_or(PROGRESS_TIMEOUT));
    }
}

/// How far killing has come.
#[derive(Debug, Default)]
struct Progress {
    left: BTreeSet<Identity>,
    work: u64,
}

impl Progress {
    /// Whether a process is gone since the last time, or one that is left has worked.
    fn is_made(&mut self, left: BTreeSet<Identity>, work: u64) -> bool {
        let is_made = self.left.difference(&left).next().is_some() || self.work < work;
        *self = Self { left, work };
        is_made
    }
}

/// Tells the killed from those that are still there.
fn survey(
    left: Vec<Identity>,
    mut killed: BTreeSet<Identity>,
    denied: &BTreeSet<Identity>,
) -> Killed {
    let survivors = left
        .into_iter()
        .map(|identity| {
            killed.remove(&identity);
            let reason = if denied.contains(&identity) {
                SurvivalReason::AccessDenied
            } else {
                SurvivalReason::Uninterruptible
            };
            Survivor { identity, reason }
        })
        .collect();
    Killed { killed, survivors }
}

/// Stops everything that `look` shows, until a look shows nothing that is not stopped already. Returns what is stopped
/// also where looking failed.
fn freeze(
    look: &mut impl FnMut() -> io::Result<Vec<Identity>>,
    denied: &mut BTreeSet<Identity>,
) -> (BTreeSet<Identity>, io::Result<()>) {
    let mut frozen = BTreeSet::new();
    for _ in 0..FREEZE_ROUNDS {
        let found = match look() {
            Ok(found) => found,
            Err(error) => return (frozen, Err(error)),
        };
        let mut found_new = false;
        for identity in found {
            if frozen.contains(&identity) || denied.contains(&identity) {
                continue;
            }
            match send(&identity, Signal::Stop) {
                Ok(true) => {
                    frozen.insert(identity);
                    found_new = true;
                }
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied.insert(identity);
                }
                Err(error) => return (frozen, Err(error)),
            }
        }
        if !found_new {
            break;
        }
    }
    (frozen, Ok(()))
}

/// Lets a process go on that was stopped; one that is not stopped does not notice.
pub(crate) fn wake(identity: &Identity) {
    let _ = send(identity, Signal::Continue);
}

/// Ends one process: asks it, and kills it when it has not ended within the grace. `false`: it is still there.
pub(crate) fn end_one(identity: &Identity, grace: Duration) -> bool {
    if ask_and_wait(&[*identity], grace) {
        return true;
    }
    let _ = send(identity, Signal::Kill);
    wait_for_all(&[*identity], Deadline::after(PROGRESS_TIMEOUT))
}

/// Stops a process at once, if it can be stopped.
pub(crate) fn stop(identity: &Identity) {
    let _ = send(identity, Signal::Stop);
}

/// Kills a process at once, if it can be killed.
pub(crate) fn kill(identity: &Identity) {
    let _ = send(identity, Signal::Kill);
}

/// Sends a signal to the process with this identity. `false`: it is gone.
fn send(identity: &Identity, signal: Signal) -> io::Result<bool> {
    match sys::pin(identity)? {
        Some(handle) => sys::signal(&handle, signal),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Boot;

    #[test]
    fn progress_is_made_by_what_goes_or_works_at_it() {
        let of = |pids: &[u32]| -> BTreeSet<Identity> {
            let identity = |pid: &u32| Identity {
                pid: *pid,
                start: 1,
                boot: Boot::new(0),
            };
            pids.iter().map(identity).collect()
        };
        let mut progress = Progress::default();
        progress.is_made(of(&[2, 3]), 7);
        assert!(!progress.is_made(of(&[2, 3]), 7));
        assert!(progress.is_made(of(&[2, 3]), 8));
        assert!(progress.is_made(of(&[3]), 4));
        assert!(!progress.is_made(of(&[3]), 4));
    }

    #[test]
    fn what_works_is_seen_to() {
        let own = std::process::id();
        let before = sys::work(own).unwrap();
        let seen = poll_until(Deadline::after(Duration::from_secs(20)), || {
            std::hint::black_box((0..1_000_000u64).sum::<u64>());
            (sys::work(own).unwrap() > before).then_some(())
        });
        assert!(seen.is_some());
    }
}
