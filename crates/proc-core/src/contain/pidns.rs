//! A PID namespace, below a child subreaper: when its first process ends, the kernel ends all others.
//!
//! Orphans become children of that first process, which is itself a child of the guardian, and no member. It ends with
//! the guardian, and is the last to be ended.

mod starter;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::process::Command;

use super::hold::{Escapes, Hold, Waiter};
use super::subreaper::{Subreaper, WALKS};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::sys::{self, AtStart, Link, Signal};
use starter::Starter;

/// The namespace of this process's run.
#[derive(Debug)]
pub(super) struct InNamespace {
    tree: Subreaper,
    starter: Starter,
    init: Identity,
    /// The first process says a byte here when it has collected orphans, and ends when this end is gone.
    link: Link,
}

impl InNamespace {
    pub(super) fn make(own: Identity) -> io::Result<Self> {
        let (starter, pid, link) = Starter::begin()?;
        let init = sys::stat(pid, own.boot).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            tree: Subreaper { own },
            starter,
            init: init.identity,
            link,
        })
    }

    /// The PIDs of what was started by this process, and of every orphan. `None`: this kernel keeps no lists of
    /// children.
    fn children(&self) -> Option<Vec<u32>> {
        let mut children = sys::children(self.tree.own.pid)?;
        if let Some(init) = self.init() {
            children.retain(|pid| *pid != init.pid);
            children.extend(sys::children(init.pid).unwrap_or_default());
        }
        Some(children)
    }
}

impl Hold for InNamespace {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Pidns
    }

    fn at_start(&self, mark: Option<u64>) -> AtStart<'_> {
        AtStart {
            real_time_limit: mark,
            in_namespace: true,
            ..AtStart::default()
        }
    }

    fn start(&self, command: Command, _at_start: AtStart<'_>) -> io::Result<u32> {
        self.starter.start(command)
    }

    fn members(&self, _escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>> {
        if let Some(members) = self.tree.walk(|| self.children()) {
            return Ok(members);
        }
        let init = self.init();
        let mut members = self.tree.search()?;
        members.retain(|identity| Some(*identity) != init);
        Ok(members)
    }

    fn own_children(&self) -> Vec<Identity> {
        let children = self.children().unwrap_or_default().into_iter();
        children.filter_map(|pid| self.tree.living(pid)).collect()
    }

    fn is_empty(&self, has_children: bool, escapes: Option<Escapes<'_>>) -> bool {
        if !has_children {
            return true;
        }
        // What ends hands its children to this process or to the first of the namespace, so something lives only if
        // one of their children does. A list that was read before such an end does not show them.
        let mut seen = BTreeSet::new();
        for _ in 0..WALKS {
            let Some(children) = self.children() else {
                return self
                    .members(escapes)
                    .is_ok_and(|members| members.is_empty());
            };
            let is_complete = children.iter().all(|pid| seen.contains(pid));
            if children.iter().any(|pid| self.tree.living(*pid).is_some()) {
                return false;
            }
            if is_complete {
                return true;
            }
            seen.extend(children);
        }
        false
    }

    fn kill(&self, _is_spared: &dyn Fn(&Identity) -> bool) -> io::Result<()> {
        sys::hang_up(&self.link);
        if let Some(handle) = sys::pin(&self.init)? {
            sys::signal(&handle, Signal::Kill)?;
        }
        Ok(())
    }

    fn init(&self) -> Option<Identity> {
        // Its PID is its own until this process collects it.
        sys::stat(self.init.pid, self.tree.own.boot)
            .map(|stat| stat.identity)
            .filter(|identity| *identity == self.init)
    }

    fn pid_inside(&self, member: &Identity) -> u32 {
        sys::innermost_pid(member.pid).unwrap_or(member.pid)
    }

    fn watch(&self) -> io::Result<Option<Waiter>> {
        let mut link = self.link.try_clone()?;
        Ok(Some(Box::new(move || match link.read(&mut [0; 64]) {
            Ok(length) => length > 0,
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        })))
    }
}
