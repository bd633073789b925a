//! A child subreaper: every orphan below it becomes its child, and is found by the kernel's lists of children.

use std::collections::BTreeSet;
use std::io;

use super::hold::{Escapes, Hold};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::sys::{self, AtStart};
use crate::table::{Process, Table};

/// How often at the most one look reads the list of the guardian's own children.
pub(super) const WALKS: usize = 64;

/// The tree below this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subreaper {
    pub(super) own: Identity,
}

impl Subreaper {
    /// What lives below these children, which are asked for again and again. `None`: this kernel keeps no lists of
    /// children.
    pub(super) fn walk(&self, children: impl Fn() -> Option<Vec<u32>>) -> Option<Vec<Identity>> {
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..WALKS {
            // A process that has ended since has handed its children on: the lists in which they are now are read until
            // they show nothing new.
            let mut open = children()?;
            open.retain(|pid| !seen.contains(pid));
            if open.is_empty() {
                break;
            }
            while let Some(pid) = open.pop() {
                if !seen.insert(pid) {
                    continue;
                }
                members.extend(self.living(pid));
                open.extend(sys::children(pid).unwrap_or_default());
            }
        }
        Some(members)
    }

    /// Looks through the whole table for what descends from this process.
    pub(super) fn search(&self) -> io::Result<Vec<Identity>> {
        let table = Table::read()?;
        let pids = table.descendants(&BTreeSet::from([self.own.pid]));
        let processes = pids.iter().filter_map(|pid| table.get(*pid));
        let alive = processes.filter(|process| !process.is_zombie());
        Ok(alive.map(Process::identity).collect())
    }

    pub(super) fn living(&self, pid: u32) -> Option<Identity> {
        let stat = sys::stat(pid, self.own.boot).filter(|stat| !stat.zombie)?;
        Some(stat.identity)
    }

    fn children(&self) -> Option<Vec<u32>> {
        sys::children(self.own.pid)
    }
}

impl Hold for Subreaper {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Subreaper
    }

    fn at_start(&self, mark: Option<u64>) -> AtStart<'_> {
        AtStart {
            real_time_limit: mark,
            ..AtStart::default()
        }
    }

    fn members(&self, _escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>> {
        self.walk(|| self.children())
            .map_or_else(|| self.search(), Ok)
    }

    fn own_children(&self) -> Vec<Identity> {
        let children = self.children().unwrap_or_default().into_iter();
        children.filter_map(|pid| self.living(pid)).collect()
    }

    fn is_empty(&self, has_children: bool, _escapes: Option<Escapes<'_>>) -> bool {
        !has_children
    }
}
