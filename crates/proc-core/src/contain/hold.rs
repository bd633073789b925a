//! The verbs that all mechanisms have.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Child, Command};

use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::membership::RunSigns;
use crate::sys::{self, AtStart};

/// Waits until something of the run may have ended of which no signal tells. `false`: from now on nothing more comes.
pub(crate) type Waiter = Box<dyn FnMut() -> bool + Send>;

/// By what a process is found that has got out of what holds the run: a member has had another program start it, such
/// as a service, a broker or a task scheduler.
#[cfg_attr(not(windows), expect(dead_code, reason = "nothing gets out of a tree"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escapes<'a> {
    /// What the run's processes are told by.
    pub(crate) signs: &'a RunSigns,
    /// The run's folder.
    pub(crate) folder: &'a Path,
}

/// A way to hold everything that a run starts.
pub(crate) trait Hold: fmt::Debug + Sync {
    /// Which way it is.
    fn mechanism(&self) -> Mechanism;

    /// What a member gets before its first instruction, beside this mark.
    fn at_start(&self, mark: Option<u64>) -> AtStart<'_>;

    /// Starts a command that was prepared for this, and says its PID. It is not waited for: this process collects all of
    /// its children.
    fn start(&self, command: Command, at_start: AtStart<'_>) -> io::Result<u32> {
        sys::take_charge(spawn(command)?, at_start)
    }

    /// Everything that lives in the tree; what has got out of it too, where that can happen and `escapes` are given.
    fn members(&self, escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>>;

    /// What in the tree was started by this process, and every orphan. None where the kernel keeps no lists of children.
    fn own_children(&self) -> Vec<Identity> {
        Vec::new()
    }

    /// Whether nothing lives in the tree, nor has got out of it. `has_children`: this process has some, which may have ended
    /// and wait to be collected.
    fn is_empty(&self, _has_children: bool, escapes: Option<Escapes<'_>>) -> bool {
        self.members(escapes)
            .is_ok_and(|members| members.is_empty())
    }

    /// Kills everything at once where the kernel can do that, unless something is in it that is to be spared. Where it
    /// can, it misses nothing, but what has left on its own is for another look.
    fn kill(&self, _is_spared: &dyn Fn(&Identity) -> bool) -> io::Result<()> {
        Ok(())
    }

    /// Takes a process out of what is killed as one. It stays in the tree for as long as this process is there.
    fn release(&self, _process: &Identity) -> io::Result<()> {
        Ok(())
    }

    /// Gives back what the kernel has kept for the run, of which nothing is left.
    fn remove(&self) -> io::Result<()> {
        Ok(())
    }

    /// What lives in what is killed as one and can be released from it.
    fn contained(&self) -> io::Result<Vec<Identity>> {
        Ok(Vec::new())
    }

    /// Whether a member can freeze what it is in.
    fn can_be_frozen(&self) -> bool {
        false
    }

    /// Lets everything go on that was frozen. What cannot be thawed is killed frozen.
    fn thaw(&self) {}

    /// The first process of the run's PID namespace, which lives or waits to be collected.
    fn init(&self) -> Option<Identity> {
        None
    }

    /// The PID by which members know a member.
    fn pid_inside(&self, member: &Identity) -> u32 {
        member.pid
    }

    /// The one among this process's own children that a process of the tree descends from, where the tree was followed
    /// from fork to fork.
    fn root_of(&self, _process: &Identity) -> Option<Identity> {
        None
    }

    /// What has to be waited for beside the ends of this process's children.
    fn watch(&self) -> io::Result<Option<Waiter>> {
        Ok(None)
    }
}

/// Starts a process, which whatever asks for it contains.
pub(super) fn spawn(mut command: Command) -> io::Result<Child> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that starts members"
    )]
    command.spawn()
}
