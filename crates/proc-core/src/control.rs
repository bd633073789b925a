//! Ending a run that goes on, through its guardian.
//!
//! Only the guardian knows everything that its run has started, so a command that is to end a live run asks it to.

use std::io;
use std::time::Duration;

use crate::identity::Identity;
use crate::ledger::{KnownRun, live_holders};
use crate::membership::{Membership, ScopeRef};
use crate::protocol::{self, CONTROL_SOCKET, Notice, Receiver, Request};
use crate::recover;
use crate::shutdown::{self, SurvivalReason};
use crate::sys;
use crate::table::Table;
use crate::wait::Deadline;

/// How much longer than the grace a guardian may take until it says something.
const MARGIN: Duration = Duration::from_secs(5);

/// How much longer than the grace the end of a run may take in all, whatever is said meanwhile: killing has its own
/// bound, and looking for what is left takes some seconds more.
const LONGEST: Duration = Duration::from_secs(40);

/// How long a guardian may take to leave when it has said that its run is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a guardian says of the end of its run.
#[derive(Clone, Debug, Default)]
pub struct RunEnd {
    /// Clients and test that have ended, and whether they had to be killed.
    pub ended: Vec<(Identity, bool)>,
    /// Other processes of the run that had to be killed.
    pub killed: Vec<Identity>,
    /// Processes that live on, as the profiles of the clients say that started them.
    pub exempt: Vec<Identity>,
    /// Processes that are still there.
    pub survivors: Vec<(Identity, SurvivalReason)>,
}

/// A run could not be ended through its guardian.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The guardian is not there any more.
    #[error("the guardian of run {run} is gone")]
    Gone {
        /// The run.
        run: String,
    },
    /// The guardian does not answer.
    #[error("cannot reach the guardian of run {run}: {source}")]
    Unreachable {
        /// The run.
        run: String,
        /// Why.
        source: io::Error,
    },
    /// Another process answers in the place of the guardian.
    #[error("another process than its guardian answers at the control socket of run {run}")]
    Impostor {
        /// The run.
        run: String,
    },
    /// The guardian goes on talking, and the run does not end.
    #[error("the guardian of run {run} did not end it in time")]
    Endless {
        /// The run.
        run: String,
    },
    /// The guardian cannot see whether something is left.
    #[error("the guardian of run {run} does not know what is left: {why}")]
    Unseen {
        /// The run.
        run: String,
        /// Why.
        why: String,
    },
    /// What answers says that the run is over, and its guardian is still there.
    #[error("run {run} was said to be over, and its guardian is still there")]
    Lied {
        /// The run.
        run: String,
    },
    /// The guardian died while it ended the run.
    #[error("the guardian of run {run} died before it had ended everything")]
    Died {
        /// The run.
        run: String,
    },
}

/// Whether this process is part of a run, which it can therefore not wait for the end of.
///
/// Where there are no marks, the guardian of a run takes a process for one of the run by its environment, and would end the
/// one that asks it to end the run.
pub fn is_inside(run: &KnownRun) -> bool {
    let signs = run.signs(ScopeRef::This, true);
    Table::read().is_ok_and(|table| {
        let membership = Membership::of_run(&table, &signs, || live_holders(&run.folder, &table));
        !membership.around(std::process::id()).is_empty()
    })
}

/// Asks the guardian of a run to end it, and waits until it has.
pub fn end(run: &KnownRun, reason: &str, grace: Duration) -> Result<RunEnd, ControlError> {
    let unreachable = |source| ControlError::Unreachable {
        run: run.id.clone(),
        source,
    };
    let guardian = &run.history.opened.guardian;
    let is_within_reach = recover::is_within_reach(run).map_err(unreachable)?;
    if is_within_reach && !shutdown::is_there(guardian) {
        return Err(ControlError::Gone {
            run: run.id.clone(),
        });
    }
    // A guardian that was stopped hears nothing.
    shutdown::wake(guardian);
    let link = sys::connect_to_guardian(&run.folder, CONTROL_SOCKET).map_err(unreachable)?;
    // Whatever a run starts may put a control socket into its folder.
    if is_within_reach && sys::peer(&link).map_err(unreachable)?.pid != Some(guardian.pid) {
        return Err(ControlError::Impostor {
            run: run.id.clone(),
        });
    }
    let end = Deadline::after(grace.saturating_add(LONGEST));
    sys::limit_patience(&link, grace.saturating_add(MARGIN)).map_err(unreachable)?;
    protocol::send(
        &link,
        &Request::End {
            reason: reason.into(),
            grace,
        },
    )
    .map_err(unreachable)?;
    let mut receiver = Receiver::new(link);
    let mut ending = RunEnd::default();
    let mut unseen = None;
    loop {
        if end.has_passed() {
            return Err(ControlError::Endless {
                run: run.id.clone(),
            });
        }
        match receiver.next() {
            Ok(Some(Notice::Exited {
                identity, killed, ..
            })) => ending.ended.push((identity, killed)),
            Ok(Some(Notice::Killed { identity })) => ending.killed.push(identity),
            Ok(Some(Notice::Exempt { process, .. })) => ending.exempt.push(process.identity),
            Ok(Some(Notice::Survived { process, reason })) => {
                ending.survivors.push((process.identity, reason));
            }
            Ok(Some(Notice::Finished)) => {
                // The run holds its lock and its ports for as long as its guardian is there. And what says so may be
                // a process of the run with a control socket of its own.
                if !shutdown::wait_for_all(&[*guardian], Deadline::after(FAREWELL)) {
                    return Err(ControlError::Lied {
                        run: run.id.clone(),
                    });
                }
                return match unseen {
                    None => Ok(ending),
                    Some(why) => Err(ControlError::Unseen {
                        run: run.id.clone(),
                        why,
                    }),
                };
            }
            Ok(Some(Notice::Failed { error })) => unseen = Some(error),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                return Err(ControlError::Died {
                    run: run.id.clone(),
                });
            }
        }
    }
}
