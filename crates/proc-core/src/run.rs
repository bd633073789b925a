//! A run, from its launcher's side: clients started and ready, a test, and an end that leaves nothing.
//!
//! ```no_run
//! use std::path::Path;
//! use proc_core::run::{Client, Run};
//! use proc_core::scope::Scope;
//!
//! let scope = Scope::open(Path::new("."))?;
//! let mut run = Run::builder(&scope, Path::new("/opt/tools/proc-guardian"))?;
//! run.client(Client::new("web", "/usr/bin/python3").args(["-m", "http.server", "8080"]).port(8080).ready_at("/"));
//! let mut run = run.launch(&mut |event| println!("{event:?}"))?;
//! println!("ready at {}", run.clients()[0].url());
//! // Dropping the run ends everything that it has started; `finish` does the same and says how it went.
//! run.finish("the work is done", &mut |_| {});
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod error;

mod inbox;

mod builder;

mod bring_up;
mod end;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::ledger::KnownRun;
use crate::mark::MemberNumber;
use crate::membership::Member;
use crate::protocol::{Notice, Request};
use crate::report::{ClientEnd, Ended, Event, Exit};
use crate::shutdown;
use crate::spawn::CommandLine;
use crate::status::ExitStatus;

pub use builder::Builder;
pub use client::{Client, RunningClient};
pub use end::Summary;
pub use error::RunError;
pub use inbox::{Interrupter, interrupt_on_signals};

pub use crate::protocol::AfterTest;
pub use crate::readiness::Ready;

use client::tail;
use inbox::{Inbox, Message};

/// A run whose clients are ready. Dropping it ends everything that it has started.
#[derive(Debug)]
pub struct Run {
    id: String,
    folder: PathBuf,
    root: String,
    inbox: Inbox,
    clients: Vec<RunningClient>,
    test: Option<Identity>,
    started: Instant,
    grace: Duration,
    phase: Phase,
    guardian: Identity,
    /// Whether the end of the link was seen: it is told once.
    guardian_gone: bool,
    /// What the ledger said when the run was opened: a member may remove or overwrite it.
    opened: Option<KnownRun>,
    /// Why it is not known what is left.
    unseen: Option<String>,
    leaks: usize,
    survivors: usize,
    exempt: usize,
    /// What any of the clients may leave behind.
    survive: Vec<String>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Ending,
    Ended,
    Detached,
}

impl Run {
    /// The run id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder with the ledger and the logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The clients, in order of their numbers.
    pub fn clients(&self) -> &[RunningClient] {
        &self.clients
    }

    /// Runs a test command with this process's own standard streams, and waits for it.
    ///
    /// `after` says what the guardian does when the test has ended. Where that is to end the run, [`Run::finish`] waits
    /// until it is over, and the reason that is reported is the verdict on the test.
    ///
    /// The wait ends early when a client ends ([`RunError::ClientDied`]) or when this process is asked to end
    /// ([`RunError::Interrupted`]); the test is then still running, and ends with the run.
    pub fn test(
        &mut self,
        line: CommandLine,
        after: AfterTest,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<ExitStatus, RunError> {
        let command = words(&line);
        self.test = None;
        let request = Request::Start {
            member: Member::Test,
            line,
            log: None,
            window: None,
            port: None,
            // Which of them comes first to start what serves all is chance.
            survive: self.survive.clone(),
            after,
        };
        self.say(&request, on_event)?;
        let mut is_gone = false;
        loop {
            // A test takes as long as it takes; to be started, and to be collected, takes no time.
            let message = match self.test {
                Some(_) if !is_gone => self.inbox.next(None),
                _ => self.inbox.answer()?,
            };
            match message {
                Message::Notice(Notice::Started {
                    member: Member::Test,
                    identity,
                    ..
                }) => {
                    self.test = Some(identity);
                    self.inbox.watch(identity);
                    on_event(&Event::TestStarted {
                        identity,
                        command: command.clone(),
                    });
                }
                Message::Notice(Notice::NotStarted {
                    member: Member::Test,
                    error,
                    shortage,
                }) => {
                    return Err(RunError::NotStarted {
                        what: "the test".into(),
                        program: command[0].clone(),
                        error,
                        shortage,
                    });
                }
                Message::Notice(Notice::Exited {
                    member: Member::Test,
                    identity,
                    status,
                    ..
                }) => {
                    on_event(&Event::TestExited { identity, status });
                    return Ok(status);
                }
                Message::TestGone(identity) if self.test == Some(identity) => {
                    // A guardian that was stopped would not say so.
                    shutdown::wake(&self.guardian);
                    is_gone = true;
                }
                message => self.attend(message, on_event)?,
            }
        }
    }

    /// Waits for as long as nothing happens. Returns why it no longer waits.
    pub fn wait(&mut self, on_event: &mut dyn FnMut(&Event)) -> RunError {
        loop {
            let message = self.inbox.next(None);
            if let Err(error) = self.attend(message, on_event) {
                return error;
            }
        }
    }

    /// Leaves the run to its guardian: it goes on until it is ended.
    ///
    /// On an error everything that was started has been ended when this returns.
    pub fn detach(mut self, exit: Exit, on_event: &mut dyn FnMut(&Event)) -> Result<(), RunError> {
        match self.hand_over(on_event) {
            Ok(()) => {
                self.phase = Phase::Detached;
                on_event(&self.finished(exit, "the run goes on under its guardian"));
                Ok(())
            }
            Err(error) => Err(self.give_up(error, on_event)),
        }
    }

    fn hand_over(&mut self, on_event: &mut dyn FnMut(&Event)) -> Result<(), RunError> {
        self.say(&Request::Detach, on_event)?;
        // Only when the guardian has written that down may this end go.
        loop {
            match self.inbox.answer()? {
                Message::Notice(Notice::Detached) => return Ok(()),
                message => self.attend(message, on_event)?,
            }
        }
    }

    /// Says something to the guardian. One that no longer listens has said why before it left.
    fn say(&mut self, request: &Request, on_event: &mut dyn FnMut(&Event)) -> Result<(), RunError> {
        let Err(error) = self.inbox.say(request) else {
            return Ok(());
        };
        while let Ok(message) = self.inbox.answer() {
            self.attend(message, on_event)?;
        }
        Err(error)
    }

    /// Ends the run because of an error, and reports its end.
    fn give_up(&mut self, error: RunError, on_event: &mut dyn FnMut(&Event)) -> RunError {
        let summary = self.finish(&error.to_string(), on_event);
        let error = match (summary.unseen, summary.survivors) {
            (Some(why), _) => RunError::Unseen {
                why,
                error: Box::new(error),
            },
            (None, 0) => error,
            (None, count) => RunError::Survivors {
                count,
                error: Box::new(error),
            },
        };
        on_event(&self.finished(error.exit(), &error.to_string()));
        error
    }

    /// Deals with whatever may happen at any time while a run is open.
    fn attend(
        &mut self,
        message: Message,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), RunError> {
        match message {
            Message::Notice(Notice::Exited {
                member: Member::Client(number),
                identity,
                status,
                ..
            }) => {
                let log_tail =
                    self.client_ended(number, identity, status, Ended::AlreadyExited, on_event);
                let role = self
                    .client(number)
                    .map_or_else(String::new, |client| client.role.clone());
                Err(RunError::ClientDied {
                    client: number,
                    role,
                    status,
                    log_tail,
                })
            }
            Message::Notice(Notice::Ending { reason, grace, how }) => {
                self.phase = Phase::Ending;
                self.grace = grace;
                on_event(&Event::Terminating {
                    reason: reason.clone(),
                });
                Err(RunError::EndedElsewhere { reason, how })
            }
            Message::Notice(Notice::Failed { error }) => Err(RunError::Guardian { error }),
            Message::GuardianGone => {
                self.guardian_gone = true;
                Err(RunError::Guardian {
                    error: "it was killed".into(),
                })
            }
            Message::Interrupted(interruption) => Err(RunError::Interrupted(interruption)),
            Message::Notice(_) | Message::Readiness(_) | Message::TestGone(_) => Ok(()),
        }
    }

    fn client(&self, number: MemberNumber) -> Option<&RunningClient> {
        self.clients.iter().find(|client| client.number == number)
    }

    fn client_mut(&mut self, number: MemberNumber) -> Option<&mut RunningClient> {
        self.clients
            .iter_mut()
            .find(|client| client.number == number)
    }

    /// Notes and reports the end of a client. Returns the last lines of its log if it ended unasked.
    fn client_ended(
        &mut self,
        number: MemberNumber,
        identity: Identity,
        status: ExitStatus,
        ended: Ended,
        on_event: &mut dyn FnMut(&Event),
    ) -> Vec<String> {
        let Some(client) = self.client_mut(number) else {
            return Vec::new();
        };
        client.end = Some(ClientEnd { ended, status });
        let log_tail = if ended == Ended::AlreadyExited {
            tail(&client.log)
        } else {
            Vec::new()
        };
        on_event(&Event::ClientExited {
            client: number,
            identity,
            status,
            ended,
            log_tail: log_tail.clone(),
        });
        log_tail
    }
}

fn words(line: &CommandLine) -> Vec<String> {
    std::iter::once(&line.program)
        .chain(&line.arguments)
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

impl Drop for Run {
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Open | Phase::Ending) {
            self.end("the run was dropped", &mut |_| {});
        }
    }
}

/// An interruption makes its way to the run from any thread, such as one that waits for signals.
impl From<Interruption> for Message {
    fn from(interruption: Interruption) -> Self {
        Self::Interrupted(interruption)
    }
}
