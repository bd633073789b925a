//! The ledger: the durable journal of one run, written before each act.
//!
//! Each entry is one line, `<CRC-32 in hex> <JSON>\n`, appended with one write. A crash at any byte leaves whole
//! lines and at most one torn tail, which a reader leaves out. Anything else that does not check is damage: such a
//! ledger is set aside, and nothing is ever ended on its word.
//!
//! The guardian of a run is its ledger's only writer, and holds a lock in the run's folder for as long as it lives. The
//! kernel gives the lock back when its holder dies, whatever the cause, so a run lives exactly as long as its lock is
//! held. Entries are not flushed to the disk one by one: they outlive every process, and a machine that loses power
//! loses the processes with them.

mod history;
mod runs;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guarantee::Mechanism;
use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::membership::Member;
use crate::status::ExitStatus;
use crate::sys;

pub use history::{History, MemberHistory};
pub use runs::{Damaged, KnownRun, RunState, Runs};
pub(crate) use runs::{live_holders, take_lock};

/// The version of the entries below. A reader refuses a ledger with a larger one.
pub const VERSION: u32 = 1;

const FILE: &str = "ledger";

/// No ledger is larger, in bytes: one of the most clients that there may be has 3 MB.
const LARGEST: u64 = 64 << 20;

pub(crate) const LOCK: &str = "lock";

/// One act of a run.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is written and read once a run, and no list of entries is kept"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The run exists. Always the first entry.
    Opened(Opened),
    /// A cgroup for everything that the run starts is about to be made in this folder.
    Containing {
        /// Which.
        cgroup: PathBuf,
    },
    /// Everything that the run starts is contained.
    Contained {
        /// How.
        mechanism: Mechanism,
    },
    /// A member is about to be started.
    Starting {
        /// Which.
        member: Member,
        /// The program, for people.
        program: String,
        /// The port that it is to serve.
        port: Option<u16>,
        /// Globs for the programs that it may leave behind.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        survive: Vec<String>,
    },
    /// A member has been started.
    Started {
        /// Which.
        member: Member,
        /// As this process.
        identity: Identity,
        /// The kernel's own number of that process, where it has one: what this process has started names it as its
        /// starter, when it is long gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
    },
    /// A client has answered at this address.
    Ready {
        /// Which.
        member: Member,
        /// Where.
        url: String,
    },
    /// A member's own process has ended.
    Exited {
        /// Which.
        member: Member,
        /// How.
        status: ExitStatus,
    },
    /// The run goes on without its launcher.
    Detached,
    /// The run is being ended.
    Ending {
        /// Why, for people.
        reason: String,
    },
    /// The run is over, and nothing of it is left but what lives on.
    Closed {
        /// What lives on, as the profiles of the clients say that started it.
        #[serde(rename = "living_on", default, skip_serializing_if = "Vec::is_empty")]
        exempt: Vec<Identity>,
    },
    /// Written by a newer tool that kept this version; of no concern to this one.
    #[serde(other)]
    Other,
}

/// What is known when a run is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The run id.
    pub run: String,
    /// The project root, for people.
    pub root: String,
    /// When, in UTC, as RFC 3339 has it.
    pub time: String,
    /// The boot in which all identities of this ledger hold.
    pub boot: Boot,
    /// The PID namespace in which they hold.
    pub pid_namespace: u64,
    /// The guardian.
    pub guardian: Identity,
    /// The kernel's own number of the guardian, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian_number: Option<u64>,
    /// The process that asked for the run.
    pub launcher: Option<Identity>,
    /// The process with whose end the run is to end, if one was named.
    #[serde(default)]
    pub owner: Option<Identity>,
    /// The mark of everything that the run starts.
    pub mark: Option<Mark>,
    /// The ports that the run has claimed.
    pub ports: Vec<u16>,
    /// How long everything may take to end by itself when it is asked to.
    #[serde(default, rename = "grace_ms", with = "crate::millis::optional")]
    pub grace: Option<Duration>,
}

/// A ledger that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("cannot {operation} the ledger {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A line in it is not what was written.
    #[error("the ledger {path} is damaged at line {line}", path = path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// It tells of a run of another project, and has come here as a copy.
    #[error("the ledger {path} tells of a run of another project, {root}, where it has to be looked for", path = path.display())]
    Elsewhere {
        /// The ledger.
        path: PathBuf,
        /// The root of that project.
        root: String,
    },
    /// A newer version of this tool wrote it.
    #[error("the ledger {path} was written by a newer version of this tool (format {version}, this one knows {VERSION})", path = path.display())]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
}

/// The ledger of a run that is going on, for its one writer.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    /// How much of the file are whole entries.
    length: u64,
}

impl Ledger {
    /// Starts the ledger of a new run, in its folder.
    pub fn create(folder: &Path, opened: Opened) -> Result<Self, LedgerError> {
        let path = folder.join(FILE);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| LedgerError::Io {
                operation: "create",
                path: path.clone(),
                source,
            })?;
        let mut ledger = Self {
            file,
            path,
            length: 0,
        };
        ledger.append(&Entry::Opened(opened))?;
        Ok(ledger)
    }

    /// Goes on with the ledger of a run whose guardian is dead.
    pub(crate) fn reopen(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(FILE);
        let error = |operation| {
            let path = path.clone();
            move |source| LedgerError::Io {
                operation,
                path,
                source,
            }
        };
        let bytes = sys::read_plain_file(&path, LARGEST).map_err(error("read"))?;
        let whole = bytes
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |end| end + 1);
        let file = File::options()
            .write(true)
            .open(&path)
            .map_err(error("open"))?;
        let length = whole as u64;
        file.set_len(length)
            .map_err(error("cut the torn tail of"))?;
        Ok(Self {
            file,
            path: path.clone(),
            length,
        })
    }

    /// Appends an entry. When this returns, the entry outlives this process.
    pub fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let error = |source| LedgerError::Io {
            operation: "write",
            path: self.path.clone(),
            source,
        };
        let json = serde_json::to_string(entry).map_err(|source| error(source.into()))?;
        let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        // Of an entry for which the disk had no room a part may have been written. Where there is room again by now,
        // the next entry would join it to a line that cannot be read.
        if self.file.metadata().map_err(error)?.len() > self.length {
            self.file.set_len(self.length).map_err(error)?;
        }
        // Not by a file that is open for appending: Windows would not let it be cut.
        self.file
            .seek(SeekFrom::Start(self.length))
            .map_err(error)?;
        self.file.write_all(line.as_bytes()).map_err(error)?;
        self.length += line.len() as u64;
        Ok(())
    }
}
