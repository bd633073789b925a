//! Where and how a new process is put.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};

use rustix::io::Errno;

use crate::sys::AtStart;

/// A program can be replaced while it runs.
pub(crate) const RUNNING_PROGRAMS_ARE_LOCKED: bool = false;

/// A new process is where it belongs from its first instruction on.
#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "on other systems there is something left to do, which can fail"
)]
pub(crate) fn take_charge(child: Child, _at_start: AtStart<'_>) -> io::Result<u32> {
    Ok(child.id())
}

/// A guardian leaves by itself what it was started in. `false`: there is no other way to start it.
pub(crate) fn set_apart(_command: &mut Command, attempt: usize) -> bool {
    attempt == 0
}

/// Whether the system has had too little of something to start a program, whichever it is: descriptors, memory, processes.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

/// A folder that is always there, and in the way of nothing.
pub(crate) fn root_folder() -> PathBuf {
    PathBuf::from("/")
}
