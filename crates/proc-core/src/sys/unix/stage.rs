//! What a staged escape does to get away, and the named pipes that show whether it is still there.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGTERM};

use crate::sys;

/// Opens a named pipe for reading, whether or not anybody writes. Reading does not wait.
pub(crate) fn open_pipe_to_read(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).custom_flags(flags()).open(path)
}

/// Opens a named pipe for writing. An error: nobody reads.
pub(crate) fn open_pipe_to_write(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).custom_flags(flags()).open(path)
}

/// Opens a named pipe as its only writer, before there is a reader.
pub(crate) fn open_pipe_to_hold(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).open(path)
}

fn flags() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}

/// Waits until something is said in a pipe, its writer is gone, or the time is up, whichever comes first.
pub(crate) fn wait_for_word(pipe: &File, time: Duration) -> io::Result<()> {
    let time = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    match poll(&mut fds, Some(&time)) {
        Ok(_) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives up everything that this process got from whoever started it, and takes no notice of being asked to end. Only
/// for a process that has opened nothing yet.
#[expect(unsafe_code, reason = "a descriptor that nobody owns has no safe form")]
pub(crate) fn leave_everything() -> io::Result<()> {
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    rustix::process::setsid()?;
    let entries = fs::read_dir(sys::DESCRIPTORS)?;
    let inherited: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in inherited {
        // The list itself was read through one of them, which is closed by now.
        if fs::symlink_metadata(format!("{}/{fd}", sys::DESCRIPTORS)).is_ok() {
            // SAFETY: this process has opened nothing itself, so no value owns the descriptor.
            unsafe { rustix::io::close(fd) };
        }
    }
    Ok(())
}
