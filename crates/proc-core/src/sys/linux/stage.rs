//! What a staged escape does to get away.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Resource, Rlimit};
use signal_hook::consts::{SIGHUP, SIGTERM};

/// A limit that is no mark, and lower than any.
const NO_MARK: u64 = 1 << 40;

/// Makes a named pipe that only this user can open.
pub(crate) fn make_pipe(path: &Path) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0)?)
}

/// Gives up everything that this process got from whoever started it, and takes no notice of being asked to end. Only
/// for a process that has opened nothing yet.
#[expect(unsafe_code, reason = "a descriptor that nobody owns has no safe form")]
pub(crate) fn leave_everything() -> io::Result<()> {
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    rustix::process::setsid()?;
    let entries = fs::read_dir("/proc/self/fd")?;
    let inherited: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in inherited {
        // The list itself was read through one of them, which is closed by now.
        if fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok() {
            // SAFETY: this process has opened nothing itself, so no value owns the descriptor.
            unsafe { rustix::io::close(fd) };
        }
    }
    Ok(())
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
