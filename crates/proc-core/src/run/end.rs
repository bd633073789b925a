//! The end of a run: one path for every reason.

use std::time::Duration;

use super::{Message, Phase, Run};
use crate::ledger::Runs;
use crate::membership::Member;
use crate::protocol::{Notice, Request};
use crate::recover::{self, Recovery, Skipped};
use crate::report::{ClientSummary, Ended, Event, Exit};
use crate::shutdown;
use crate::wait::Deadline;

/// How much longer than the grace a guardian may take, until its launcher takes it for dead.
const GUARDIAN_MARGIN: Duration = Duration::from_secs(5);

/// What a run has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Processes that clients or test had left behind; they were ended. Those that this process has heard of: one that
    /// stood still while thousands were found may have been told of the first of them only.
    pub leaks: usize,
    /// Processes that could not be ended.
    pub survivors: usize,
    /// Whether the guardian was gone or did not answer, so that the launcher had to end the run itself.
    pub guardian_lost: bool,
    /// Why it is not known what is left. `None`: a look has shown what is, and that is nothing but the survivors.
    pub unseen: Option<String>,
}

impl Run {
    /// Ends everything that the run has started, and waits until it is gone.
    ///
    /// An interruption from now on ends the wait for the clients to end by themselves.
    pub fn finish(&mut self, reason: &str, on_event: &mut dyn FnMut(&Event)) -> Summary {
        self.end(reason, on_event)
    }

    /// The last event of the run.
    pub fn finished(&self, exit: Exit, message: &str) -> Event {
        let clients = self.clients.iter().map(|client| ClientSummary {
            client: client.number,
            role: client.role.clone(),
            port: client.port,
            identity: client.identity,
            end: client.end,
        });
        Event::RunFinished {
            run: Some(self.id.clone()),
            exit: exit.into(),
            message: message.into(),
            detached: self.phase == Phase::Detached,
            duration: self.started.elapsed(),
            clients: clients.collect(),
            leaks: self.leaks,
            survivors: self.survivors,
            exempt: self.exempt,
            unavailable: Vec::new(),
        }
    }

    pub(super) fn end(&mut self, reason: &str, on_event: &mut dyn FnMut(&Event)) -> Summary {
        let mut guardian_lost = false;
        if self.phase != Phase::Ended {
            // A guardian that was stopped hears nothing; one that cannot be told is found to be gone below.
            shutdown::wake(&self.guardian);
            let _ = self.inbox.say(&Request::End {
                reason: reason.into(),
                grace: self.grace,
            });
            guardian_lost = self.guardian_gone || !self.follow_the_end(on_event);
            if guardian_lost && self.was_ended_unheard() {
                guardian_lost = false;
            } else if guardian_lost || self.unseen.is_some() {
                self.end_without_guardian(on_event);
            }
            self.phase = Phase::Ended;
        }
        Summary {
            leaks: self.leaks,
            survivors: self.survivors,
            guardian_lost,
            unseen: self.unseen.clone(),
        }
    }

    /// Reports what the guardian does. `false`: it died before it was done, or does not answer.
    fn follow_the_end(&mut self, on_event: &mut dyn FnMut(&Event)) -> bool {
        loop {
            // The first request to end has set the grace, and each word of the guardian shows that it is at work.
            let patience = self.grace.saturating_add(GUARDIAN_MARGIN);
            let Some(message) = self.inbox.next_within(patience) else {
                return false;
            };
            match message {
                Message::Notice(Notice::Finished) => return true,
                Message::GuardianGone => {
                    self.guardian_gone = true;
                    return false;
                }
                Message::Interrupted(_) => {
                    let _ = self.inbox.say(&Request::Hurry);
                }
                Message::Notice(notice) => self.report(notice, on_event),
                Message::Readiness(_) | Message::TestGone(_) => {}
            }
        }
    }

    /// Whether the guardian has ended the run although this process did not hear of it.
    ///
    /// A guardian that ends a run by itself says nothing more to a launcher that stands still and has heard a great deal
    /// less than was said. It does its work all the same, and closes the ledger when it is done.
    fn was_ended_unheard(&self) -> bool {
        if self.guardian_gone {
            let deadline = Deadline::after(self.grace.saturating_add(GUARDIAN_MARGIN));
            shutdown::wait_for_all(&[self.guardian], deadline);
        }
        let run = Runs::read_one(&self.folder).ok().flatten();
        run.is_some_and(|run| run.history.closed)
    }

    fn report(&mut self, notice: Notice, on_event: &mut dyn FnMut(&Event)) {
        match notice {
            Notice::Ending { reason, grace, .. } => {
                self.grace = grace;
                if self.phase != Phase::Ending {
                    self.phase = Phase::Ending;
                    on_event(&Event::Terminating { reason });
                }
            }
            Notice::Failed { error } => self.unseen = Some(error),
            Notice::Exited {
                member,
                identity,
                status,
                asked,
                killed,
            } => match member {
                Member::Client(number) => {
                    let ended = match (asked, killed) {
                        (_, true) => Ended::Killed,
                        (true, false) => Ended::Graceful,
                        (false, false) => Ended::AlreadyExited,
                    };
                    self.client_ended(number, identity, status, ended, on_event);
                }
                Member::Test => on_event(&Event::TestExited { identity, status }),
            },
            Notice::Leaked { process, member } => {
                self.leaks += 1;
                on_event(&Event::Leak {
                    process,
                    started_by: started_by(member),
                });
            }
            Notice::Exempt { process, member } => {
                self.exempt += 1;
                on_event(&Event::Exempt {
                    process,
                    started_by: started_by(member),
                });
            }
            Notice::Killed { identity } => on_event(&Event::Killed { identity }),
            Notice::Survived { process, reason } => {
                self.survivors += 1;
                on_event(&Event::Survivor { process, reason });
            }
            _ => {}
        }
    }

    /// Does the guardian's work from its ledger, as the next command would.
    fn end_without_guardian(&mut self, on_event: &mut dyn FnMut(&Event)) {
        let reason = if self.guardian_gone {
            "the guardian is gone"
        } else if self.unseen.is_some() {
            "the guardian does not know what is left"
        } else {
            "the guardian does not answer"
        };
        on_event(&Event::Terminating {
            reason: reason.into(),
        });
        match self.take_over() {
            Ok(recovery) => {
                self.unseen = self.unseen.take().and(recovery.unclosed.clone());
                self.report_recovery(recovery, on_event);
            }
            Err(why) => self.unseen = Some(why),
        }
    }

    fn take_over(&self) -> Result<Recovery, String> {
        // What the ledger said when the run was opened is enough to find all of it by, should it be gone.
        let run = Runs::read_one(&self.folder).ok().flatten();
        let run = run.or_else(|| self.opened.clone());
        let run = run.ok_or("the ledger of the run is gone")?;
        let recovery = recover::take_over(&run, self.grace).map_err(|error| error.to_string())?;
        match recovery.skipped {
            None => Ok(recovery),
            Some(Skipped::Busy) => Err("another process holds the run's lock".into()),
            Some(Skipped::OtherNamespace) => Err("the run is in another PID namespace".into()),
        }
    }

    fn report_recovery(&mut self, recovery: Recovery, on_event: &mut dyn FnMut(&Event)) {
        for leftover in recovery.exempt {
            self.exempt += 1;
            on_event(&Event::Exempt {
                process: leftover.label,
                started_by: started_by(leftover.member),
            });
        }
        for identity in recovery.killed {
            on_event(&Event::Killed { identity });
        }
        for survivor in recovery.survivors {
            self.survivors += 1;
            let labels = recovery.leftovers.iter().map(|leftover| &leftover.label);
            let mut labels = labels.filter(|label| label.identity == survivor.identity);
            let process = labels.next().cloned();
            on_event(&Event::Survivor {
                process: process.unwrap_or_else(|| survivor.identity.into()),
                reason: survivor.reason,
            });
        }
    }
}

fn started_by(member: Option<Member>) -> String {
    member.map_or_else(|| "unknown".into(), |member| member.to_string())
}
