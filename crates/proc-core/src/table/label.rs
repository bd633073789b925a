//! What people are told of a process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::identity::Identity;

/// A process as a report names it. Read at once: later the process may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProcessNote")]
pub struct Label {
    /// Which process.
    pub identity: Identity,
    /// The name of its program. Empty where it was gone before it could be looked at.
    pub name: String,
    /// Its command line.
    pub command: String,
}

impl From<&Process> for Label {
    fn from(process: &Process) -> Self {
        Self {
            identity: process.identity(),
            name: process.name(),
            command: process.command(),
        }
    }
}

impl From<Identity> for Label {
    /// Looks at the process now.
    fn from(identity: Identity) -> Self {
        match Process::find(&identity) {
            Some(process) => Self::from(&process),
            None => Self {
                identity,
                name: String::new(),
                command: String::new(),
            },
        }
    }
}
