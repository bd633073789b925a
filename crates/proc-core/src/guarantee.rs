//! What is promised of a run, and by which mechanism.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys;

/// What is promised of a run, the weaker promise first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything ends when the launcher dies, whatever the cause; if the guardian is killed too, the next command
    /// ends what is left.
    WholeTree,
    /// Everything ends even if launcher and guardian are both killed.
    Kernel,
}

/// How a run is contained.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The guardian is child subreaper, and follows the tree below it.
    Subreaper,
    /// A cgroup of version 2 for the run, which the kernel kills as one. The guardian is child subreaper too.
    Cgroup,
    /// A PID namespace that ends with the guardian. PIDs differ inside.
    Pidns,
    /// A job object of Windows, whose last handle the guardian has: it ends with the guardian.
    Job,
}

/// Which mechanism is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The strongest that is to be had among those that change nothing for the members.
    #[default]
    Auto,
    /// This one, or no run at all.
    Only(Mechanism),
}

/// A mechanism that is not to be had on this host, by this user, at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unavailable {
    /// Which.
    pub mechanism: Mechanism,
    /// Why, for people.
    pub why: String,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WholeTree => "whole-tree",
            Self::Kernel => "kernel",
        })
    }
}

impl Mechanism {
    /// All that there are on this system, wherever they are to be had.
    pub const ALL: &[Self] = sys::MECHANISMS;

    /// Those of them that change nothing for the members, the strongest first.
    pub const TRANSPARENT: &[Self] = sys::TRANSPARENT;

    /// What it promises.
    pub const fn level(self) -> Level {
        match self {
            Self::Subreaper | Self::Cgroup => Level::WholeTree,
            Self::Pidns | Self::Job => Level::Kernel,
        }
    }

    /// Whether something may live on when the run ends, as a profile declares it: the kernel lets nothing out of a PID
    /// namespace, nor out of a job.
    pub const fn lets_live_on(self) -> bool {
        match self {
            Self::Subreaper | Self::Cgroup => true,
            Self::Pidns | Self::Job => false,
        }
    }
}

impl std::fmt::Display for Mechanism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Subreaper => "subreaper",
            Self::Cgroup => "cgroup",
            Self::Pidns => "pidns",
            Self::Job => "job",
        })
    }
}

impl Choice {
    /// The mechanisms to try, in this order.
    pub fn candidates(self) -> Vec<Mechanism> {
        match self {
            Self::Auto => Mechanism::TRANSPARENT.to_vec(),
            Self::Only(mechanism) => vec![mechanism],
        }
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.mechanism, self.why)
    }
}
