//! Why a process is believed to be ours.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why we believe that a process is ours, strongest first; the strongest compares as the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It is in the container of a run.
    Container,
    /// It descends from a recorded process of a run, or from a process that is itself selected.
    Lineage,
    /// It carries the mark of a run.
    Mark,
    /// The ledger of a run names its very identity.
    RecordedIdentity,
    /// Its environment names a run.
    Cookie,
    /// It works on a project of the scope.
    Project,
    /// It runs a script of the scope.
    Script,
    /// It works in a directory of the scope.
    Directory,
    /// Its program lies in the scope.
    Executable,
    /// Its name alone, which proves nothing.
    Name,
}

impl Evidence {
    /// All evidence, strongest first.
    pub const ALL: [Self; 10] = [
        Self::Container,
        Self::Lineage,
        Self::Mark,
        Self::RecordedIdentity,
        Self::Cookie,
        Self::Project,
        Self::Script,
        Self::Directory,
        Self::Executable,
        Self::Name,
    ];
}

impl Ord for Evidence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*other as u8).cmp(&(*self as u8))
    }
}

impl PartialOrd for Evidence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "is in its container",
            Self::Lineage => "descends from it",
            Self::Mark => "carries its mark",
            Self::Cookie => "names it in its environment",
            Self::RecordedIdentity => "is recorded in its ledger",
            Self::Project => "works on a project of this scope",
            Self::Script => "runs a script of this scope",
            Self::Directory => "works in a directory of this scope",
            Self::Executable => "is a program of this scope",
            Self::Name => "by name alone",
        })
    }
}
