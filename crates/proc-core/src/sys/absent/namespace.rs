//! Systems without PID namespaces.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::sys::Link;

pub(crate) fn become_able_to_make_namespaces() -> io::Result<()> {
    super::absent()
}

pub(crate) fn make_pid_namespace() -> io::Result<()> {
    super::absent()
}

/// Comes after [`make_pid_namespace`], and so never.
pub(crate) fn start_as_init(_command: &mut Command) {}

pub(crate) fn explain_init(_link: &Link, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

pub(crate) fn await_init(_link: &Link, _patience: Duration) -> io::Result<()> {
    super::absent()
}

pub(crate) fn be_init(_link: &Link) -> io::Result<()> {
    super::absent()
}
