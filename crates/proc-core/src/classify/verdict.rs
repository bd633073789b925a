//! What is said about a process, and why.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::membership::Evidence;

/// What a process is to a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// A run of this scope started it.
    Ours {
        /// The run.
        run: String,
        /// Why we believe so.
        evidence: Evidence,
        /// The group whose rule it matches, if any.
        group: Option<String>,
    },
    /// It matches the rule of a group.
    Group {
        /// The group.
        group: String,
        /// Why it is in the scope, or its name alone.
        evidence: Evidence,
        /// Whether it belongs to this scope; if not, only a cleaning of the whole machine reaches it.
        in_scope: bool,
        /// Whether it is a person's own editor, or serves one: there may be unsaved work in it.
        own_editor: bool,
    },
    /// It has nothing to do with the scope.
    Foreign {
        /// Why it is none of ours.
        reason: ForeignReason,
    },
    /// It must not be touched, whatever else is known about it.
    Protected {
        /// Why it is protected.
        reason: ProtectedReason,
    },
    /// Too little could be observed to tell.
    Unknown {
        /// What could not be observed.
        reason: UnknownReason,
    },
}

/// Why a process is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ForeignReason {
    /// No rule matches it.
    NoRule,
    /// It has exited and waits to be collected.
    Exited,
    /// A rule spares it by name.
    Spared {
        /// The group whose rule spares it.
        group: String,
        /// The pattern that matches it.
        pattern: String,
    },
    /// A run started it, and its profile lets it live on (`survive`).
    #[serde(rename = "lives_on")]
    Exempt {
        /// The run.
        run: String,
    },
    /// An interpreter that a rule names, running nothing that the rule names.
    NoScript {
        /// The first group whose rule names the interpreter.
        group: String,
    },
}

/// Why a process must not be touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProtectedReason {
    /// It is the first process.
    Init,
    /// It is a thread of the kernel.
    Kernel,
    /// It is the caller.
    Caller,
    /// The caller descends from it.
    Ancestor,
    /// It leads the caller's session, or the leader descends from it: the shell and the terminal.
    Session,
    /// It reads what the caller writes, or the reader descends from it: the rest of a pipeline.
    Reader,
    /// It writes what the caller or one of its ancestors reads, or the writer descends from it.
    Writer,
    /// It shares the caller's console, and may be one of its ancestors: the line to these is cut.
    Console,
    /// It traces the caller or one of those that hold it, or the tracer descends from it.
    Debugger,
    /// It is the guardian of a live run of this scope.
    Guardian {
        /// The run.
        run: String,
    },
    /// It belongs to a run of another scope.
    OtherScope {
        /// The run.
        run: String,
    },
    /// It carries the mark or the cookie of a run that this scope does not know.
    UnknownRun {
        /// The mark or the cookie.
        sign: String,
    },
    /// It belongs to another user.
    OtherUser,
}

/// What could not be observed about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UnknownReason {
    /// It is gone, or hidden: not even its owner can be read.
    Vanished,
    /// Neither its program nor its arguments can be read.
    Unreadable,
    /// It has overwritten its arguments.
    Rewritten,
    /// The root of the scope is another folder to it, or none: it is in a container.
    OtherFiles,
    /// A relative path among its arguments, and no working directory to start from.
    NoDirectory,
    /// Its relative script is one of the scope where it is now, and one outside where the shell was that started it.
    Ambiguous,
    /// The script among its arguments is not where they say; it may have changed its directory.
    NotFound,
    /// A path in the scope that leads out of it through a symbolic link.
    LeadsOut,
    /// A path on a drive that only its own system knows.
    ForeignDrive,
    /// A path that is no valid text.
    NotText,
}

/// What a request means for a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// It is to be ended.
    Target {
        /// Why.
        why: TargetReason,
    },
    /// It is left alone.
    Spare {
        /// Why.
        why: SpareReason,
    },
}

/// Why a process is to be ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetReason {
    /// It belongs to a run that is to end.
    Run {
        /// The run.
        run: String,
    },
    /// It belongs to a group that is to be cleaned.
    Group {
        /// The group.
        group: String,
    },
    /// It was a target at an earlier snapshot of the same cleaning.
    Pursued,
    /// It descends from a target.
    Descendant {
        /// The nearest ancestor that is a target in its own right.
        of: Identity,
    },
}

/// Why a process is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpareReason {
    /// The verdict itself says why: it is foreign, protected or unknown.
    Verdict,
    /// Its run was not asked for.
    RunNotAsked {
        /// The run.
        run: String,
    },
    /// Its run is alive, and live runs were not asked for.
    LiveRun {
        /// The run.
        run: String,
    },
    /// It holds a live run, or the holder descends from it: ending it would end the run.
    HoldsLiveRun {
        /// The run.
        run: String,
    },
    /// Its group was not asked for.
    GroupNotAsked {
        /// The group.
        group: String,
    },
    /// It is outside this scope, and the whole machine was not asked for.
    Elsewhere {
        /// The group.
        group: String,
    },
    /// It is a person's own editor, or serves one, and editors were not asked for.
    OwnEditor,
}

impl Decision {
    /// Whether the process is to be ended.
    pub const fn is_target(&self) -> bool {
        matches!(self, Self::Target { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours { run, evidence, .. } => write!(f, "belongs to run {run}: {evidence}"),
            Self::Group {
                group,
                evidence,
                in_scope,
                own_editor,
            } => {
                write!(f, "belongs to group {group}: ")?;
                match (evidence, in_scope) {
                    (Evidence::Lineage, true) => f.write_str("descends from a member")?,
                    (evidence, true) => evidence.fmt(f)?,
                    (_, false) => f.write_str("by name alone, elsewhere")?,
                }
                if *own_editor {
                    f.write_str(", a person's own editor (no switch of an automated run)")?;
                }
                Ok(())
            }
            Self::Foreign { reason } => reason.fmt(f),
            Self::Protected { reason } => reason.fmt(f),
            Self::Unknown { reason } => reason.fmt(f),
        }
    }
}

impl fmt::Display for ForeignReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule matches it"),
            Self::Exited => f.write_str("has exited already"),
            Self::Spared { group, pattern } => {
                write!(f, "spared by the rule of group {group} ({pattern})")
            }
            Self::Exempt { run } => write!(
                f,
                "was started by run {run}, whose profile lets it live on (`survive`)"
            ),
            Self::NoScript { .. } => f.write_str("the interpreter runs no script of this scope"),
        }
    }
}

impl fmt::Display for ProtectedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => f.write_str("is the first process"),
            Self::Kernel => f.write_str("is a kernel thread"),
            Self::Caller => f.write_str("is the caller"),
            Self::Ancestor => f.write_str("is an ancestor of the caller"),
            Self::Session => f.write_str("holds the caller's session (its shell or terminal)"),
            Self::Reader => f.write_str("reads what the caller writes"),
            Self::Writer => f.write_str("writes what the caller reads"),
            Self::Console => f.write_str("shares the caller's console, and may have started it"),
            Self::Debugger => f.write_str("debugs the caller, or what the caller depends on"),
            Self::Guardian { run } => write!(f, "is the guardian of run {run}"),
            Self::OtherScope { run } => write!(f, "belongs to run {run} of another scope"),
            Self::UnknownRun { sign } => {
                write!(f, "belongs to a run that this scope does not know ({sign})")
            }
            Self::OtherUser => f.write_str("belongs to another user"),
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vanished => "is gone or hidden",
            Self::Unreadable => "neither its program nor its arguments can be read",
            Self::Rewritten => "has overwritten its arguments",
            Self::OtherFiles => "does not see this project, as one in a container",
            Self::NoDirectory => "its path is relative to a directory that cannot be read",
            Self::Ambiguous => "its path is relative, and it may have changed its directory",
            Self::NotFound => "its script is not where its arguments say",
            Self::LeadsOut => "its path leads out of the scope through a link",
            Self::ForeignDrive => "its path is on a drive that only its own system knows",
            Self::NotText => "its path is no valid text",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target { why } => why.fmt(f),
            Self::Spare { why } => why.fmt(f),
        }
    }
}

impl fmt::Display for TargetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { run } => write!(f, "run {run} is to end"),
            Self::Group { group } => write!(f, "group {group} is to be cleaned"),
            Self::Pursued => f.write_str("was to end at an earlier snapshot"),
            Self::Descendant { of } => write!(f, "descends from {of}, which is to end"),
        }
    }
}

impl fmt::Display for SpareReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict => f.write_str("is none of ours to end"),
            Self::RunNotAsked { run } => write!(f, "run {run} was not asked for"),
            Self::LiveRun { run } => write!(f, "run {run} is alive"),
            Self::HoldsLiveRun { run } => write!(f, "holds run {run}, which is alive"),
            Self::GroupNotAsked { group } => write!(f, "group {group} was not asked for"),
            Self::Elsewhere { group } => {
                write!(f, "is of group {group}, but not of this scope")
            }
            Self::OwnEditor => f.write_str("a person's own editor (no switch of an automated run)"),
        }
    }
}
