//! A snapshot of the process table.
//!
//! Reading everything of every process is slow, and most processes are rejected by their owner or their name alone. So
//! a snapshot has lineage and start time at once, and each further fact when it is first asked for. A fact that is read
//! late may belong to a newcomer with the same PID: code that acts on one pins the identity first
//! ([`crate::shutdown`]), and a newcomer has another identity.

mod facts;
mod label;
mod process;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::identity::{Boot, Identity};
use crate::sys;

pub use facts::Facts;
pub use label::Label;
pub use process::{COOKIE, MEMBER, Process};

/// All processes that this process can see, at about one moment, and which descends from which.
#[derive(Debug)]
pub struct Table {
    processes: BTreeMap<u32, Process>,
    children: OnceCell<BTreeMap<u32, Vec<u32>>>,
}

impl Table {
    /// Looks at all processes.
    pub fn read() -> io::Result<Self> {
        Self::read_with(|_| {})
    }

    /// Looks at all processes, and shows each one at the moment at which it is seen.
    pub(crate) fn read_with(mut show: impl FnMut(&Process)) -> io::Result<Self> {
        let stats = sys::stats(sys::boot()?)?;
        Ok(Self::of(stats.map(|stat| {
            let process = Process::new(stat);
            show(&process);
            process
        })))
    }

    /// A snapshot of these processes: of a made-up machine, where they are made of [`Facts`].
    pub fn of(processes: impl IntoIterator<Item = Process>) -> Self {
        let mut by_pid: BTreeMap<u32, Process> = BTreeMap::new();
        for process in processes {
            // Of two with one PID, the older is gone already.
            let known = by_pid.get(&process.pid());
            if known.is_none_or(|known| known.identity() < process.identity()) {
                by_pid.insert(process.pid(), process);
            }
        }
        Self {
            processes: by_pid,
            children: OnceCell::new(),
        }
    }

    /// The process with this PID.
    pub fn get(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// The process with this identity, not merely with its PID.
    pub fn find(&self, identity: &Identity) -> Option<&Process> {
        self.get(identity.pid)
            .filter(|process| process.identity() == *identity)
    }

    /// All processes, by PID.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// The parent of a process. `None`: it is gone, and what has its PID now is younger than the child.
    fn parent(&self, child: &Process) -> Option<&Process> {
        self.get(child.parent())
            .filter(|parent| parent.identity().can_be_parent_of(&child.identity()))
    }

    /// The ancestors of a process, its parent first.
    pub fn ancestors(&self, pid: u32) -> Vec<&Process> {
        let mut line = Vec::new();
        let mut seen = BTreeSet::from([pid]);
        let mut child = self.get(pid);
        while let Some(process) = child {
            let parent = self.parent(process);
            child = parent.filter(|parent| seen.insert(parent.pid()));
            line.extend(child);
        }
        line
    }

    /// The process with this PID and its ancestors.
    pub fn line(&self, pid: u32) -> impl Iterator<Item = &Process> {
        self.get(pid).into_iter().chain(self.ancestors(pid))
    }

    /// The PIDs of the children of a process, in order.
    pub fn children(&self, pid: u32) -> &[u32] {
        let children = self.children.get_or_init(|| {
            let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for child in self.iter() {
                if self.parent(child).is_some() {
                    children
                        .entry(child.parent())
                        .or_default()
                        .push(child.pid());
                }
            }
            children
        });
        children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// The descendants of these processes, without themselves.
    pub fn descendants(&self, roots: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut open: Vec<u32> = roots.iter().copied().collect();
        while let Some(parent) = open.pop() {
            for pid in self.children(parent) {
                if !roots.contains(pid) && found.insert(*pid) {
                    open.push(*pid);
                }
            }
        }
        found
    }
}

/// Those of these processes that live.
pub(crate) fn living(pids: BTreeSet<u32>, boot: Boot) -> Vec<Identity> {
    let stats = pids.into_iter().filter_map(|pid| sys::stat(pid, boot));
    stats
        .filter(|stat| !stat.zombie)
        .map(|stat| stat.identity)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, start: u64) -> Process {
        let boot = Boot::new(1);
        Facts::new(Identity { pid, start, boot }, parent).into()
    }

    #[test]
    fn lineage_ends_at_a_parent_that_is_younger_than_its_child() {
        let table = Table::of([
            process(1, 0, 1),
            process(2, 1, 90),
            process(3, 2, 20),
            process(4, 3, 30),
        ]);
        let line: Vec<u32> = table.ancestors(4).iter().map(|p| p.pid()).collect();
        assert_eq!(line, [3]);
        assert_eq!(table.descendants(&BTreeSet::from([2])), BTreeSet::new());
        assert_eq!(table.descendants(&BTreeSet::from([3])), BTreeSet::from([4]));
        assert_eq!(table.descendants(&BTreeSet::from([1])), BTreeSet::from([2]));
    }

    #[test]
    fn a_circle_of_recycled_pids_ends() {
        let table = Table::of([process(2, 3, 5), process(3, 2, 5)]);
        assert_eq!(table.ancestors(2).len(), 1);
        assert_eq!(table.descendants(&BTreeSet::from([2])), BTreeSet::from([3]));
    }

    #[test]
    fn of_two_processes_with_one_pid_the_younger_is_there() {
        for starts in [[5, 9], [9, 5]] {
            let table = Table::of(starts.map(|start| process(2, 1, start)));
            assert_eq!(table.get(2).map(|p| p.identity().start), Some(9));
        }
    }
}
