//! One client that is waited for: how far it has come, and when there is something to do about it.

use std::time::{Duration, Instant};

use ureq::Agent;

use super::ask::{Answer, agent};
use super::reach::Reach;
use super::{LastSeen, Target};
use crate::wait::Deadline;

pub(super) struct Client {
    pub(super) target: Target,
    pub(super) since: Instant,
    pub(super) deadline: Deadline,
    pub(super) last_seen: LastSeen,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
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
    pub(super) request: Request,
    reach: Reach,
    since: Instant,
    agent: Option<Agent>,
}

pub(super) enum Request {
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

impl Client {
    pub(super) fn new(target: Target, since: Instant) -> Self {
        Self {
            since,
            deadline: Deadline::counted_from(since, target.ready.timeout),
            last_seen: LastSeen::NothingListens,
            stage: Stage::Silent,
            target,
        }
    }

    /// When it is next to be looked at, given the next regular look. `None`: not before it has answered.
    pub(super) fn next_look(&self, regular: Instant) -> Option<Instant> {
        match &self.stage {
            Stage::Silent => Some(regular),
            Stage::Suspect { look_again } => Some(*look_again),
            Stage::Listening(listening) => match listening.request {
                Request::Due(due) => Some(due),
                Request::UnderWay(_) => None,
                Request::Answered(_) => Some(listening.since),
            },
        }
    }

    /// Its age, if it is young: it has not begun to listen, and may do so any moment.
    pub(super) fn youth(&self) -> Option<Duration> {
        let age = self.since.elapsed();
        (matches!(self.stage, Stage::Silent) && age < YOUNG).then_some(age)
    }

    pub(super) fn listening(&mut self) -> Option<&mut Listening> {
        match &mut self.stage {
            Stage::Listening(listening) => Some(listening),
            _ => None,
        }
    }

    /// Whether it must be found out whose these sockets are.
    pub(super) fn must_be_judged(&self, reach: &Reach, now: Instant) -> bool {
        match &self.stage {
            Stage::Silent => true,
            Stage::Suspect { look_again } => *look_again <= now,
            Stage::Listening(listening) => !listening.is_asked() && listening.reach != *reach,
        }
    }

    /// Nothing listens. A request under way is left to end: what it brings is looked at in the light of what listens
    /// then.
    pub(super) fn fall_silent(&mut self) {
        if !self
            .listening()
            .is_some_and(|listening| listening.is_asked())
        {
            self.stage = Stage::Silent;
            self.last_seen = LastSeen::NothingListens;
        }
    }

    /// It listens, and these sockets are its own.
    pub(super) fn listen(&mut self, reach: Reach, now: Instant) {
        let since = self.listening().map_or(now, |listening| listening.since);
        let agent = agent(&reach.host, self.target.ready.request_timeout);
        self.last_seen = LastSeen::NoAnswer("none yet".to_owned());
        self.stage = Stage::Listening(Listening {
            url: format!("http://{}:{}", reach.host, self.target.port),
            request: Request::Due(now),
            reach,
            since,
            agent: Some(agent),
        });
    }
}

impl Listening {
    /// Takes the answer that came in, and plans the next request, at least this much later.
    pub(super) fn take_answer(&mut self, now: Instant, pause: Duration) -> Option<Answer> {
        if !matches!(self.request, Request::Answered(_)) {
            return None;
        }
        let pause = (self.since.elapsed() / SHARE)
            .clamp(FIRST_PAUSE, LONGEST_PAUSE)
            .max(pause);
        match std::mem::replace(&mut self.request, Request::Due(now + pause)) {
            Request::Answered(answer) => Some(answer),
            Request::Due(_) | Request::UnderWay(_) => None,
        }
    }

    /// With what to ask it, if it is to be asked now.
    pub(super) fn due(&self, now: Instant) -> Option<Agent> {
        match self.request {
            Request::Due(due) if due <= now => self.agent.clone(),
            _ => None,
        }
    }

    /// Lets the rest of an answer come in, though nobody waits for it any more.
    pub(super) fn leave_the_rest(&mut self) {
        self.agent = None;
    }

    fn is_asked(&self) -> bool {
        matches!(self.request, Request::UnderWay(_))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}
