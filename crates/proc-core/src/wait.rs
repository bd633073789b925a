//! Waiting with a deadline: the only place that sleeps.
//!
//! A wait without a bound hangs for ever on the day on which what it waits for does not come. So everything here
//! takes a [`Deadline`], and `clippy.toml` bans the bare sleep elsewhere.

use std::thread;
use std::time::{Duration, Instant};

/// Further off than any wait; an [`Instant`] this far from now can be represented everywhere.
const NEVER: Duration = Duration::from_hours(30 * 365 * 24);

/// A moment after which a wait is given up. An earlier deadline orders before a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// How long to pause between two attempts: a little at first, then ever longer.
///
/// What comes soon is noticed soon, and what takes long costs little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The first pause.
    pub first: Duration,
    /// The longest pause; each pause is half as long again as the one before, up to this.
    pub longest: Duration,
}

impl Deadline {
    /// So long from now. More than thirty years count as thirty years.
    pub fn after(duration: Duration) -> Self {
        Self::counted_from(Instant::now(), duration)
    }

    /// So long from an earlier moment.
    pub fn counted_from(moment: Instant, duration: Duration) -> Self {
        Self(moment + duration.min(NEVER))
    }

    /// This very moment.
    pub const fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// How long there is left; nothing once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the moment has come.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

impl Default for Pauses {
    /// From 1 ms to 25 ms: for waits in which processes end or files appear.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(25),
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.first.min(self.longest);
        self.first = pause.saturating_add(pause / 2).min(self.longest);
        Some(pause)
    }
}

/// Does nothing for so long.
#[expect(
    clippy::disallowed_methods,
    reason = "a pause with an end, for loops that have deadlines of their own"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Tries until there is an answer, with the default [`Pauses`].
///
/// `None`: the deadline has passed, and one last attempt at its end found nothing. There is always one attempt.
pub fn poll_until<T>(deadline: Deadline, attempt: impl FnMut() -> Option<T>) -> Option<T> {
    poll_with(deadline, Pauses::default(), attempt)
}

/// [`poll_until`] with pauses to suit what is waited for.
pub fn poll_with<T>(
    deadline: Deadline,
    mut pauses: Pauses,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    loop {
        let last = deadline.has_passed();
        if let Some(answer) = attempt() {
            return Some(answer);
        }
        if last {
            return None;
        }
        let pause = pauses.next().unwrap_or(pauses.longest);
        self::pause(pause.min(deadline.remaining()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_saturates_at_both_ends() {
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert_eq!(Deadline::after(Duration::ZERO).remaining(), Duration::ZERO);
        let far = Deadline::after(Duration::MAX);
        assert!(!far.has_passed());
        assert!(far > Deadline::after(Duration::from_mins(1)));
    }

    #[test]
    fn pauses_grow_to_the_longest_and_stay_there() {
        let pauses = Pauses {
            first: Duration::from_millis(4),
            longest: Duration::from_millis(10),
        };
        let millis: Vec<u128> = pauses.take(5).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [4, 6, 9, 10, 10]);
    }

    #[test]
    fn pauses_never_exceed_the_longest() {
        let mut pauses = Pauses {
            first: Duration::MAX,
            longest: Duration::from_secs(1),
        };
        assert_eq!(pauses.next(), Some(Duration::from_secs(1)));
        assert_eq!(pauses.next(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_passed_deadline_still_allows_one_attempt() {
        let mut attempts = 0;
        let answer: Option<()> = poll_until(Deadline::after(Duration::ZERO), || {
            attempts += 1;
            None
        });
        assert_eq!((answer, attempts), (None, 1));
        assert_eq!(
            poll_until(Deadline::after(Duration::ZERO), || Some(7)),
            Some(7)
        );
    }

    #[test]
    fn polling_ends_with_the_first_answer() {
        let mut attempts = 0;
        let answer = poll_until(Deadline::after(Duration::from_mins(1)), || {
            attempts += 1;
            (attempts == 4).then_some("done")
        });
        assert_eq!((answer, attempts), (Some("done"), 4));
    }
}
