//! All facts of one process, as plain data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::identity::Identity;
use crate::mark::{Mark, MemberNumber};
use crate::pipe_peers::PipePeers;

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
    #[serde(rename = "streams")]
    pub pipe_peers: Option<PipePeers>,
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
            pipe_peers: None,
        }
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
