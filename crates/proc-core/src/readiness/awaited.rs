//! One client that is waited for: how far it has come, and when there is something to do about it.

use std::time::{Duration, Instant};

use ureq::Agent;

use super::ask::{Answer, agent};
use super::reach::Reach;
use super::target::{LastSeen, Target};
use crate::wait::Deadline;

pub(super) struct Awaited {
    pub(super) target: Target,
    pub(super) since: Instant,
    pub(super) deadline: Deadline,
    pub(super) last_seen: LastSeen,
    pub(super) state: AwaitedState,
}

pub(super) enum AwaitedState {
    /// Nothing listens.
    Silent,
    /// A stranger listens, it seems.
    Suspect { look_again: Instant },
    /// The client listens.
    Listening(Listening),
}

/// A client that listens. Dropping this interrupts the request that is under way.
pub(super) struct Listening {
    pub(super) url: String,
    pub(super) request: RequestState,
    reach: Reach,
    since: Instant,
    agent: Option<Agent>,
}

pub(super) enum RequestState {
    Due(Instant),
    UnderWay(u64),
    Answered(Answer),
}

/// While a client is young, it is looked at more often.
const YOUNG: Duration = Duration::from_secs(5);

/// Between two requests to a client: a twentieth of the time since it began to listen, within these bounds. So an
/// answer is noticed a twentieth too late at worst.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const SHARE: u32 = 20;

impl Awaited {
    pub(super) fn new(target: Target, since: Instant) -> Self {
        Self {
            since,
            deadline: Deadline::counted_from(since, target.ready.timeout),
            last_seen: LastSeen::NothingListens,
            state: AwaitedState::Silent,
            target,
        }
    }

    /// When it is next to be looked at, given the next regular look. `None`: not before it has answered.
    pub(super) fn next_look(&self, regular: Instant) -> Option<Instant> {
        match &self.state {
            AwaitedState::Silent => Some(regular),
            AwaitedState::Suspect { look_again } => Some(*look_again),
            AwaitedState::Listening(listening) => match listening.request {
                RequestState::Due(due) => Some(due),
                RequestState::UnderWay(_) => None,
                RequestState::Answered(_) => Some(listening.since),
            },
        }
    }

    /// Its age, if it is young: it has not begun to listen, and may do so any moment.
    pub(super) fn youth(&self) -> Option<Duration> {
        let age = self.since.elapsed();
        (matches!(self.state, AwaitedState::Silent) && age < YOUNG).then_some(age)
    }

    pub(super) fn listening(&mut self) -> Option<&mut Listening> {
        match &mut self.state {
            AwaitedState::Listening(listening) => Some(listening),
            _ => None,
        }
    }

    /// Whether it must be found out which process has these sockets.
    pub(super) fn must_be_judged(&self, reach: &Reach, now: Instant) -> bool {
        match &self.state {
            AwaitedState::Silent => true,
            AwaitedState::Suspect { look_again } => *look_again <= now,
            AwaitedState::Listening(listening) => {
                !listening.is_asked() && listening.reach != *reach
            }
        }
    }

    /// Nothing listens. A request under way is left to end: what it brings is looked at in the light of what listens
    /// then.
    pub(super) fn fall_silent(&mut self) {
        if !self
            .listening()
            .is_some_and(|listening| listening.is_asked())
        {
            self.state = AwaitedState::Silent;
            self.last_seen = LastSeen::NothingListens;
        }
    }

    /// It listens, and these sockets are its own.
    pub(super) fn listen(&mut self, reach: Reach, now: Instant) {
        let since = self.listening().map_or(now, |listening| listening.since);
        let agent = agent(&reach.host, self.target.ready.request_timeout);
        self.last_seen = LastSeen::NoAnswer("none yet".to_owned());
        self.state = AwaitedState::Listening(Listening {
            url: format!("http://{}:{}", reach.host, self.target.port),
            request: RequestState::Due(now),
            reach,
            since,
            agent: Some(agent),
        });
    }
}

impl Listening {
    /// Takes the answer that came in, and plans the next request, at least this much later.
    pub(super) fn take_answer(&mut self, now: Instant, pause: Duration) -> Option<Answer> {
        if !matches!(self.request, RequestState::Answered(_)) {
            return None;
        }
        let pause = (self.since.elapsed() / SHARE)
            .clamp(FIRST_PAUSE, LONGEST_PAUSE)
            .max(pause);
        match std::mem::replace(&mut self.request, RequestState::Due(now + pause)) {
            RequestState::Answered(answer) => Some(answer),
            RequestState::Due(_) | RequestState::UnderWay(_) => None,
        }
    }

    /// With what to ask it, if it is to be asked now.
    pub(super) fn due(&self, now: Instant) -> Option<Agent> {
        match self.request {
            RequestState::Due(due) if due <= now => self.agent.clone(),
            _ => None,
        }
    }

    /// Lets the rest of an answer come in, though it is no longer waited for.
    pub(super) fn leave_the_rest(&mut self) {
        self.agent = None;
    }

    fn is_asked(&self) -> bool {
        matches!(self.request, RequestState::UnderWay(_))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}
