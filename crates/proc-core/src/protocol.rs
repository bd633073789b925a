//! What a launcher and a guardian say to each other: one JSON object a line, over a [`Link`].
//!
//! Both ends are built from the same sources, and the first message of each carries [`VERSION`], so the messages may
//! change freely between versions.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::guarantee::{Choice, Level, Mechanism, Unavailable};
use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::mark::Mark;
use crate::membership::Member;
use crate::shutdown::SurvivalReason;
use crate::spawn::CommandLine;
use crate::status::ExitStatus;
use crate::sys::Link;
use crate::table::Label;

/// Of these messages. A guardian refuses a launcher of another version.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "/1");

/// The name of the control socket in a run's folder, at which its guardian listens.
pub(crate) const CONTROL_SOCKET: &str = "door";

/// From a launcher, or from a command that ends a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// The first message of a launcher.
    Open(Open),
    /// Start a member.
    Start {
        member: Member,
        line: CommandLine,
        log: Option<OsString>,
        /// The title of a console window of its own, to which its output goes instead.
        window: Option<String>,
        port: Option<u16>,
        /// Globs for the programs that it may leave behind.
        survive: Vec<String>,
        /// Of a test; the end of a client ends no run.
        after: AfterTest,
    },
    /// A client has answered.
    Ready { member: Member, url: String },
    /// Go on when the launcher leaves.
    Detach,
    /// End the run.
    End {
        reason: String,
        #[serde(rename = "grace_ms", with = "crate::millis")]
        grace: Duration,
    },
    /// Do not wait for the rest of the grace.
    Hurry,
}

/// What a guardian has to know first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) version: String,
    pub(crate) run: String,
    pub(crate) root: String,
    /// Now. A guardian that can write a date is a fifth larger.
    pub(crate) time: String,
    pub(crate) folder: OsString,
    pub(crate) ports: Vec<u16>,
    /// How long members may take to end by themselves when the launcher is gone.
    #[serde(rename = "grace_ms", with = "crate::millis")]
    pub(crate) grace: Duration,
    pub(crate) launcher: Option<Identity>,
    /// End the run when this process ends.
    pub(crate) owner: Option<Identity>,
    pub(crate) contain: Choice,
    /// The weakest promise with which the run may begin.
    pub(crate) require: Option<Level>,
}

/// What becomes of a run when its test has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterTest {
    /// The guardian ends it at once, also while the launcher stands still and cannot ask for it.
    End,
    /// The guardian ends it at once if the test has passed. Otherwise it goes on until the launcher says what to do.
    EndIfPassed,
    /// It goes on until the launcher says what to do, which may be another test.
    Wait,
}

/// From a guardian.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub(crate) enum Notice {
    /// The run is open.
    Opened {
        guardian: Identity,
        mark: Option<Mark>,
        mechanism: Mechanism,
        /// What was tried before.
        unavailable: Vec<Unavailable>,
    },
    /// The run cannot be opened.
    Refused { refusal: Refusal },
    /// A member runs.
    Started {
        member: Member,
        identity: Identity,
        /// The PID by which members know it.
        pid_inside: u32,
    },
    /// A member could not be started.
    NotStarted {
        member: Member,
        error: String,
        /// Whether no other program could have been started either.
        #[serde(default)]
        shortage: bool,
    },
    /// A member's own process has ended.
    Exited {
        member: Member,
        identity: Identity,
        status: ExitStatus,
        asked: bool,
        killed: bool,
    },
    /// The launcher may leave.
    Detached,
    /// A process is still there although the member that started it has ended.
    Leaked {
        #[serde(flatten)]
        process: Label,
        member: Option<Member>,
    },
    /// The run is being ended.
    Ending {
        reason: String,
        #[serde(rename = "grace_ms", with = "crate::millis")]
        grace: Duration,
        /// What it comes to for a launcher that has not asked for it.
        #[serde(default)]
        how: Interruption,
    },
    /// A process lives on, as the profile of the client says that started it.
    #[serde(rename = "lives_on")]
    Exempt {
        #[serde(flatten)]
        process: Label,
        member: Option<Member>,
    },
    /// A process that is no member's own was killed.
    Killed { identity: Identity },
    /// Ending what was killed takes long: the kernel may have a great deal of memory to free.
    AtWork,
    /// A process could not be ended.
    Survived {
        #[serde(flatten)]
        process: Label,
        reason: SurvivalReason,
    },
    /// The run is over. The guardian leaves.
    Finished,
    /// The guardian cannot do its work.
    Failed { error: String },
    /// What only a guardian of another version says, whose run a command may end all the same.
    #[serde(other)]
    Other,
}

/// Why a run cannot be opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// The launcher is of another version.
    Version { guardian: String },
    /// Another launch has leased this port.
    PortLeased { port: u16 },
    /// No containment that was asked for is available, or none that promises enough.
    Guarantee { unavailable: Vec<Unavailable> },
    /// Something that the guardian needs is not available.
    Unable { operation: String, error: String },
}

/// Sends one message.
pub(crate) fn send(link: &Link, message: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec(message)?;
    json.push(b'\n');
    (&*link).write_all(&json)
}

/// Receives messages in order.
#[derive(Debug)]
pub(crate) struct Receiver {
    lines: BufReader<Link>,
    longest: u64,
}

/// The longest message between launcher and guardian: a command line that is as long as the kernel allows takes about
/// 4 bytes for each of its own.
const LONGEST: u64 = 64 << 20;

/// The longest message over a control connection, on which there is little to say.
const LONGEST_OF_CONTROL: u64 = 64 << 10;

impl Receiver {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            lines: BufReader::new(link),
            longest: LONGEST,
        }
    }

    /// For a link to what may be any process of this user.
    pub(crate) fn of_control(link: Link) -> Self {
        Self {
            longest: LONGEST_OF_CONTROL,
            ..Self::new(link)
        }
    }

    /// The next message. `None`: the other end is gone.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        let mut lines = self.lines.by_ref().take(self.longest);
        // The other end may be killed in the middle of a line: what it left unfinished was never said. A line that does not
        // come to an end is not listened to.
        if lines.read_until(b'\n', &mut line)? == 0 || line.last() != Some(&b'\n') {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(Into::into)
    }
}
