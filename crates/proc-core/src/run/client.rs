//! The clients of a run: what is to be started, and what has become of it.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::identity::Identity;
use crate::mark::MemberNumber;
use crate::readiness::Ready;
use crate::report::ClientEnd;
use crate::spawn::CommandLine;
use crate::sys;

/// How many lines of a log are shown of a client that has ended.
const LOG_TAIL: usize = 20;

/// A client that is to be started.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) role: String,
    pub(super) line: CommandLine,
    pub(super) port: u16,
    pub(super) ready: Ready,
    pub(super) survive: Vec<String>,
    own_window: bool,
}

impl Client {
    /// A client of this role that runs this program, an absolute path.
    pub fn new(role: impl Into<String>, program: impl Into<OsString>) -> Self {
        let directory = std::env::current_dir()
            .unwrap_or_else(|_| PathBuf::from("/"))
            .into_os_string();
        let line = CommandLine {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory,
        };
        Self {
            role: role.into(),
            line,
            port: 0,
            ready: Ready::default(),
            survive: Vec::new(),
            own_window: false,
        }
    }

    /// The arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.line
            .arguments
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable on top of this process's own environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.line.environment.push((name.into(), value.into()));
        self
    }

    /// The working directory, an absolute path.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<OsString>) -> Self {
        self.line.directory = directory.into();
        self
    }

    /// The port that it serves.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The path at which it answers with 200 when it is ready.
    #[must_use]
    pub fn ready_at(mut self, path: impl Into<String>) -> Self {
        self.ready.path = path.into();
        self
    }

    /// What makes it ready.
    #[must_use]
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Lets it have a console window of its own on Windows, to which its output goes instead of the log. Elsewhere, and
    /// with a program that has windows instead of a console, nothing changes.
    #[must_use]
    pub fn own_window(mut self, own: bool) -> Self {
        self.own_window = own;
        self
    }

    pub(super) fn has_window(&self) -> bool {
        self.own_window && sys::uses_console(Path::new(&self.line.program))
    }

    /// Globs for the names of programs that it may leave behind, because they serve others too; the test may leave
    /// behind what any client may. A glob for every
    /// program is refused when the client is started. In a PID namespace
    /// ([`Mechanism::Pidns`](crate::guarantee::Mechanism::Pidns)) they end with the run all the same.
    #[must_use]
    pub fn survive(mut self, globs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.survive.extend(globs.into_iter().map(Into::into));
        self
    }
}

/// A client of a run.
#[derive(Debug)]
pub struct RunningClient {
    pub(super) number: MemberNumber,
    pub(super) role: String,
    pub(super) port: u16,
    pub(super) url: Option<String>,
    pub(super) log: PathBuf,
    pub(super) ready_timeout: Duration,
    pub(super) identity: Option<Identity>,
    pub(super) pid_inside: Option<u32>,
    pub(super) started: Option<Instant>,
    pub(super) end: Option<ClientEnd>,
}

impl RunningClient {
    /// Its number, from 1.
    pub fn number(&self) -> MemberNumber {
        self.number
    }

    /// Its role.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The port that it serves.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        self.url
            .clone()
            .unwrap_or_else(|| format!("http://127.0.0.1:{}", self.port))
    }

    /// Its own process, once started.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The PID by which the members of the run know it, once started. It is another than that of its identity where
    /// they are in a PID namespace ([`Mechanism::Pidns`](crate::guarantee::Mechanism::Pidns)).
    pub fn pid_inside(&self) -> Option<u32> {
        self.pid_inside
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

/// The last lines of a log, as far as they stand in its last 64 KiB.
pub(super) fn tail(log: &Path) -> Vec<String> {
    const WINDOW: u64 = 64 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = sys::open_plain_file(log)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(WINDOW)))?;
        let mut bytes = Vec::new();
        file.take(WINDOW).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
