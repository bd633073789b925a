//! Why a run came to an early end.

use std::path::PathBuf;
use std::time::Duration;

use crate::guarantee::{Choice, Level, Unavailable};
use crate::interruption::Interruption;
use crate::ledger::LedgerError;
use crate::mark::MemberNumber;
use crate::port::PortError;
use crate::readiness::ReadinessError;
use crate::report::Exit;
use crate::scope::ScopeError;
use crate::status::ExitStatus;

/// Why a run did not come about, or ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state of the scope cannot be used.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The ledgers of the scope cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The system refused something that a run needs.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried.
        operation: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A live run of this scope has the port.
    #[error(
        "port {port} belongs to run {run} of this project, which is still going on; end it with `cargo xtask cleanup --run {run}`, or use other ports"
    )]
    Busy {
        /// The port.
        port: u16,
        /// The run.
        run: String,
    },
    /// Another process has the port.
    #[error(
        "port {port} is held by {holder}; end it, or use other ports (`--base-port auto` finds free ones)"
    )]
    PortUnavailable {
        /// The port.
        port: u16,
        /// Which, for people.
        holder: String,
    },
    /// This user may not use the port.
    #[error(
        "port {port} may not be used by this user; {}",
        crate::sys::FORBIDDEN_PORT
    )]
    PortForbidden {
        /// The port.
        port: u16,
    },
    /// Readiness cannot be found out.
    #[error(transparent)]
    Readiness(#[from] ReadinessError),
    /// Ports cannot be looked at.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A program could not be started.
    #[error("{what} could not be started: {program}: {error}")]
    NotStarted {
        /// Which member.
        what: String,
        /// The program.
        program: String,
        /// Why.
        error: String,
        /// Whether no other program could have been started either: descriptors, memory, or processes ran short.
        shortage: bool,
    },
    /// A client was not ready in time.
    #[error("client {client} ({role}) was not ready on port {port} within {seconds} s: {last_seen}; its log is {log}", seconds = timeout.as_secs_f64(), log = log.display())]
    NotReady {
        /// Which.
        client: MemberNumber,
        /// Its role.
        role: String,
        /// Its port.
        port: u16,
        /// How long it had.
        timeout: Duration,
        /// What was last seen of it.
        last_seen: String,
        /// Its log.
        log: PathBuf,
    },
    /// A client ended.
    #[error("client {client} ({role}) ended by itself with {status}")]
    ClientDied {
        /// Which.
        client: MemberNumber,
        /// Its role.
        role: String,
        /// How.
        status: ExitStatus,
        /// The last lines of its log.
        log_tail: Vec<String>,
    },
    /// Another command ended the run, through its guardian.
    #[error("the run was ended from elsewhere: {reason}")]
    EndedElsewhere {
        /// Why.
        reason: String,
        /// What it comes to.
        how: Interruption,
    },
    /// This process was asked to end.
    #[error("asked to end by {0}")]
    Interrupted(Interruption),
    /// The run ended early, and it is not known what of it is left.
    #[error("{error}; {why}; `cargo xtask preflight` ends what is left")]
    Unseen {
        /// Why it is not known.
        why: String,
        /// Why the run ended early.
        error: Box<RunError>,
    },
    /// The run failed, and something of it could not be ended.
    #[error("{error}; processes that could not be ended: {count}")]
    Survivors {
        /// How many.
        count: usize,
        /// Why the run failed.
        error: Box<RunError>,
    },
    /// The containment that was asked for is not available here.
    #[error("{}", describe_guarantee(*contain, *require, unavailable))]
    Guarantee {
        /// Which mechanism was asked for.
        contain: Choice,
        /// The weakest promise that was to do.
        require: Option<Level>,
        /// What was tried.
        unavailable: Vec<Unavailable>,
    },
    /// The guardian could not start, or is gone.
    #[error("the guardian failed: {error}")]
    Guardian {
        /// What happened.
        error: String,
    },
}

impl RunError {
    /// The exit that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Scope(ScopeError::Locked { .. }) | Self::Busy { .. } => Exit::Busy,
            Self::Scope(_)
            | Self::Invalid(_)
            | Self::NotStarted {
                shortage: false, ..
            } => Exit::Config,
            Self::Ledger(_) => Exit::Ledger,
            Self::Port(_) | Self::PortUnavailable { .. } | Self::PortForbidden { .. } => {
                Exit::PortUnavailable
            }
            Self::NotReady { .. } | Self::Readiness(_) => Exit::NotReady,
            Self::ClientDied { .. } => Exit::ClientDied,
            Self::Interrupted(how) | Self::EndedElsewhere { how, .. } => Exit::Interrupted(*how),
            Self::Survivors { .. } | Self::Unseen { .. } => Exit::Survivors,
            Self::Guarantee { .. } => Exit::Guarantee,
            Self::System { .. }
            | Self::Guardian { .. }
            | Self::NotStarted { shortage: true, .. } => Exit::Guardian,
        }
    }
}

fn describe_guarantee(
    contain: Choice,
    require: Option<Level>,
    unavailable: &[Unavailable],
) -> String {
    let wanted = match (contain, require) {
        (Choice::Only(mechanism), None) => format!("containment by {mechanism}"),
        (Choice::Only(mechanism), Some(level)) => {
            format!("the level {level} by {mechanism}")
        }
        (Choice::Auto, Some(level)) => {
            format!("the level {level} without changing anything for the clients")
        }
        (Choice::Auto, None) => "any containment".into(),
    };
    let reasons: Vec<String> = unavailable.iter().map(ToString::to_string).collect();
    let hint = if contain == Choice::Auto && require == Some(Level::Kernel) {
        "try `--contain pidns`, with which clients see other PIDs"
    } else {
        "`cargo xtask doctor` shows what is"
    };
    format!(
        "{wanted} is not available here ({}); {hint}",
        reasons.join("; ")
    )
}
