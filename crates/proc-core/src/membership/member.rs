//! The parts of a run that were started on purpose.

use serde::{Deserialize, Serialize};

use crate::mark::{MAX_MEMBER, MemberNumber};

/// A part of a run that was started on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Member {
    /// A client, numbered from 1 over all roles of the run.
    Client(MemberNumber),
    /// The test command.
    Test,
}

/// The largest number of clients in a run: the numbers that a mark has room for.
pub const MAX_CLIENTS: MemberNumber = MAX_MEMBER - 1;

/// What the test is called where clients are numbers.
const TEST: &str = "test";

impl Member {
    /// The number in the mark of everything that this member starts.
    pub const fn number(self) -> MemberNumber {
        match self {
            Self::Client(number) => number,
            Self::Test => MAX_MEMBER,
        }
    }

    /// The member with this number in its mark.
    pub const fn from_number(number: MemberNumber) -> Option<Self> {
        match number {
            0 => None,
            MAX_MEMBER => Some(Self::Test),
            number => Some(Self::Client(number)),
        }
    }

    /// Its name in the environment of everything that it starts ([`crate::table::MEMBER`]).
    pub(crate) fn name(self) -> String {
        match self {
            Self::Client(number) => number.to_string(),
            Self::Test => TEST.to_owned(),
        }
    }

    /// The member with this name in an environment.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name == TEST {
            return Some(Self::Test);
        }
        name.parse().ok().and_then(Self::from_number)
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(number) => write!(f, "client {number}"),
            Self::Test => f.write_str("the test"),
        }
    }
}
