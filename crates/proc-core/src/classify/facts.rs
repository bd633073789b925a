//! What can be known about a process.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::identity::Identity;
use crate::mark::{Mark, MemberNumber};
use crate::streams::Streams;
use crate::sys;
use crate::table::Process;

/// A process as the classifier asks about it: cheap facts first, and only those that matter.
///
/// `None` is "not observed", which is evidence for nothing.
pub trait Subject: fmt::Debug {
    /// Which process it is.
    fn identity(&self) -> Identity;
    /// The PID of its parent.
    fn parent(&self) -> u32;
    /// The PID of the process that leads its session.
    fn session(&self) -> u32;
    /// Whether it is a thread of the kernel.
    fn is_kernel(&self) -> bool;
    /// Whether it has exited and only waits to be collected.
    fn is_zombie(&self) -> bool;
    /// Whether it belongs to the user on whose behalf the caller acts.
    fn is_own(&self) -> Option<bool>;
    /// The kernel's own short name for it, for people only.
    fn short_name(&self) -> &str;
    /// The file that it executes.
    fn executable(&self) -> Option<&Path>;
    /// Its arguments, its own name first.
    fn arguments(&self) -> Option<&[String]>;
    /// Its working directory, if that still exists.
    fn directory(&self) -> Option<&Path>;
    /// Whether this folder is the same one to it as to the caller. A container has files of its own.
    fn sees(&self, folder: &Path) -> Option<bool>;
    /// Where Python looks for modules, besides the usual places (`PYTHONPATH`).
    fn module_path(&self) -> Option<String>;
    /// The working directory of the shell that started it (`PWD`), or of one further above.
    fn shell_directory(&self) -> Option<String>;
    /// Whether it may have been put in the place of another process, so that its parent is gone while what has started both
    /// lives: on Windows, a program of MSYS (Git Bash) or Cygwin.
    fn takes_a_place(&self) -> bool;
    /// The mark that it carries, and the member of the run that it descends from.
    fn mark(&self) -> Option<(Mark, MemberNumber)>;
    /// The run that its environment names.
    fn cookie(&self) -> Option<&str>;
    /// The PID of the process that traces it (a debugger).
    fn tracer(&self) -> Option<u32>;
    /// The pipes that it can read from, by inode.
    fn pipes_read(&self) -> &[u64];
    /// The pipes that its standard output and standard error lead to, by inode.
    fn pipes_written(&self) -> &[u64];
    /// What its standard streams lead to, where the system does not tell pipes by inode.
    fn streams(&self) -> Option<Streams>;
}

/// All facts of one process, read at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facts {
    /// Which process it is.
    pub identity: Identity,
    /// The PID of its parent.
    pub parent: u32,
    /// The PID of the process that leads its session.
    pub session: u32,
    /// Whether it is a thread of the kernel.
    pub kernel: bool,
    /// Whether it has exited and only waits to be collected.
    pub zombie: bool,
    /// Whether it belongs to the user on whose behalf the caller acts.
    pub own: Option<bool>,
    /// The kernel's own short name for it.
    pub short_name: String,
    /// The file that it executes.
    pub executable: Option<PathBuf>,
    /// Its arguments, its own name first.
    pub arguments: Option<Vec<String>>,
    /// Its working directory, if that still exists.
    pub directory: Option<PathBuf>,
    /// Whether the root of the scope is the same folder to it as to the caller.
    pub sees_scope: Option<bool>,
    /// Where Python looks for modules, besides the usual places (`PYTHONPATH`).
    pub module_path: Option<String>,
    /// The working directory of the shell that started it (`PWD`), or of one further above.
    pub shell_directory: Option<String>,
    /// Whether it may have been put in the place of another process, as programs of MSYS and Cygwin are on Windows.
    pub takes_a_place: bool,
    /// The mark that it carries, and the member of the run; written as `MARK.MEMBER`.
    #[serde(serialize_with = "write_mark")]
    #[schemars(with = "Option<String>")]
    pub mark: Option<(Mark, MemberNumber)>,
    /// The run that its environment names.
    pub cookie: Option<String>,
    /// The PID of the process that traces it (a debugger).
    pub tracer: Option<u32>,
    /// The pipes that it can read from, by inode.
    pub pipes_read: Vec<u64>,
    /// The pipes that its standard output and standard error lead to, by inode.
    pub pipes_written: Vec<u64>,
    /// What its standard streams lead to, where the system does not tell pipes by inode.
    pub streams: Option<Streams>,
}

impl Facts {
    /// A process of which nothing but its place in the table is known.
    pub fn new(identity: Identity, parent: u32) -> Self {
        Self {
            identity,
            parent,
            session: 0,
            kernel: false,
            zombie: false,
            own: None,
            short_name: String::new(),
            executable: None,
            arguments: None,
            directory: None,
            sees_scope: None,
            module_path: None,
            shell_directory: None,
            takes_a_place: false,
            mark: None,
            cookie: None,
            tracer: None,
            pipes_read: Vec::new(),
            pipes_written: Vec::new(),
            streams: None,
        }
    }

    /// Reads every fact of a process that can matter to a scope with this root.
    pub fn of(subject: &dyn Subject, root: &Path) -> Self {
        Self {
            identity: subject.identity(),
            parent: subject.parent(),
            session: subject.session(),
            kernel: subject.is_kernel(),
            zombie: subject.is_zombie(),
            own: subject.is_own(),
            short_name: subject.short_name().to_owned(),
            executable: subject.executable().map(Path::to_owned),
            arguments: subject.arguments().map(<[String]>::to_vec),
            directory: subject.directory().map(Path::to_owned),
            sees_scope: subject.sees(root),
            module_path: subject.module_path(),
            shell_directory: subject.shell_directory(),
            takes_a_place: subject.takes_a_place(),
            mark: subject.mark(),
            cookie: subject.cookie().map(str::to_owned),
            tracer: subject.tracer(),
            pipes_read: subject.pipes_read().to_vec(),
            pipes_written: subject.pipes_written().to_vec(),
            streams: subject.streams(),
        }
    }
}

impl Subject for Facts {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn parent(&self) -> u32 {
        self.parent
    }

    fn session(&self) -> u32 {
        self.session
    }

    fn is_kernel(&self) -> bool {
        self.kernel
    }

    fn is_zombie(&self) -> bool {
        self.zombie
    }

    fn is_own(&self) -> Option<bool> {
        self.own
    }

    fn short_name(&self) -> &str {
        &self.short_name
    }

    fn executable(&self) -> Option<&Path> {
        self.executable.as_deref()
    }

    fn arguments(&self) -> Option<&[String]> {
        self.arguments.as_deref()
    }

    fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn sees(&self, _root: &Path) -> Option<bool> {
        self.sees_scope
    }

    fn module_path(&self) -> Option<String> {
        self.module_path.clone()
    }

    fn shell_directory(&self) -> Option<String> {
        self.shell_directory.clone()
    }

    fn takes_a_place(&self) -> bool {
        self.takes_a_place
    }

    fn mark(&self) -> Option<(Mark, MemberNumber)> {
        self.mark
    }

    fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    fn tracer(&self) -> Option<u32> {
        self.tracer
    }

    fn pipes_read(&self) -> &[u64] {
        &self.pipes_read
    }

    fn pipes_written(&self) -> &[u64] {
        &self.pipes_written
    }

    fn streams(&self) -> Option<Streams> {
        self.streams
    }
}

impl Subject for Process {
    fn identity(&self) -> Identity {
        self.identity()
    }

    fn parent(&self) -> u32 {
        self.parent()
    }

    fn session(&self) -> u32 {
        self.session()
    }

    fn is_kernel(&self) -> bool {
        self.is_kernel()
    }

    fn is_zombie(&self) -> bool {
        self.is_zombie()
    }

    fn is_own(&self) -> Option<bool> {
        self.owner().map(|_| self.is_own())
    }

    fn short_name(&self) -> &str {
        self.short_name()
    }

    fn executable(&self) -> Option<&Path> {
        self.executable()
    }

    fn arguments(&self) -> Option<&[String]> {
        self.arguments()
    }

    fn directory(&self) -> Option<&Path> {
        // The kernel appends this to a directory that was removed; what lies there now is another one.
        self.directory()
            .filter(|path| !path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)"))
    }

    fn sees(&self, folder: &Path) -> Option<bool> {
        self.sees(folder)
    }

    fn module_path(&self) -> Option<String> {
        self.variable("PYTHONPATH")
    }

    fn shell_directory(&self) -> Option<String> {
        self.variable("PWD")
    }

    fn takes_a_place(&self) -> bool {
        sys::takes_a_place(self.identity().pid)
    }

    fn mark(&self) -> Option<(Mark, MemberNumber)> {
        self.mark()
    }

    fn cookie(&self) -> Option<&str> {
        self.cookie()
    }

    fn tracer(&self) -> Option<u32> {
        self.tracer()
    }

    fn pipes_read(&self) -> &[u64] {
        self.pipes_read()
    }

    fn pipes_written(&self) -> &[u64] {
        self.pipes_written()
    }

    fn streams(&self) -> Option<Streams> {
        self.streams()
    }
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn write_mark<S: Serializer>(
    mark: &Option<(Mark, MemberNumber)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match mark {
        Some((mark, member)) => serializer.collect_str(&format_args!("{mark}.{member}")),
        None => serializer.serialize_none(),
    }
}
