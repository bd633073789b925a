//! What there is on Windows besides: nothing but how a process is stopped, killed and seen.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use proc_core::escape_probes::KillTarget;
use proc_core::table::Process;

/// Nothing is inherited here that could count what is left.
#[derive(Debug)]
pub(super) struct Witness;

impl Witness {
    pub(super) fn new(_: &Path) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "elsewhere it is handed on")]
    pub(super) fn command(&self, program: &OsStr) -> Command {
        Command::new(program)
    }
}

/// Whether a process is there.
pub fn is_alive(pid: u32) -> bool {
    Process::read(pid).is_some_and(|process| !process.is_zombie())
}

/// Whether a port of the loopback address is free.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Lets a process that a test has started stand still.
pub(super) fn stand_still(pid: u32) {
    target(pid).stop();
}

/// Kills a process that a test has started.
pub(super) fn kill(pid: u32) {
    target(pid).kill();
}

fn target(pid: u32) -> KillTarget {
    KillTarget(Process::read(pid).expect("the process is there").identity())
}
