//! What a process's standard streams lead to, where the system does not say what is at the other end of a pipe.
//!
//! Windows gives the two ends of a pipe nothing in common that a third process could see. What can be seen is whether a
//! stream is a pipe at all, and whether it is the very one that the parent has: a pipe that a process has and its
//! parent has not was made for it by what started it.

use schemars::JsonSchema;
use serde::Serialize;

/// What a standard stream of a process leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Stream")]
pub enum PipePeer {
    /// To no pipe: a file, a console, nothing at all.
    Elsewhere,
    /// Wherever a stream of its parent leads.
    Inherited,
    /// To a pipe that its parent has not as a stream of its own.
    Pipe,
    /// It could not be learned.
    Unknown,
}

/// The standard streams of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Streams")]
pub struct PipePeers {
    /// What it reads.
    pub input: PipePeer,
    /// What it writes: of standard output and standard error, the one that says more.
    pub output: PipePeer,
}

impl PipePeer {
    /// Whether it can be a pipe that was made for this process. What is not known can be anything.
    pub fn may_be_new_pipe(self) -> bool {
        matches!(self, Self::Pipe | Self::Unknown)
    }
}
