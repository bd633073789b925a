//! A look at the process table.
//!
//! Reading everything of every process is slow, and most processes are rejected by their owner or their name alone. So
//! a look reads lineage and start time at once, and each further fact when it is first asked for. A fact that is read
//! late may belong to a newcomer with the same PID: whoever acts on one pins the identity first ([`crate::shutdown`]),
//! and a newcomer has another identity.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::identity::{Boot, Identity};
use crate::mark::{Mark, MemberNumber};
use crate::streams::Streams;
use crate::sys;

/// The environment variable that tells a process of a run which run it belongs to.
pub const COOKIE: &str = "XTASK_RUN_ID";

/// The environment variable that tells it which member of the run has started it: the number of a client, or `test`.
pub const MEMBER: &str = "XTASK_MEMBER";

/// All processes that this process can see, at about one moment.
#[derive(Debug)]
pub struct Table {
    boot: Boot,
    processes: BTreeMap<u32, Process>,
}

/// One process. What could not be read is `None`, which is evidence for nothing.
#[derive(Debug)]
pub struct Process {
    stat: sys::Stat,
    origin: OnceCell<Option<sys::Origin>>,
    owner: OnceCell<Option<u32>>,
    executable: OnceCell<Option<PathBuf>>,
    arguments: OnceCell<Option<Vec<String>>>,
    directory: OnceCell<Option<PathBuf>>,
    cookie: OnceCell<Option<String>>,
    mark: OnceCell<Option<(Mark, MemberNumber)>>,
    pipes: OnceCell<sys::Pipes>,
    streams: OnceCell<Option<Streams>>,
}

impl Table {
    /// Looks at all processes.
    pub fn read() -> io::Result<Self> {
        Self::read_with(|_| {})
    }

    /// Looks at all processes, and shows each one at the moment of the look.
    pub(crate) fn read_with(mut show: impl FnMut(&Process)) -> io::Result<Self> {
        let boot = sys::boot()?;
        let processes = sys::stats(boot)?
            .map(|stat| {
                let process = Process::new(stat);
                show(&process);
                (process.pid(), process)
            })
            .collect();
        Ok(Self { boot, processes })
    }

    /// The boot in which the look was taken.
    pub fn boot(&self) -> Boot {
        self.boot
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

    /// The ancestors of a process, its parent first.
    ///
    /// A parent that is younger than its child is a newcomer that took the PID; the line ends there.
    pub fn ancestors(&self, pid: u32) -> Vec<&Process> {
        let mut line = Vec::new();
        let mut seen = BTreeSet::from([pid]);
        let mut child = self.get(pid);
        while let Some(process) = child {
            let parent = self
                .get(process.parent())
                .filter(|parent| parent.identity().start <= process.identity().start);
            child = parent.filter(|parent| seen.insert(parent.identity().pid));
            line.extend(child);
        }
        line
    }

    /// The descendants of these processes, without themselves.
    pub fn descendants(&self, roots: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut children: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
        for process in self.iter() {
            children.entry(process.parent()).or_default().push(process);
        }
        let mut found = BTreeSet::new();
        let mut open: Vec<u32> = roots.iter().copied().collect();
        while let Some(parent) = open.pop() {
            let born = self
                .get(parent)
                .map_or(u64::MAX, |process| process.identity().start);
            for child in children.get(&parent).into_iter().flatten() {
                let pid = child.identity().pid;
                if child.identity().start >= born && !roots.contains(&pid) && found.insert(pid) {
                    open.push(pid);
                }
            }
        }
        found
    }
}

impl Process {
    fn new(stat: sys::Stat) -> Self {
        Self {
            stat,
            origin: OnceCell::new(),
            owner: OnceCell::new(),
            executable: OnceCell::new(),
            arguments: OnceCell::new(),
            directory: OnceCell::new(),
            cookie: OnceCell::new(),
            mark: OnceCell::new(),
            pipes: OnceCell::new(),
            streams: OnceCell::new(),
        }
    }

    /// Looks at one process. `None`: it is gone.
    pub fn read(pid: u32) -> Option<Self> {
        sys::stat(pid, sys::boot().ok()?).map(Self::new)
    }

    /// Which process this is.
    pub fn identity(&self) -> Identity {
        self.stat.identity
    }

    /// The PID of its parent, at the moment of the look.
    pub fn parent(&self) -> u32 {
        self.stat.parent
    }

    /// The process group.
    pub fn group(&self) -> u32 {
        self.stat.group
    }

    /// The session: the PID of the process that leads it; on Windows a number of its own.
    pub fn session(&self) -> u32 {
        self.stat.session
    }

    /// Whether it has exited and only waits to be collected.
    pub fn is_zombie(&self) -> bool {
        self.stat.zombie
    }

    /// Whether it is in a wait that no signal interrupts.
    pub fn is_uninterruptible(&self) -> bool {
        self.stat.uninterruptible
    }

    /// Whether it is a thread of the kernel.
    pub fn is_kernel(&self) -> bool {
        self.stat.kernel
    }

    /// By what the kernel tells who has started it. `None`: it does not tell.
    pub(crate) fn origin(&self) -> Option<sys::Origin> {
        *self.origin.get_or_init(|| sys::origin(self.pid()))
    }

    /// The user that owns it.
    pub fn owner(&self) -> Option<u32> {
        *self.owner.get_or_init(|| sys::owner(self.pid()))
    }

    /// Whether it belongs to the user on whose behalf this process acts.
    pub fn is_own(&self) -> bool {
        self.owner() == Some(sys::own_user())
    }

    /// The file that it executes; for a script, its interpreter.
    pub fn executable(&self) -> Option<&Path> {
        self.executable
            .get_or_init(|| sys::executable(self.pid()))
            .as_deref()
    }

    /// Its arguments, its own name first. Empty where it has overwritten them.
    pub fn arguments(&self) -> Option<&[String]> {
        self.arguments
            .get_or_init(|| sys::arguments(self.pid()))
            .as_deref()
    }

    /// Its working directory.
    pub fn directory(&self) -> Option<&Path> {
        self.directory
            .get_or_init(|| sys::working_directory(self.pid()))
            .as_deref()
    }

    /// The run that its environment names.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie
            .get_or_init(|| sys::environment(self.pid(), COOKIE))
            .as_deref()
    }

    /// The mark that it carries, and the member of the run that it descends from.
    pub fn mark(&self) -> Option<(Mark, MemberNumber)> {
        *self
            .mark
            .get_or_init(|| sys::real_time_limit(self.pid()).and_then(Mark::read))
    }

    /// The value that it was started with for a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        sys::environment(self.pid(), name)
    }

    /// Whether a path leads it to the same file as this process. A container has files of its own.
    pub fn sees(&self, path: &Path) -> Option<bool> {
        sys::sees(self.pid(), path)
    }

    /// The process that traces it (a debugger), if any.
    pub fn tracer(&self) -> Option<u32> {
        sys::tracer(self.pid())
    }

    /// The pipes that it can read from, by inode.
    pub fn pipes_read(&self) -> &[u64] {
        &self.pipes().read
    }

    /// The pipes that its standard output and standard error lead to, by inode.
    pub fn pipes_written(&self) -> &[u64] {
        &self.pipes().written
    }

    /// What its standard streams lead to, where the system does not tell pipes by inode.
    pub fn streams(&self) -> Option<Streams> {
        *self
            .streams
            .get_or_init(|| sys::streams(self.pid(), self.parent()))
    }

    fn pipes(&self) -> &sys::Pipes {
        self.pipes
            .get_or_init(|| sys::pipes(self.pid()).unwrap_or_default())
    }

    /// The kernel's own name for it, at most 15 bytes.
    pub fn short_name(&self) -> &str {
        &self.stat.short_name
    }

    /// Its name as a person would say it: the base name of its executable, or what the kernel calls it.
    pub fn name(&self) -> String {
        self.executable().and_then(Path::file_name).map_or_else(
            || self.short_name().to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Its command line, for people.
    pub fn command(&self) -> String {
        match self.arguments() {
            Some(arguments) if !arguments.is_empty() => arguments.join(" "),
            _ => format!("[{}]", self.short_name()),
        }
    }

    fn pid(&self) -> u32 {
        self.stat.identity.pid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, start: u64) -> (u32, Process) {
        let facts = sys::Stat {
            identity: Identity {
                pid,
                start,
                boot: Boot::new(1),
            },
            parent,
            group: pid,
            session: pid,
            zombie: false,
            uninterruptible: false,
            kernel: false,
            short_name: String::new(),
        };
        (pid, Process::new(facts))
    }

    #[test]
    fn lineage_ends_at_a_parent_that_is_younger_than_its_child() {
        let processes = [
            process(1, 0, 1),
            process(2, 1, 90),
            process(3, 2, 20),
            process(4, 3, 30),
        ];
        let table = Table {
            boot: Boot::new(1),
            processes: processes.into(),
        };
        let line: Vec<u32> = table
            .ancestors(4)
            .iter()
            .map(|p| p.identity().pid)
            .collect();
        assert_eq!(line, [3]);
        assert_eq!(table.descendants(&BTreeSet::from([2])), BTreeSet::new());
        assert_eq!(table.descendants(&BTreeSet::from([3])), BTreeSet::from([4]));
        assert_eq!(table.descendants(&BTreeSet::from([1])), BTreeSet::from([2]));
    }

    #[test]
    fn a_circle_of_recycled_pids_ends() {
        let processes = [process(2, 3, 5), process(3, 2, 5)];
        let table = Table {
            boot: Boot::new(1),
            processes: processes.into(),
        };
        assert_eq!(table.ancestors(2).len(), 1);
        assert_eq!(table.descendants(&BTreeSet::from([2])), BTreeSet::from([3]));
    }
}
