//! Escape probes: processes that try to get away from a run, to observe what its end does to them on this very host.
//!
//! Each probe opens a thing of its own, its witness, and says by it that it is set up: from then on the end of that,
//! and nothing else, shows that the process is gone. It is a named pipe that nothing else writes to, on Windows a file
//! that nothing else can open meanwhile. A probe may change its session, its environment and its mark; it still holds
//! its witness.
//!
//! No probe outlives its observer by more than an instant: each watches another such thing, the lifeline, which only
//! the observer holds. And whatever happens, it ends by itself after [`LIFE`].

mod act;
mod observe;
mod probe;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

pub use act::{KillTarget, SweepError, interruption, sweep};
pub use observe::Probes;
pub use probe::run_probe;

/// How long a probe lives at the most.
pub const LIFE: Duration = Duration::from_mins(1);

/// The lifeline of the test, and that of all others.
const TEST_LIFELINE: &str = "test-lifeline";
const LIFELINE: &str = "lifeline";

/// One process that tries to get away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// What of the run it is, or was started by.
    pub origin: Origin,
    /// How it tries to get away.
    pub escape: Escape,
}

/// What of a run has started a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Its client.
    Client,
    /// Its test.
    Test,
}

/// How a probe tries to get away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// Not at all: it is the client or the test itself.
    Member,
    /// Not at all: a child in the process group of what has started it.
    Child,
    /// An orphan in a session of its own, without environment, working directory and inherited descriptors, that takes
    /// no notice of being asked to end. On Windows it has no console, and was to be started outside of its parent's
    /// job.
    Daemon,
    /// The same, and it has taken off the mark of its run.
    Unmarked,
}

impl Escape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Member, Self::Child, Self::Daemon, Self::Unmarked];

    const fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Child => "child",
            Self::Daemon => "daemon",
            Self::Unmarked => "unmarked",
        }
    }
}

impl Origin {
    const ALL: [Self; 2] = [Self::Client, Self::Test];

    const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Test => "test",
        }
    }
}

impl Probe {
    /// All probes of one run.
    pub fn all() -> impl Iterator<Item = Self> {
        Origin::ALL.into_iter().flat_map(|origin| {
            Escape::ALL
                .into_iter()
                .map(move |escape| Self { origin, escape })
        })
    }

    /// What it holds.
    fn witness(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-{}", self.origin.word(), self.escape.word()))
    }

    /// What it watches.
    fn lifeline(self, folder: &Path) -> PathBuf {
        // A test ends when it is told to: that is how it passes.
        let is_test = self.origin == Origin::Test && self.escape == Escape::Member;
        folder.join(if is_test { TEST_LIFELINE } else { LIFELINE })
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.word();
        match self.escape {
            Escape::Member => write!(f, "the {origin}"),
            Escape::Child => write!(f, "the {origin}'s child"),
            Escape::Daemon => write!(f, "the {origin}'s daemon"),
            Escape::Unmarked => write!(f, "the {origin}'s daemon without the mark"),
        }
    }
}
