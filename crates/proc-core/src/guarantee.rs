//! What is promised of a run, and by which mechanism.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is promised of a run, the weaker promise first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything ends that the guardian has seen being started, which it looks for again and again. Nothing is promised:
    /// what starts another and leaves between two looks may get away, and so may anything when the guardian is killed.
    Tracked,
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
    /// The guardian watches every process of the run for forks, and looks after each of them for what is new.
    Tracked,
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
    /// The strongest that is available among those that change nothing for the members.
    #[default]
    Auto,
    /// This one, or no run at all.
    Only(Mechanism),
}

/// A mechanism that is not available on this host, by this user, at this moment.
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
            Self::Tracked => "tracked",
            Self::WholeTree => "whole-tree",
            Self::Kernel => "kernel",
        })
    }
}

impl Mechanism {
    /// Whether clients and test notice nothing of it.
    pub const fn is_transparent(self) -> bool {
        !matches!(self, Self::Pidns)
    }

    /// What it promises.
    pub const fn level(self) -> Level {
        match self {
            Self::Tracked => Level::Tracked,
            Self::Subreaper | Self::Cgroup => Level::WholeTree,
            Self::Pidns | Self::Job => Level::Kernel,
        }
    }

    /// Whether something may live on when the run ends, as a profile declares it: the kernel lets nothing out of a PID
    /// namespace, nor out of a job, and where processes carry no mark, what a run has left is unknown afterwards.
    pub const fn allows_exempt(self) -> bool {
        match self {
            Self::Subreaper | Self::Cgroup => true,
            Self::Pidns | Self::Job | Self::Tracked => false,
        }
    }
}

impl std::fmt::Display for Mechanism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tracked => "tracked",
            Self::Subreaper => "subreaper",
            Self::Cgroup => "cgroup",
            Self::Pidns => "pidns",
            Self::Job => "job",
        })
    }
}

impl Choice {
    /// The mechanisms to try, in this order, on a system that has these, the strongest of which comes first.
    pub fn candidates(self, here: &[Mechanism]) -> Vec<Mechanism> {
        let transparent = here.iter().copied().filter(|one| one.is_transparent());
        match self {
            Self::Auto => transparent.collect(),
            Self::Only(mechanism) => vec![mechanism],
        }
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.mechanism, self.why)
    }
}
