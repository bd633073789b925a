//! A command that could not do its work: why, and the exit that goes with it.

use std::fmt;
use std::time::Duration;

use proc_core::guarantee::Unavailable;
use proc_core::ledger::LedgerError;
use proc_core::recover::RecoveryError;
use proc_core::report::{Document, Event, Exit, ExitNote};
use proc_core::run::RunError;
use proc_core::scope::ScopeError;
use proc_core::spawn::ResolveError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{ConfigError, PlaceholderError, PortsError};
use crate::context::{Context, Format, complain};

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    /// For `launch`, whose output is a stream of events that ends with `run_finished`.
    for_stream: bool,
    said: bool,
}

/// What a command prints instead of its document when it could not do its work.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorReport {
    /// How the command ends.
    pub(crate) exit: ExitNote,
    /// What went wrong, and what to do about it.
    pub(crate) message: String,
}

pub(crate) const ERROR_SCHEMA: &str = "clean-slate/error/1";

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            for_stream: false,
            said: false,
        }
    }

    /// A failure whose cause is said in one sentence.
    pub(crate) fn message(exit: Exit, message: impl Into<String>) -> Self {
        Self::new(exit, anyhow::anyhow!(message.into()))
    }

    /// To be reported as the last event of a stream.
    pub(crate) fn for_stream(mut self) -> Self {
        self.for_stream = true;
        self
    }

    /// Reported in full by now, so that only the exit is left to say.
    pub(crate) fn already_said(mut self) -> Self {
        self.said = true;
        self
    }

    /// The exit that goes with it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    fn unavailable(&self) -> Vec<Unavailable> {
        match self.error.downcast_ref() {
            Some(RunError::Guarantee { unavailable, .. }) => unavailable.clone(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn print(self, context: &Context) -> Exit {
        let message = self.to_string();
        if self.said {
            return self.exit;
        }
        match context.format() {
            Format::Text => complain(&message),
            Format::Json if self.for_stream => {
                context.print_json(&Document {
                    schema: proc_core::report::EVENT_SCHEMA,
                    body: Event::RunFinished {
                        run: None,
                        exit: self.exit.into(),
                        message,
                        detached: false,
                        duration: Duration::ZERO,
                        clients: Vec::new(),
                        leaks: 0,
                        survivors: 0,
                        exempt: 0,
                        unavailable: self.unavailable(),
                    },
                });
            }
            Format::Json => {
                let body = ErrorReport {
                    exit: self.exit.into(),
                    message,
                };
                context.print_json(&Document {
                    schema: ERROR_SCHEMA,
                    body,
                });
            }
        }
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.error.to_string();
        // Some errors say their cause themselves.
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::new(error.exit(), error)
    }
}

impl From<ScopeError> for Failure {
    fn from(error: ScopeError) -> Self {
        Self::from(RunError::from(error))
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::new(Exit::Ledger, error)
    }
}

impl From<RecoveryError> for Failure {
    fn from(error: RecoveryError) -> Self {
        Self::new(Exit::Survivors, error)
    }
}

/// Errors of what was asked for, not of what was done.
macro_rules! config_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Exit::Config, error)
            }
        })*
    };
}
config_errors!(ConfigError, PortsError, PlaceholderError, ResolveError);
