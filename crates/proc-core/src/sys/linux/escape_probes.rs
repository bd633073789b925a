//! What is Linux's own about escape probes.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Resource, Rlimit};

/// A limit that is no mark, and lower than any.
const NO_MARK: u64 = 1 << 40;

/// Makes a named pipe that only this user can open.
pub(crate) fn make_pipe(path: &Path) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0)?)
}

/// Takes off the mark of the run that this process belongs to.
pub(crate) fn take_off_mark() -> io::Result<()> {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let lower = Rlimit {
        current: Some(NO_MARK),
        maximum: Some(NO_MARK),
    };
    // Only a privileged process may raise a limit; any may lower it.
    rustix::process::setrlimit(Resource::Rttime, unlimited)
        .or_else(|_| rustix::process::setrlimit(Resource::Rttime, lower))?;
    Ok(())
}
