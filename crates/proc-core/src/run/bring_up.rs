//! Bringing the clients of a run up, role by role, until all of them are ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::builder::port_unavailable;
use super::client::Client;
use super::inbox::Message;
use super::{Run, RunError, words};
use crate::identity::Identity;
use crate::mark::{Mark, MemberNumber};
use crate::membership::{Member, RunSigns};
use crate::protocol::{AfterTest, Notice, Request};
use crate::readiness::{ClientProcesses, Readiness, Target, Watcher};
use crate::report::Event;
use crate::table::Process;
use crate::wait::Deadline;

impl Run {
    pub(super) fn bring_up(
        &mut self,
        clients: &[Client],
        stagger: Duration,
        mark: Option<Mark>,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), RunError> {
        let roots = Arc::new(Roots(Mutex::new(RunSigns {
            guardian: Some(self.guardian),
            mark,
            ..RunSigns::new(self.id.clone())
        })));
        let sender = self.inbox.sender();
        let watcher = Watcher::start(Arc::clone(&roots) as _, move |outcome| {
            let _ = sender.send(Message::Readiness(outcome));
        })?;
        let mut first = 0;
        for role in clients.chunk_by(|a, b| a.role == b.role) {
            let numbers: Vec<MemberNumber> = (1..).skip(first).take(role.len()).collect();
            for (number, client) in numbers.iter().zip(role) {
                if !(stagger.is_zero() || *number == numbers[0]) {
                    self.wait_and_attend(stagger, on_event)?;
                }
                let identity = self.start(*number, client, on_event)?;
                roots
                    .signs()
                    .members
                    .insert(identity, Member::Client(*number));
                watcher.add(Target {
                    client: *number,
                    port: client.port,
                    ready: client.ready.clone(),
                });
            }
            self.await_role(&numbers, on_event)?;
            first += role.len();
        }
        Ok(())
    }

    fn start(
        &mut self,
        number: MemberNumber,
        client: &Client,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Identity, RunError> {
        let member = Member::Client(number);
        let log = self.clients[usize::from(number) - 1].log.clone();
        let mut line = client.line.clone();
        line.environment
            .push((crate::table::COOKIE.into(), self.id.clone().into()));
        let command = words(&line);
        let window = client.has_window().then(|| self.title(number, client));
        if let Some(title) = &window {
            // The log says where the output is. The start does not depend on it.
            let _ = std::fs::write(&log, format!("the output is in the window {title:?}\n"));
        }
        let request = Request::Start {
            member,
            line,
            log: Some(log.clone().into_os_string()),
            window,
            port: Some(client.port),
            survive: client.survive.clone(),
            after: AfterTest::Wait,
        };
        self.say(&request, on_event)?;
        loop {
            match self.inbox.answer()? {
                Message::Notice(Notice::Started {
                    member: started,
                    identity,
                    pid_inside,
                }) if started == member => {
                    if let Some(client) = self.client_mut(number) {
                        client.identity = Some(identity);
                        client.pid_inside = Some(pid_inside);
                        client.started = Some(Instant::now());
                    }
                    on_event(&Event::ClientStarted {
                        client: number,
                        role: client.role.clone(),
                        identity,
                        port: client.port,
                        command,
                        log: log.display().to_string(),
                    });
                    return Ok(identity);
                }
                Message::Notice(Notice::NotStarted {
                    member: failed,
                    error,
                    shortage,
                }) if failed == member => {
                    return Err(RunError::NotStarted {
                        what: member.to_string(),
                        program: command[0].clone(),
                        error,
                        shortage,
                    });
                }
                message => self.attend_readiness(message, on_event)?,
            }
        }
    }

    /// What a person sees of a client first.
    fn title(&self, number: MemberNumber, client: &Client) -> String {
        let (role, port) = (&client.role, client.port);
        format!("client {number} ({role}) port {port} - {}", self.id)
    }

    fn wait_and_attend(
        &mut self,
        time: Duration,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), RunError> {
        let deadline = Deadline::after(time);
        while let Some(message) = self.inbox.try_next(Some(deadline.remaining())) {
            self.attend_readiness(message, on_event)?;
        }
        Ok(())
    }

    fn await_role(
        &mut self,
        numbers: &[MemberNumber],
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), RunError> {
        while numbers.iter().any(|number| {
            self.client(*number)
                .is_some_and(|client| client.url.is_none())
        }) {
            let message = self.inbox.next(None);
            self.attend_readiness(message, on_event)?;
        }
        Ok(())
    }

    fn attend_readiness(
        &mut self,
        message: Message,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<(), RunError> {
        match message {
            Message::Readiness(Readiness::Ready {
                client: number,
                url,
                ..
            }) => {
                let Some(client) = self.client_mut(number) else {
                    return Ok(());
                };
                client.url = Some(url.clone());
                let after = client
                    .started
                    .map_or(Duration::ZERO, |started| started.elapsed());
                on_event(&Event::ClientReady {
                    client: number,
                    url: url.clone(),
                    after,
                });
                let request = Request::Ready {
                    member: Member::Client(number),
                    url,
                };
                self.say(&request, on_event)
            }
            Message::Readiness(Readiness::Foreign { port, holder, .. }) => {
                Err(port_unavailable(port, &[holder]))
            }
            Message::Readiness(Readiness::TimedOut {
                client: number,
                last_seen,
                ..
            }) => {
                let Some(client) = self.client(number) else {
                    return Ok(());
                };
                Err(RunError::NotReady {
                    client: number,
                    role: client.role.clone(),
                    port: client.port,
                    timeout: client.ready_timeout,
                    last_seen: last_seen.to_string(),
                    log: client.log.clone(),
                })
            }
            Message::Readiness(Readiness::Failed { error, .. }) => Err(error.into()),
            message => self.attend(message, on_event),
        }
    }
}

/// What is known of the run's clients so far, for the watcher of readiness.
struct Roots(Mutex<RunSigns>);

impl Roots {
    fn signs(&self) -> MutexGuard<'_, RunSigns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientProcesses for Roots {
    fn is_member(&self, client: MemberNumber, pid: u32) -> bool {
        let process = Process::read(pid);
        let member =
            process.and_then(|process| self.signs().member_of(&process, Process::read_parent));
        member.is_some_and(|member| member.number() == client)
    }

    fn candidates(&self, client: MemberNumber) -> Vec<u32> {
        let signs = self.signs();
        let roots = signs.members.iter();
        let roots = roots.filter(|(_, member)| member.number() == client);
        roots.map(|(identity, _)| identity.pid).collect()
    }
}
