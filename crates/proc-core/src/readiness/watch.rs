//! The watching thread: when to look, which client to ask, and what follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ureq::Agent;

use super::ask::{Answer, ask};
use super::awaited::{Awaited, AwaitedState, RequestState};
use super::ownership::judge;
use super::reach::reach;
use super::target::{ClientProcesses, LastSeen, Readiness, ReadinessError, Target};
use crate::mark::MemberNumber;
use crate::sys::{Socket, SocketTable, TcpState};
use crate::wait::{Deadline, poll_until};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum WatchMessage {
    Add(Target, Instant),
    Remove(MemberNumber),
    Answered {
        client: MemberNumber,
        request: u64,
        answer: Answer,
    },
    Stop,
}

/// Between two looks at the listening sockets: a quarter of the age of the youngest client, within the first two bounds,
/// so that a client that is ready at once is not waited for; and the last when none is young any more.
const FIRST_TICK: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(10);
const LATER_TICK: Duration = Duration::from_millis(20);

/// How many times longer than a look the time until the next one is at least.
const SPARING: u32 = 4;

/// Between two requests to a client at least so long for each client that is asked, so that a hundred of them do not
/// cost much more than a few.
const PAUSE_FOR_EACH: Duration = Duration::from_millis(8);

/// Before a stranger is reported, a second look: a process may have been found between its birth and its membership, or
/// may just have been handing its socket on.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// How long the end of the watch waits for requests that were interrupted. One that is still connecting cannot be, and
/// is left to its own time limit.
const FAREWELL: Duration = Duration::from_millis(250);

pub(super) struct Watch<F> {
    members: Arc<dyn ClientProcesses>,
    on_outcome: F,
    messages: Receiver<WatchMessage>,
    /// For the threads that ask.
    inbox: Sender<WatchMessage>,
    sockets: SocketTable,
    clients: BTreeMap<MemberNumber, Awaited>,
    next_look: Instant,
    requests: u64,
    /// Those that ask, and with what they do it.
    threads: Vec<(JoinHandle<()>, Agent)>,
}

impl<F: FnMut(Readiness)> Watch<F> {
    pub(super) fn new(
        members: Arc<dyn ClientProcesses>,
        on_outcome: F,
        messages: Receiver<WatchMessage>,
        inbox: Sender<WatchMessage>,
    ) -> Self {
        Self {
            members,
            on_outcome,
            messages,
            inbox,
            sockets: SocketTable::new(),
            clients: BTreeMap::new(),
            next_look: Instant::now(),
            requests: 0,
            threads: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        while self.take_messages() {
            self.look();
            self.give_up_on_the_late();
        }
        self.clients.clear();
        for (_, agent) in &self.threads {
            agent.clone().shutdown();
        }
        poll_until(Deadline::after(FAREWELL), || {
            self.forget_ended_threads();
            self.threads.is_empty().then_some(())
        });
    }

    /// Waits for a message or for the next thing to do. `false`: it is time to stop.
    fn take_messages(&mut self) -> bool {
        let next = self.clients.values().map(|client| {
            let look = client.next_look(self.next_look).map(Deadline::at);
            look.map_or(client.deadline, |look| look.min(client.deadline))
        });
        let mut message = match next.min() {
            None => self.messages.recv().ok(),
            Some(next) => self.messages.recv_timeout(next.remaining()).ok(),
        };
        while let Some(received) = message {
            match received {
                WatchMessage::Stop => return false,
                WatchMessage::Add(target, since) => self.add(target, since),
                WatchMessage::Remove(client) => drop(self.clients.remove(&client)),
                WatchMessage::Answered {
                    client,
                    request,
                    answer,
                } => self.answered(client, request, answer),
            }
            message = self.messages.try_recv().ok();
        }
        true
    }

    fn add(&mut self, target: Target, since: Instant) {
        let number = target.client;
        self.clients.insert(number, Awaited::new(target, since));
        self.next_look = self.next_look.min(since);
    }

    fn answered(&mut self, client: MemberNumber, request: u64, answer: Answer) {
        if let Some(client) = self.clients.get_mut(&client)
            && let Some(listening) = client.listening()
            && matches!(listening.request, RequestState::UnderWay(number) if number == request)
        {
            listening.request = RequestState::Answered(answer);
        }
    }

    /// Looks at the listening sockets, if a client is due, and acts on what is seen.
    fn look(&mut self) {
        let now = Instant::now();
        let mut looks = self
            .clients
            .values()
            .filter_map(|c| c.next_look(self.next_look));
        if !looks.any(|look| look <= now) {
            return;
        }
        let sockets = match self.sockets.read(&[TcpState::Listening], None) {
            Ok(sockets) => sockets,
            Err(error) => return self.fail_all(error),
        };
        let youngest = self.clients.values().filter_map(Awaited::youth).min();
        let tick = youngest.map_or(LATER_TICK, |age| (age / 4).clamp(FIRST_TICK, TICK));
        // Where a look itself takes long, others are kept waiting by it.
        self.next_look = now + tick.max(now.elapsed() * SPARING);
        self.follow(sockets, now);
        self.conclude(now);
        self.send_requests(now);
    }

    /// Brings every client's state up to date with what listens now.
    fn follow(&mut self, mut sockets: Vec<Socket>, now: Instant) {
        sockets.sort_unstable_by_key(|socket| socket.port);
        let mut questions = BTreeMap::new();
        for (number, client) in &mut self.clients {
            let port = client.target.port;
            let first = sockets.partition_point(|socket| socket.port < port);
            let last = sockets.partition_point(|socket| socket.port <= port);
            let sockets = &sockets[first..last];
            match reach(sockets, client.target.ready.host.as_deref()) {
                None => client.fall_silent(),
                Some(reach) if client.must_be_judged(&reach, now) => {
                    questions.insert(*number, reach);
                }
                Some(_) => {}
            }
        }
        if questions.is_empty() {
            return;
        }
        let mut verdicts = judge(&*self.members, &questions);
        for (number, reach) in questions {
            let Some(client) = self.clients.get_mut(&number) else {
                continue;
            };
            match verdicts.remove(&number).flatten() {
                None => client.listen(reach, now),
                Some(_) if !matches!(client.state, AwaitedState::Suspect { .. }) => {
                    client.state = AwaitedState::Suspect {
                        look_again: now + SECOND_LOOK,
                    };
                }
                Some(holder) => {
                    let port = client.target.port;
                    self.finish(number, |client| Readiness::Foreign {
                        client: client.target.client,
                        port,
                        holder,
                    });
                }
            }
        }
    }

    /// Acts on the answers that came in. That the client still listens was seen just now.
    fn conclude(&mut self, now: Instant) {
        let listening = self.clients.values_mut().filter_map(Awaited::listening);
        let pause = PAUSE_FOR_EACH * u32::try_from(listening.count()).unwrap_or(u32::MAX);
        let numbers: Vec<MemberNumber> = self.clients.keys().copied().collect();
        for number in numbers {
            let Some(client) = self.clients.get_mut(&number) else {
                continue;
            };
            let Some(listening) = client.listening() else {
                continue;
            };
            let Some(answer) = listening.take_answer(now, pause) else {
                continue;
            };
            let url = listening.url.clone();
            match answer {
                Answer::Status(status) if status == client.target.ready.status => {
                    if let Some(listening) = client.listening() {
                        listening.leave_the_rest();
                    }
                    self.finish(number, |client| Readiness::Ready {
                        client: number,
                        url,
                        waited: client.since.elapsed(),
                    });
                }
                Answer::Status(status) => client.last_seen = LastSeen::Status(status),
                Answer::None(reason) => client.last_seen = LastSeen::NoAnswer(reason),
                Answer::Impossible(reason) => self.finish(number, |_| Readiness::Failed {
                    client: number,
                    error: ReadinessError::Address { url, reason },
                }),
            }
        }
    }

    fn send_requests(&mut self, now: Instant) {
        for (number, client) in &mut self.clients {
            let path = client.target.ready.path.trim_start_matches('/').to_owned();
            let Some(listening) = client.listening() else {
                continue;
            };
            let Some(agent) = listening.due(now) else {
                continue;
            };
            self.requests += 1;
            let (client, request) = (*number, self.requests);
            let url = format!("{}/{path}", listening.url);
            let inbox = self.inbox.clone();
            let agent_of_thread = agent.clone();
            let thread = thread::Builder::new()
                .name(format!("asking {client}"))
                .spawn(move || {
                    ask(&agent_of_thread, &url, |answer| {
                        // It fails when the watch has ended, and then the answer is no longer waited for.
                        let _ = inbox.send(WatchMessage::Answered {
                            client,
                            request,
                            answer,
                        });
                    });
                });
            listening.request = match thread {
                Ok(thread) => {
                    self.threads.push((thread, agent));
                    RequestState::UnderWay(request)
                }
                Err(error) => {
                    let reason = format!("no thread to ask it: {error}");
                    RequestState::Answered(Answer::None(reason))
                }
            };
        }
        self.forget_ended_threads();
    }

    fn forget_ended_threads(&mut self) {
        self.threads.retain(|(thread, _)| !thread.is_finished());
    }

    fn give_up_on_the_late(&mut self) {
        let now = Deadline::at(Instant::now());
        let late: Vec<MemberNumber> = self
            .clients
            .iter()
            .filter(|(_, client)| client.deadline <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            self.finish(number, |client| Readiness::TimedOut {
                client: client.target.client,
                port: client.target.port,
                waited: client.since.elapsed(),
                last_seen: client.last_seen.clone(),
            });
        }
    }

    fn fail_all(&mut self, error: std::io::Error) {
        let error = Arc::new(error);
        while let Some((number, _)) = self.clients.first_key_value() {
            let number = *number;
            self.finish(number, |_| Readiness::Failed {
                client: number,
                error: ReadinessError::Sockets(Arc::clone(&error)),
            });
        }
    }

    /// Stops watching a client and tells its outcome.
    fn finish(&mut self, number: MemberNumber, outcome: impl FnOnce(&Awaited) -> Readiness) {
        if let Some(client) = self.clients.remove(&number) {
            (self.on_outcome)(outcome(&client));
        }
    }
}
