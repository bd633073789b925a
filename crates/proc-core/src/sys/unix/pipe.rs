//! The named pipes by which staged processes show that they are there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

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
