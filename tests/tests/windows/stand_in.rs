//! Programs that only look like what they are called, each a copy of one that does nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proc_core::identity::Identity;
use proc_core::table::Process;

use tests::{PATIENCE, binary, living, poll};

/// A stand-in that runs. It is killed when it is dropped.
pub(crate) struct StandIn {
    child: Child,
    pub(crate) identity: Identity,
}

/// Puts a stand-in at a path. One that is there already may run.
pub(crate) fn put(path: &Path) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if !path.exists() {
        fs::copy(binary("stand-in"), path).unwrap();
    }
    path.to_owned()
}

/// Starts the stand-in at a path with these arguments, and waits until it is up.
pub(crate) fn start<S: AsRef<OsStr>>(
    program: &Path,
    directory: &Path,
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, &str)],
) -> StandIn {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    start_command(command, program)
}

/// Starts the stand-in at a path by a command that says everything else, and waits until it is up.
pub(crate) fn start_command(mut command: Command, program: &Path) -> StandIn {
    let roll = tempfile::tempdir().unwrap();
    command.arg(format!("--stand-in-roll={}", roll.path().display()));
    let child = command.spawn().unwrap();
    let is_up = poll(PATIENCE, || {
        fs::read_dir(roll.path()).unwrap().next().map(|_| ())
    });
    assert!(is_up.is_some(), "{} is not up", program.display());
    let process = Process::read(child.id()).unwrap();
    let identity = process.identity();
    StandIn { child, identity }
}

impl StandIn {
    pub(crate) fn pid(&self) -> u32 {
        self.identity.pid
    }

    pub(crate) fn is_alive(&self) -> bool {
        !living(&[self.identity]).is_empty()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have been ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails unless all of these are alive.
#[track_caller]
pub(crate) fn assert_alive(all: &[(&str, StandIn)]) {
    for (what, one) in all {
        assert!(one.is_alive(), "{what} was ended");
    }
}

/// Fails unless all of these are gone.
#[track_caller]
pub(crate) fn assert_gone(all: &[(&str, StandIn)]) {
    for (what, one) in all {
        assert!(!one.is_alive(), "{what} is still there");
    }
}
