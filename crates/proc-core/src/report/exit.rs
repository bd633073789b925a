//! Exit codes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::interruption::Interruption;

/// How a command ends. Each has a code of its own, and a test command's own code is passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The postcondition holds, and was verified.
    Ok,
    /// The command line.
    Usage,
    /// The test command failed with this code.
    Test(u8),
    /// A client did not become ready in time.
    NotReady,
    /// A client ended before it was ready, or during the test.
    ClientDied,
    /// A port is held by another process.
    PortUnavailable,
    /// The test passed, but it left processes; they were ended.
    Leaked,
    /// Something could not be ended.
    Survivors,
    /// The level that was required is not available here.
    Guarantee,
    /// The configuration, or a program that is not there.
    Config,
    /// Another live run of this scope holds what is asked for.
    Busy,
    /// Processes were found, and left.
    Dirty,
    /// State could not be read; it was set aside.
    Ledger,
    /// The guardian could not start, or died, or there was nothing left to start a member with.
    Guardian,
    /// The command itself has failed, by a mistake of its own.
    Internal,
    /// The launcher was asked to end, and has ended everything first.
    Interrupted(Interruption),
}

/// An exit, as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExitNote {
    /// The exit code of the command.
    pub code: u8,
    /// Its name.
    pub name: &'static str,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 2,
            Self::Test(code) => code,
            Self::NotReady => 100,
            Self::ClientDied => 101,
            Self::PortUnavailable => 102,
            Self::Leaked => 103,
            Self::Survivors => 104,
            Self::Guarantee => 105,
            Self::Config => 106,
            Self::Busy => 107,
            Self::Dirty => 108,
            Self::Ledger => 109,
            Self::Guardian => 110,
            Self::Internal => 111,
            Self::Interrupted(Interruption::HangUp) => 129,
            Self::Interrupted(Interruption::Interrupt) => 130,
            Self::Interrupted(Interruption::Terminate) => 143,
        }
    }

    /// The name that goes with the code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Usage => "usage",
            Self::Test(_) => "test",
            Self::NotReady => "not_ready",
            Self::ClientDied => "client_died",
            Self::PortUnavailable => "port_unavailable",
            Self::Leaked => "leaked",
            Self::Survivors => "survivors",
            Self::Guarantee => "guarantee",
            Self::Config => "config",
            Self::Busy => "busy",
            Self::Dirty => "dirty",
            Self::Ledger => "ledger",
            Self::Guardian => "guardian",
            Self::Internal => "internal",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

impl From<Exit> for ExitNote {
    fn from(exit: Exit) -> Self {
        Self {
            code: exit.code(),
            name: exit.name(),
        }
    }
}
