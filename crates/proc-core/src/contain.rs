//! Containment: knowing everything that a run has started, whatever it does to hide.
//!
//! The guardian is child subreaper: an orphan below it becomes its child instead of init's, so everything that a run
//! ever starts stays below its guardian for as long as the guardian lives. No child left means nothing left.

use std::collections::BTreeSet;
use std::io;

use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::sys;
use crate::table::Table;

/// How often at the most one look reads the list of the guardian's own children.
const WALKS: usize = 64;

/// How a run is contained.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything ends when the launcher dies, whatever the cause; if the guardian is killed too, the next command
    /// ends what is left.
    WholeTree,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WholeTree => "whole-tree",
        })
    }
}

/// The tree below this process, which is the guardian of a run.
#[derive(Debug)]
pub(crate) struct Containment {
    boot: Boot,
    mark: Option<Mark>,
}

impl Containment {
    /// Makes this process a guardian.
    pub(crate) fn begin() -> io::Result<Self> {
        let boot = sys::boot()?;
        sys::become_guardian()?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mark = Mark::below(u64::from_ne_bytes(random), sys::own_real_time_limit());
        Ok(Self {
            boot,
            mark: Some(mark),
        })
    }

    /// What is promised.
    #[expect(
        clippy::unused_self,
        reason = "a containment of another kind will promise something else"
    )]
    pub(crate) fn level(&self) -> Level {
        Level::WholeTree
    }

    /// The boot in which this process runs.
    pub(crate) fn boot(&self) -> Boot {
        self.boot
    }

    /// The mark of everything in the tree.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Everything that lives in the tree.
    pub(crate) fn members(&self) -> io::Result<Vec<Identity>> {
        let own = std::process::id();
        if let Some(members) = self.walk(own) {
            Ok(members)
        } else {
            let table = Table::read()?;
            let pids = table.descendants(&BTreeSet::from([own]));
            let processes = pids.iter().filter_map(|pid| table.get(*pid));
            Ok(processes
                .filter(|process| !process.is_zombie())
                .map(super::table::Process::identity)
                .collect())
        }
    }

    /// What in the tree has no other parent than this process: what it has started itself, and every orphan. None where
    /// the kernel keeps no lists of children.
    pub(crate) fn own_children(&self) -> Vec<Identity> {
        let children = sys::children(std::process::id()).unwrap_or_default();
        let stats = children
            .into_iter()
            .filter_map(|pid| sys::stat(pid, self.boot));
        let alive = stats.filter(|stat| !stat.zombie);
        alive.map(|stat| stat.identity).collect()
    }

    /// Follows the kernel's lists of children. `None`: this kernel keeps none.
    fn walk(&self, own: u32) -> Option<Vec<Identity>> {
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..WALKS {
            // A process that has ended since has handed its children to this one: its list is read until it shows
            // nobody new.
            let mut open = sys::children(own)?;
            open.retain(|pid| !seen.contains(pid));
            if open.is_empty() {
                break;
            }
            while let Some(pid) = open.pop() {
                if !seen.insert(pid) {
                    continue;
                }
                if let Some(stat) = sys::stat(pid, self.boot).filter(|stat| !stat.zombie) {
                    members.push(stat.identity);
                }
                open.extend(sys::children(pid).unwrap_or_default());
            }
        }
        Some(members)
    }
}
