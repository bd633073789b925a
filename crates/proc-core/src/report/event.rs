//! The events of a run.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::ExitNote;
use crate::guarantee::{Level, Mechanism, Unavailable};
use crate::identity::Identity;
use crate::mark::MemberNumber;
use crate::shutdown::SurvivalReason;
use crate::status::ExitStatus;
use crate::table::Label;

/// Something that happened in a run. Times are in ms.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run exists, and its guardian stands.
    RunStarted {
        /// The run id.
        run: String,
        /// The project root.
        root: String,
        /// The run's folder: logs and ledger.
        folder: String,
        /// The process that will end everything.
        guardian: Identity,
        /// What is promised.
        level: Level,
        /// By which mechanism.
        mechanism: Mechanism,
        /// Stronger ones that are not available here.
        unavailable: Vec<Unavailable>,
        /// How many clients there will be.
        clients: usize,
    },
    /// A client runs.
    ClientStarted {
        /// Its number, from 1.
        client: MemberNumber,
        /// Its role.
        role: String,
        /// Its own process.
        identity: Identity,
        /// The port that it is to serve.
        port: u16,
        /// Its command line.
        command: Vec<String>,
        /// Where its output goes.
        log: String,
    },
    /// A client has answered.
    ClientReady {
        /// Its number.
        client: MemberNumber,
        /// Where it answers.
        url: String,
        /// Since its start.
        #[serde(rename = "after_ms", with = "crate::millis")]
        #[schemars(with = "u64")]
        after: Duration,
    },
    /// A client's own process has ended.
    ClientExited {
        /// Its number.
        client: MemberNumber,
        /// Its own process.
        identity: Identity,
        /// How it ended.
        status: ExitStatus,
        /// Whether it was asked to, killed, or ended by itself.
        ended: Ended,
        /// The last lines of its log, where it ended unasked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log_tail: Vec<String>,
    },
    /// The test command runs.
    TestStarted {
        /// Its own process.
        identity: Identity,
        /// Its command line.
        command: Vec<String>,
    },
    /// The test command has ended.
    TestExited {
        /// Its own process.
        identity: Identity,
        /// How it ended.
        status: ExitStatus,
    },
    /// A process is still there although what started it has ended. It is ended too.
    Leak {
        /// The process.
        process: Label,
        /// What started it: `client 2`, `the test`.
        started_by: String,
    },
    /// A process lives on when the run ends: the profile of the client that started it says so (`survive`).
    #[serde(rename = "lives_on")]
    Exempt {
        /// The process.
        process: Label,
        /// What started it: `client 2`.
        started_by: String,
    },
    /// The run is being ended.
    Terminating {
        /// Why.
        reason: String,
    },
    /// A process that a client or the test had started did not end when asked, and was killed.
    Killed {
        /// The process.
        identity: Identity,
    },
    /// A process could not be ended.
    Survivor {
        /// The process.
        process: Label,
        /// Why not.
        reason: SurvivalReason,
    },
    /// The run is over, or (`detached`) goes on without this launcher. Always the last event.
    RunFinished {
        /// The run id. `null`: it never came to a run.
        run: Option<String>,
        /// How the command ends.
        exit: ExitNote,
        /// What it has come to, in a sentence.
        message: String,
        /// Whether the run goes on under its guardian.
        detached: bool,
        /// Since its start.
        #[serde(rename = "duration_ms", with = "crate::millis")]
        #[schemars(with = "u64")]
        duration: Duration,
        /// How each client has ended.
        clients: Vec<ClientSummary>,
        /// How many processes were left behind by clients or test, and were ended.
        leaks: usize,
        /// How many processes could not be ended.
        survivors: usize,
        /// How many processes live on because a profile says so.
        #[serde(rename = "living_on")]
        exempt: usize,
        /// Why there is no containment such as was asked for, by mechanism, where the run was refused for that.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unavailable: Vec<Unavailable>,
    },
}

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// After it was asked to.
    Graceful,
    /// It was killed after the grace.
    Killed,
    /// By itself, before it was asked.
    AlreadyExited,
}

/// The end of one client.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClientSummary {
    /// Its number.
    pub client: MemberNumber,
    /// Its role.
    pub role: String,
    /// The port that it was to serve.
    pub port: u16,
    /// Its own process. `null`: it was never started.
    pub identity: Option<Identity>,
    /// How it ended. `null`: it runs on, was never started, or its end was not seen.
    pub end: Option<ClientEnd>,
}

/// How a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClientEnd {
    /// Whether it was asked.
    pub ended: Ended,
    /// The status that it left.
    pub status: ExitStatus,
}
