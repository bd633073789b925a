//! One process: what every snapshot has of it, and facts that are read when they are first asked for.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::identity::Identity;
use crate::mark::{Mark, MemberNumber};
use crate::pipe_peers::PipePeers;
use crate::sys;

/// The environment variable that tells a process of a run which run it belongs to.
pub const COOKIE: &str = "XTASK_RUN_ID";

/// The environment variable that tells it which member of the run has started it: the number of a client, or `test`.
pub const MEMBER: &str = "XTASK_MEMBER";

/// One process. A fact that could not be read is `None`, which is evidence for nothing.
#[derive(Debug)]
pub struct Process {
    stat: sys::Stat,
    /// The facts of a process that is made up.
    given: Option<Box<Facts>>,
    origin: OnceCell<Option<sys::Origin>>,
    own: OnceCell<Option<bool>>,
    executable: OnceCell<Option<PathBuf>>,
    arguments: OnceCell<Option<Vec<String>>>,
    directory: OnceCell<Option<PathBuf>>,
    module_path: OnceCell<Option<String>>,
    shell_directory: OnceCell<Option<String>>,
    takes_a_place: OnceCell<bool>,
    cookie: OnceCell<Option<String>>,
    mark: OnceCell<Option<(Mark, MemberNumber)>>,
    tracer: OnceCell<Option<u32>>,
    pipes: OnceCell<sys::Pipes>,
    pipe_peers: OnceCell<Option<PipePeers>>,
}

impl From<Facts> for Process {
    /// A process of which just these facts are known, and nothing is read.
    fn from(facts: Facts) -> Self {
        let stat = sys::Stat {
            identity: facts.identity,
            parent: facts.parent,
            group: facts.session,
            session: facts.session,
            zombie: facts.zombie,
            kernel: facts.kernel,
            short_name: facts.short_name.clone(),
        };
        Self {
            given: Some(Box::new(facts)),
            ..Self::new(stat)
        }
    }
}

impl Process {
    pub(super) fn new(stat: sys::Stat) -> Self {
        Self {
            stat,
            given: None,
            origin: OnceCell::new(),
            own: OnceCell::new(),
            executable: OnceCell::new(),
            arguments: OnceCell::new(),
            directory: OnceCell::new(),
            module_path: OnceCell::new(),
            shell_directory: OnceCell::new(),
            takes_a_place: OnceCell::new(),
            cookie: OnceCell::new(),
            mark: OnceCell::new(),
            tracer: OnceCell::new(),
            pipes: OnceCell::new(),
            pipe_peers: OnceCell::new(),
        }
    }

    /// Looks at one process. `None`: it is gone.
    pub fn read(pid: u32) -> Option<Self> {
        sys::stat(pid, sys::boot().ok()?).map(Self::new)
    }

    /// Looks at one process again. `None`: it is gone, and its PID may be another one's.
    pub fn find(identity: &Identity) -> Option<Self> {
        Self::read(identity.pid).filter(|process| process.identity() == *identity)
    }

    /// Looks at the parent of a process. `None`: it is gone, and its PID may be another one's.
    pub fn read_parent(&self) -> Option<Self> {
        Self::read(self.parent())
            .filter(|parent| parent.identity().can_be_parent_of(&self.identity()))
    }

    /// A fact, from what is given or else from the system.
    fn fact<'a, T>(
        &'a self,
        cell: &'a OnceCell<T>,
        given: impl FnOnce(&Facts) -> T,
        read: impl FnOnce(u32) -> T,
    ) -> &'a T {
        cell.get_or_init(|| match &self.given {
            Some(facts) => given(facts),
            None => read(self.pid()),
        })
    }

    /// Which process this is.
    pub fn identity(&self) -> Identity {
        self.stat.identity
    }

    /// Its PID.
    pub fn pid(&self) -> u32 {
        self.stat.identity.pid
    }

    /// The PID of its parent, at the moment of the snapshot.
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

    /// Whether it is a thread of the kernel.
    pub fn is_kernel(&self) -> bool {
        self.stat.kernel
    }

    /// The kernel's own name for it, at most 15 bytes.
    pub fn short_name(&self) -> &str {
        &self.stat.short_name
    }

    /// By what the kernel tells which process has started it. `None`: it does not tell.
    pub(crate) fn origin(&self) -> Option<sys::Origin> {
        *self.fact(&self.origin, |_| None, sys::origin)
    }

    /// The user that owns it.
    pub fn owner(&self) -> Option<u32> {
        sys::owner(self.pid())
    }

    /// Whether it belongs to the user on whose behalf this process acts. `None`: its owner cannot be read.
    pub fn is_own(&self) -> Option<bool> {
        let read = |pid| Some(sys::owner(pid)? == sys::own_user());
        *self.fact(&self.own, |facts| facts.own, read)
    }

    /// The file that it executes; for a script, its interpreter.
    pub fn executable(&self) -> Option<&Path> {
        self.fact(
            &self.executable,
            |facts| facts.executable.clone(),
            sys::executable,
        )
        .as_deref()
    }

    /// Its arguments, its own name first. Empty where it has overwritten them.
    pub fn arguments(&self) -> Option<&[String]> {
        self.fact(
            &self.arguments,
            |facts| facts.arguments.clone(),
            sys::arguments,
        )
        .as_deref()
    }

    /// Its working directory, if that still exists.
    pub fn directory(&self) -> Option<&Path> {
        // The kernel appends this to a directory that was removed; what lies there now is another one.
        let exists = |path: &PathBuf| !path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)");
        let read = |pid| sys::working_directory(pid).filter(exists);
        self.fact(&self.directory, |facts| facts.directory.clone(), read)
            .as_deref()
    }

    /// Where Python looks for modules, besides the usual places (`PYTHONPATH`).
    pub fn module_path(&self) -> Option<&str> {
        let read = |pid| sys::environment(pid, "PYTHONPATH");
        self.fact(&self.module_path, |facts| facts.module_path.clone(), read)
            .as_deref()
    }

    /// The working directory of the shell that started it (`PWD`), or of one further above.
    pub fn shell_directory(&self) -> Option<&str> {
        let read = |pid| sys::environment(pid, "PWD");
        let given = |facts: &Facts| facts.shell_directory.clone();
        self.fact(&self.shell_directory, given, read).as_deref()
    }

    /// Whether it may have been put in the place of another process, so that its parent is gone while what has started
    /// both lives: on Windows, a program of MSYS (Git Bash) or Cygwin.
    pub fn takes_a_place(&self) -> bool {
        *self.fact(
            &self.takes_a_place,
            |facts| facts.takes_a_place,
            sys::takes_a_place,
        )
    }

    /// The run that its environment names.
    pub fn cookie(&self) -> Option<&str> {
        let read = |pid| sys::environment(pid, COOKIE);
        self.fact(&self.cookie, |facts| facts.cookie.clone(), read)
            .as_deref()
    }

    /// The mark that it carries, and the member of the run that it descends from.
    pub fn mark(&self) -> Option<(Mark, MemberNumber)> {
        let read = |pid| sys::real_time_limit(pid).and_then(Mark::read);
        *self.fact(&self.mark, |facts| facts.mark, read)
    }

    /// The value that it was started with for a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        match self.given {
            Some(_) => None,
            None => sys::environment(self.pid(), name),
        }
    }

    /// Whether a path leads it to the same file as this process. A container has files of its own.
    pub fn sees(&self, path: &Path) -> Option<bool> {
        match &self.given {
            Some(facts) => facts.sees_scope,
            None => sys::sees(self.pid(), path),
        }
    }

    /// The PID of the process that traces it (a debugger), if any.
    pub fn tracer(&self) -> Option<u32> {
        *self.fact(&self.tracer, |facts| facts.tracer, sys::tracer)
    }

    /// The pipes that it can read from, by inode.
    pub fn pipes_read(&self) -> &[u64] {
        &self.pipes().read
    }

    /// The pipes that its standard output and standard error lead to, by inode.
    pub fn pipes_written(&self) -> &[u64] {
        &self.pipes().written
    }

    fn pipes(&self) -> &sys::Pipes {
        let given = |facts: &Facts| sys::Pipes {
            read: facts.pipes_read.clone(),
            written: facts.pipes_written.clone(),
        };
        let read = |pid| sys::pipes(pid).unwrap_or_default();
        self.fact(&self.pipes, given, read)
    }

    /// What its standard streams lead to, where the system does not tell pipes by inode.
    pub fn pipe_peers(&self) -> Option<PipePeers> {
        let read = |pid| sys::pipe_peers(pid, self.parent());
        *self.fact(&self.pipe_peers, |facts| facts.pipe_peers, read)
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

    /// Reads every fact of a process that can matter to a scope with this root.
    pub fn facts(&self, root: &Path) -> Facts {
        Facts {
            identity: self.identity(),
            parent: self.parent(),
            session: self.session(),
            kernel: self.is_kernel(),
            zombie: self.is_zombie(),
            own: self.is_own(),
            short_name: self.short_name().to_owned(),
            executable: self.executable().map(Path::to_owned),
            arguments: self.arguments().map(<[String]>::to_vec),
            directory: self.directory().map(Path::to_owned),
            sees_scope: self.sees(root),
            module_path: self.module_path().map(str::to_owned),
            shell_directory: self.shell_directory().map(str::to_owned),
            takes_a_place: self.takes_a_place(),
            mark: self.mark(),
            cookie: self.cookie().map(str::to_owned),
            tracer: self.tracer(),
            pipes_read: self.pipes_read().to_vec(),
            pipes_written: self.pipes_written().to_vec(),
            pipe_peers: self.pipe_peers(),
        }
    }

    /// What was read of it so far that costs a read of its own.
    #[cfg(test)]
    pub(crate) fn read_so_far(&self) -> Vec<&'static str> {
        let facts = [
            ("arguments", self.arguments.get().is_some()),
            ("cookie", self.cookie.get().is_some()),
            ("directory", self.directory.get().is_some()),
            ("executable", self.executable.get().is_some()),
            ("mark", self.mark.get().is_some()),
            ("module path", self.module_path.get().is_some()),
            ("owner", self.own.get().is_some()),
            ("pipes", self.pipes.get().is_some()),
            ("shell directory", self.shell_directory.get().is_some()),
            ("pipe peers", self.pipe_peers.get().is_some()),
            ("tracer", self.tracer.get().is_some()),
        ];
        let read = facts.into_iter().filter(|(_, is_read)| *is_read);
        read.map(|(fact, _)| fact).collect()
    }
}
