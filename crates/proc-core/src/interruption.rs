//! Requests to end, from a person or from the system.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets this process hear of requests to end and of the ends of its children, whatever its parent had blocked or ignored.
///
/// For a program, as the first thing that it does; a library leaves the signals of its process alone.
pub fn hear() {
    crate::sys::hear_signals();
}

/// A signal that asks a launcher to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Ctrl+C (`SIGINT`).
    Interrupt,
    /// A request to end (`SIGTERM`).
    Terminate,
    /// The terminal is gone (`SIGHUP`).
    HangUp,
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "Ctrl+C (SIGINT)",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "the end of the terminal (SIGHUP)",
        })
    }
}
