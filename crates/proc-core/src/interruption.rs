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

/// What asks a launcher to end: a signal, or on Windows something that happens to its console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Ctrl+C (`SIGINT`).
    Interrupt,
    /// A request to end (`SIGTERM`, Ctrl+Break).
    #[default]
    Terminate,
    /// The terminal is gone (`SIGHUP`), its window was closed, or the user logs off.
    HangUp,
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::sys::name_of_interruption(*self))
    }
}
