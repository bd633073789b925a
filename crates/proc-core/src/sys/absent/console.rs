//! Consoles with windows, and whatever else programs are asked by that hear no signals.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::identity::Identity;

/// No program gets one; its output goes to the log.
pub(crate) fn uses_console(_program: &Path) -> bool {
    false
}

/// The PIDs of the processes that share a console with this process: it has none.
pub(crate) fn in_own_console() -> Vec<u32> {
    Vec::new()
}

/// Whether a process may have been put in the place of another: a program is executed by the process that asks for it.
pub(crate) fn takes_a_place(_pid: u32) -> bool {
    false
}

/// There are none.
#[derive(Debug)]
pub(crate) struct Console(Infallible);

impl Console {
    pub(crate) fn open(_title: &str) -> io::Result<Self> {
        super::absent()
    }

    pub(crate) fn holds(&self, _pid: u32) -> bool {
        match self.0 {}
    }

    pub(crate) fn to_stdio(&self) -> io::Result<[Stdio; 3]> {
        match self.0 {}
    }
}

/// A process that is asked is sent a signal, and needs no more.
#[derive(Debug, Default)]
pub(crate) struct Surfaces;

impl Surfaces {
    pub(crate) const PAUSE: Option<Duration> = None;

    #[expect(clippy::unused_self, reason = "on Windows there is more to ask by")]
    pub(crate) fn ask(&mut self, _targets: &BTreeSet<Identity>) {}

    #[expect(clippy::unused_self, reason = "on Windows there is more to ask by")]
    pub(crate) fn insist(&mut self, _targets: &BTreeSet<Identity>) {}
}
