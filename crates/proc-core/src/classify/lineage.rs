//! Who descends from whom, among the subjects of one look.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;

/// The subjects by PID, with their children.
#[derive(Debug)]
pub(super) struct Lineage<'a> {
    subjects: BTreeMap<u32, &'a dyn Subject>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl<'a> Lineage<'a> {
    pub(super) fn new(subjects: impl IntoIterator<Item = &'a dyn Subject>) -> Self {
        let mut by_pid: BTreeMap<u32, &'a dyn Subject> = BTreeMap::new();
        for subject in subjects {
            let identity = subject.identity();
            // Of two with one PID, the older is gone already.
            by_pid
                .entry(identity.pid)
                .and_modify(|known| {
                    if known.identity() < identity {
                        *known = subject;
                    }
                })
                .or_insert(subject);
        }
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (pid, subject) in &by_pid {
            if is_child(&by_pid, *subject) {
                children.entry(subject.parent()).or_default().push(*pid);
            }
        }
        Self {
            subjects: by_pid,
            children,
        }
    }

    pub(super) fn get(&self, pid: u32) -> Option<&'a dyn Subject> {
        self.subjects.get(&pid).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a dyn Subject> {
        self.subjects.values().copied()
    }

    /// The ancestors of a process, its parent first.
    pub(super) fn ancestors(&self, pid: u32) -> Vec<&'a dyn Subject> {
        let mut line = Vec::new();
        let mut seen = BTreeSet::from([pid]);
        let mut child = self.get(pid);
        while let Some(subject) = child.filter(|child| is_child(&self.subjects, *child)) {
            child = self
                .get(subject.parent())
                .filter(|parent| seen.insert(parent.identity().pid));
            line.extend(child);
        }
        line
    }

    /// The children of a process.
    pub(super) fn children(&self, pid: u32) -> &[u32] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }
}

/// Whether the parent that a process names can be its parent: a younger one is a newcomer that took the PID.
fn is_child(subjects: &BTreeMap<u32, &dyn Subject>, child: &dyn Subject) -> bool {
    let born = child.identity();
    subjects.get(&child.parent()).is_some_and(|parent| {
        let parent = parent.identity();
        parent.pid != born.pid && parent.start <= born.start && parent.boot == born.boot
    })
}
