//! A cgroup of version 2 for the run, below a child subreaper: the kernel kills it as one, and it outlives the guardian.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::hold::{Escapes, Hold};
use super::remains::{Remains, cgroup_name};
use super::subreaper::Subreaper;
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::sys::{self, AtStart, Cgroup};

/// The cgroup of this process's run.
#[derive(Debug)]
pub(super) struct InCgroup {
    tree: Subreaper,
    cgroup: Remains,
}

impl InCgroup {
    /// Makes the cgroup in the nearest place that takes one. `intend` is told of each folder before it is made.
    pub(super) fn make(
        own: Identity,
        run: &str,
        intend: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut refusal = io::Error::from(io::ErrorKind::NotFound);
        for place in sys::cgroup_places()? {
            let folder = place.join(cgroup_name(run));
            intend(&folder)?;
            match Cgroup::make(&folder) {
                Ok(cgroup) => {
                    return Ok(Self {
                        tree: Subreaper { own },
                        cgroup: Remains(cgroup),
                    });
                }
                Err(error) => {
                    refusal =
                        io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
                }
            }
        }
        Err(refusal)
    }
}

impl Hold for InCgroup {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Cgroup
    }

    fn at_start(&self, mark: Option<u64>) -> AtStart<'_> {
        AtStart {
            real_time_limit: mark,
            cgroup: Some(&self.cgroup.0),
            ..AtStart::default()
        }
    }

    fn members(&self, escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>> {
        let mut members = self.tree.members(escapes)?;
        // A cgroup that does not tell what is in it is no reason to lose sight of the tree. It cannot be removed before
        // everything has left it, so nothing in it is taken for gone.
        if let Ok(contained) = self.contained() {
            let known: BTreeSet<u32> = members.iter().map(|identity| identity.pid).collect();
            let is_new = |identity: &Identity| !known.contains(&identity.pid);
            members.extend(contained.into_iter().filter(is_new));
        }
        Ok(members)
    }

    fn own_children(&self) -> Vec<Identity> {
        self.tree.own_children()
    }

    fn is_empty(&self, has_children: bool, escapes: Option<Escapes<'_>>) -> bool {
        self.tree.is_empty(has_children, escapes)
    }

    fn kill(&self, is_spared: &dyn Fn(&Identity) -> bool) -> io::Result<()> {
        self.cgroup.kill(&self.tree.own, is_spared)
    }

    fn release(&self, process: &Identity) -> io::Result<()> {
        self.cgroup.release(process)
    }

    fn remove(&self) -> io::Result<()> {
        self.cgroup.remove()
    }

    fn contained(&self) -> io::Result<Vec<Identity>> {
        self.cgroup.members(&self.tree.own)
    }

    fn can_be_frozen(&self) -> bool {
        true
    }

    fn thaw(&self) {
        self.cgroup.thaw();
    }
}
