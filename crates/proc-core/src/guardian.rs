//! The guardian of one run: it starts the run's members, and ends everything that they start.
//!
//! It lives in a session of its own and is no descendant of its launcher, so that what kills the launcher's tree does
//! not reach it. It learns of the launcher's death by end of file on their link. It leaves when nothing of the run is
//! left.
//!
//! One thread acts; the others only wait for one thing each and tell it. While nothing happens, nothing runs.

mod end;
mod events;
mod exempt;
mod members;
mod obtain;
mod open;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::contain::Containment;
use crate::guarantee::Unavailable;
use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::ledger::{Entry, Ledger};
use crate::membership::{Member, RunSigns};
use crate::port::Lease;
use crate::protocol::{self, AfterTest, Notice, Request};
use crate::spawn::{self, Output};
use crate::sys::{self, Reaped, StdStreams};

use events::{Connection, Connections, GuardianEvent, LAUNCHER};
use members::Members;

/// How long nothing has to happen until a guardian makes itself small: it may have to wait for hours.
const QUIET: Duration = Duration::from_millis(100);

/// How long a run may take to end with the session. The system gives a guardian about 5 s, and then ends it.
const SESSION_GRACE: Duration = Duration::from_secs(3);

/// The whole of the guardian's program: `start` leaves a process behind that is the guardian, `guard` is it, `init` is
/// the first process of its PID namespace.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    sys::hear_signals();
    let result = match arguments.collect::<Vec<_>>().as_slice() {
        [verb] if verb == spawn::START => spawn::start_second_guardian(),
        [verb] if verb == spawn::GUARD => guard(),
        [verb] if verb == sys::INIT => sys::link_from_stdin().and_then(|link| sys::be_init(&link)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this program is started by a launcher, over a link of its own; see `cargo xtask launch`",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            events::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn guard() -> io::Result<()> {
    let link = sys::link_from_stdin()?;
    let (streams, leases) = sys::receive_handshake(&link)?;
    let leases = leases.into_iter().map(Lease::from).collect();
    let mut receiver = protocol::Receiver::new(link.try_clone()?);
    let Some(Request::Open(open)) = receiver.next()? else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the launcher did not say what to guard",
        ));
    };
    let prepared = obtain::prepare(&open);
    let (sender, inbox) = mpsc::channel();
    // Before the first child, so that no end is missed.
    events::listen_for_signals(sender.clone())?;
    let opened = Guardian::open(&open, prepared, streams, leases, Connections::new(sender));
    match opened {
        Ok(mut guardian) => {
            guardian
                .connections
                .accept_launcher(link, receiver, open.launcher)?;
            guardian.announce();
            guardian.serve(&inbox);
            Ok(())
        }
        Err(refusal) => protocol::send(&link, &Notice::Refused { refusal }),
    }
}

/// A guardian at work.
struct Guardian {
    /// The run's folder.
    folder: PathBuf,
    /// By what the run's processes are told, and what is exempt from its end.
    signs: RunSigns,
    containment: Containment,
    ledger: Ledger,
    /// Held while the run is not over.
    lock: Option<std::fs::File>,
    leases: Vec<Lease>,
    connections: Connections,
    streams: Option<StdStreams>,
    members: Members,
    grace: Duration,
    detached: bool,
    after_test: AfterTest,
    own: Identity,
    /// Mechanisms of containment that were tried in vain.
    unavailable: Vec<Unavailable>,
    leaked: Vec<Identity>,
    is_ending: bool,
    /// What of the exempt has been let go.
    released: BTreeSet<Identity>,
}

/// What the guardian does next.
enum Next {
    Serve,
    End(EndPlan),
}

/// Why and how a run ends.
struct EndPlan {
    reason: String,
    grace: Duration,
    /// What it comes to for a launcher that has not asked for it.
    how: Interruption,
}

impl EndPlan {
    fn new(reason: impl Into<String>, grace: Duration) -> Self {
        Self {
            reason: reason.into(),
            grace,
            how: Interruption::Terminate,
        }
    }
}

impl Guardian {
    fn announce(&mut self) {
        self.connections.send(&Notice::Opened {
            guardian: self.own,
            mark: self.containment.root().mark(),
            mechanism: self.containment.mechanism(),
            unavailable: self.unavailable.clone(),
        });
    }

    /// Does what is asked until there is a reason to end the run, and ends it.
    fn serve(&mut self, inbox: &mpsc::Receiver<GuardianEvent>) {
        let ending = loop {
            // The connections keep a sender, so the channel is never closed.
            let Ok(event) = wait_for_event(inbox) else {
                break EndPlan::new("the guardian lost its inbox", self.grace);
            };
            match self.handle(event) {
                Ok(Next::Serve) => {}
                Ok(Next::End(ending)) => break ending,
                Err(error) => {
                    self.connections.send(&Notice::Failed {
                        error: error.to_string(),
                    });
                    break EndPlan::new(format!("the guardian failed: {error}"), self.grace);
                }
            }
        };
        self.end(ending, inbox);
    }

    fn handle(&mut self, event: GuardianEvent) -> io::Result<Next> {
        let grace = self.grace;
        let end = |reason: &str| Ok(Next::End(EndPlan::new(reason, grace)));
        match event {
            GuardianEvent::Requested(peer, request) => return self.obey(peer, *request),
            GuardianEvent::Connected(connection) => self.accept(connection),
            GuardianEvent::Disconnected(peer) => {
                self.connections.disconnect(peer);
                if peer == LAUNCHER && !self.detached {
                    return end("the launcher is gone");
                }
            }
            GuardianEvent::ChildEnded => {
                let nothing_is_left = self.collect(false)?;
                if let Some(verdict) = self.final_verdict() {
                    return end(&verdict);
                }
                if nothing_is_left && self.detached {
                    return end("everything has ended");
                }
            }
            GuardianEvent::AskedToEnd => return end("the guardian was asked to end"),
            GuardianEvent::SessionEnds => {
                return Ok(Next::End(EndPlan {
                    reason: "the session ends: the user logs off, or the system shuts down".into(),
                    grace: grace.min(SESSION_GRACE),
                    how: Interruption::HangUp,
                }));
            }
            GuardianEvent::OwnerEnded => return end("the owner of the run has ended"),
        }
        Ok(Next::Serve)
    }

    /// Accepts a connection, unless it comes from the run itself, which has no say in how long it is given.
    fn accept(&mut self, connection: Connection) {
        // One in another PID namespace has no PID here; all of the run have one.
        let is_of_the_run = connection.pid().is_some_and(|pid| {
            let members = self.all().unwrap_or_default();
            // What has left already may have been one.
            members.iter().any(|member| member.pid == pid)
                || sys::stat(pid, self.containment.root().boot()).is_none()
        });
        if !is_of_the_run {
            self.connections.accept(connection);
        }
    }

    fn obey(&mut self, peer: u64, request: Request) -> io::Result<Next> {
        let is_for_all = matches!(request, Request::End { .. } | Request::Hurry);
        if peer != LAUNCHER && !is_for_all {
            self.connections.disconnect(peer);
            return Ok(Next::Serve);
        }
        match request {
            Request::Start {
                member,
                line,
                log,
                window,
                port,
                survive,
                after,
            } => {
                self.allow(member, &survive)?;
                self.record(&Entry::Starting {
                    member,
                    program: line.program.to_string_lossy().into_owned(),
                    port,
                    survive,
                })?;
                let log = log.map(PathBuf::from);
                let started = self.start(member, &line, log.as_deref(), window.as_deref())?;
                if started && member == Member::Test {
                    self.after_test = after;
                }
            }
            Request::Ready { member, url } => self.record(&Entry::Ready { member, url })?,
            Request::Detach => {
                if !self.detached {
                    self.record(&Entry::Detached)?;
                    self.detached = true;
                    // Lent streams would keep the launcher's terminal and pipes busy for ever.
                    self.streams = None;
                }
                self.connections.send(&Notice::Detached);
                self.connections.disconnect(peer);
            }
            Request::End { reason, grace } => {
                return Ok(Next::End(EndPlan::new(reason, grace)));
            }
            // Nothing is being waited for, or the run is open already.
            Request::Hurry | Request::Open(_) => {}
        }
        Ok(Next::Serve)
    }

    /// Starts a member. `false`: it could not be started, and the launcher knows.
    fn start(
        &mut self,
        member: Member,
        line: &spawn::CommandLine,
        log: Option<&Path>,
        window: Option<&str>,
    ) -> io::Result<bool> {
        let output = match (window, log, &self.streams) {
            (Some(title), _, _) => Output::Window(title),
            (None, Some(log), _) => Output::Log(log),
            (None, None, Some(streams)) => Output::Streams(streams),
            (None, None, None) => Output::Nowhere,
        };
        match spawn::start_member(line, &output, member, &self.containment) {
            Ok(identity) => {
                self.members.add(member, identity);
                self.signs.members.insert(identity, member);
                self.record(&Entry::Started {
                    member,
                    identity,
                    // Its PID is its own until this process collects it.
                    number: sys::origin(identity.pid).map(|origin| origin.number),
                })?;
                self.connections.send(&Notice::Started {
                    member,
                    identity,
                    pid_inside: self.containment.pid_inside(&identity),
                });
                Ok(true)
            }
            Err(error) => {
                self.connections.send(&Notice::NotStarted {
                    member,
                    error: error.to_string(),
                    shortage: sys::is_shortage(&error),
                });
                Ok(false)
            }
        }
    }

    /// What the test has come to, once that ends the run.
    fn final_verdict(&self) -> Option<String> {
        let status = self.members.status(Member::Test)?;
        let is_final = match self.after_test {
            AfterTest::End => true,
            AfterTest::EndIfPassed => status.success(),
            AfterTest::Wait => false,
        };
        is_final.then(|| status.verdict())
    }

    /// Collects all children that have ended. `true`: nothing of the run is left.
    fn collect(&mut self, asked: bool) -> io::Result<bool> {
        events::begin_to_look();
        let mut is_empty = false;
        loop {
            match sys::reap()? {
                Reaped::NoChild => return Ok(self.is_empty(false)),
                // What has ended since the last look is collected too, before nothing counts as left.
                Reaped::NoneYet if is_empty => return Ok(true),
                Reaped::NoneYet => {
                    is_empty = self.is_empty(true);
                    if !is_empty {
                        return Ok(false);
                    }
                }
                Reaped::Exited(pid, status) => {
                    let Some((member, identity, killed)) = self.members.ended(pid, status) else {
                        continue;
                    };
                    // The status is for people; a failure to record it must not keep the run from ending.
                    let _ = self.record(&Entry::Exited { member, status });
                    self.connections.send(&Notice::Exited {
                        member,
                        identity,
                        status,
                        asked,
                        killed,
                    });
                }
            }
        }
    }

    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        self.ledger.append(entry).map_err(io::Error::other)
    }
}

fn wait_for_event(
    inbox: &mpsc::Receiver<GuardianEvent>,
) -> Result<GuardianEvent, mpsc::RecvTimeoutError> {
    match inbox.recv_timeout(QUIET) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            sys::give_back_program();
            Ok(inbox.recv()?)
        }
        other => other,
    }
}
