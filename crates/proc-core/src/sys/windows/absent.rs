//! What there is on other systems only. Whoever asks for it is told so.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::link::Link;

/// No process can carry a mark here.
pub(crate) const CAN_MARK: bool = false;

fn absent(what: &str) -> io::Error {
    let text = format!("Windows has no {what}");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

/// There are none.
#[derive(Debug)]
pub(crate) struct Cgroup(Infallible);

impl Cgroup {
    pub(crate) fn make(_folder: &Path) -> io::Result<Self> {
        Err(absent("cgroups"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "other systems have to look")]
    pub(crate) fn find(_folder: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn pids(&self) -> io::Result<BTreeSet<u32>> {
        match self.0 {}
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn let_out(&self, _pid: u32) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match self.0 {}
    }
}

pub(crate) fn cgroup_places() -> io::Result<Vec<PathBuf>> {
    Err(absent("cgroups"))
}

pub(crate) fn own_real_time_limit() -> Option<u64> {
    None
}

pub(crate) fn real_time_limit(_pid: u32) -> Option<u64> {
    None
}

/// A debugger is found by nothing that another process could ask.
pub(crate) fn tracer(_pid: u32) -> Option<u32> {
    None
}

#[expect(clippy::unnecessary_wraps, reason = "other systems have to look")]
pub(crate) fn innermost_pid(pid: u32) -> Option<u32> {
    Some(pid)
}

pub(crate) fn become_able_to_make_namespaces() -> io::Result<()> {
    Err(absent("PID namespaces"))
}

pub(crate) fn make_pid_namespace() -> io::Result<()> {
    Err(absent("PID namespaces"))
}

pub(crate) fn start_as_init(_command: &mut Command) {}

pub(crate) fn explain_init(_link: &Link, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

pub(crate) fn await_init(_link: &Link, _patience: Duration) -> io::Result<()> {
    Err(absent("PID namespaces"))
}

pub(crate) fn be_init(_link: &Link) -> io::Result<()> {
    Err(absent("PID namespaces"))
}
