//! What an escape probe does to get away, and what shows whether it is still there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
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

/// What shows an observer whether a probe is there: a named pipe of which only the probe has the other end.
#[derive(Debug)]
pub(crate) struct Witness {
    pipe: File,
    has_written: bool,
}

/// What probes live by: a named pipe to which nothing is written. Dropping it releases them.
#[derive(Debug)]
pub(crate) struct Lifeline {
    _pipe: File,
}

/// A probe's end of its lifeline.
#[derive(Debug)]
pub(crate) struct LifelineWatch {
    pipe: File,
}

impl Witness {
    /// Makes the pipe of a probe that is not there yet.
    pub(crate) fn prepare(path: &Path) -> io::Result<Self> {
        sys::make_pipe(path)?;
        Ok(Self {
            pipe: open_to_read(path)?,
            has_written: false,
        })
    }

    /// Whether the probe has said that it is set up.
    pub(crate) fn is_set_up(&mut self) -> io::Result<bool> {
        self.is_there()?;
        Ok(self.has_written)
    }

    /// Whether the probe is there.
    pub(crate) fn is_there(&mut self) -> io::Result<bool> {
        loop {
            match self.pipe.read(&mut [0; 16]) {
                // No process has it open for writing.
                Ok(0) => return Ok(false),
                Ok(_) => self.has_written = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Says that this probe is set up. It is there for as long as the file is open.
pub(crate) fn hold_witness(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let mut pipe = options.write(true).custom_flags(flags()).open(path)?;
    pipe.write_all(b".")?;
    Ok(pipe)
}

impl Lifeline {
    /// Makes the pipe, and opens it before there is a reader.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        sys::make_pipe(path)?;
        let mut options = File::options();
        let pipe = options.read(true).write(true).open(path)?;
        Ok(Self { _pipe: pipe })
    }
}

impl LifelineWatch {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        open_to_read(path).map(|pipe| Self { pipe })
    }

    /// Whether it was released, which is waited for, but no longer than this.
    pub(crate) fn is_released(&mut self, patience: Duration) -> io::Result<bool> {
        // Asked before it is waited for: that its only writer left before this one came is nothing to wait for.
        if self.has_ended()? {
            return Ok(true);
        }
        let time = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
        let mut fds = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&time)) {
            Ok(_) | Err(Errno::INTR) => self.has_ended(),
            Err(errno) => Err(errno.into()),
        }
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        match self.pipe.read(&mut [0]) {
            Ok(length) => Ok(length == 0),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }
}

/// Opens a named pipe for reading, whether or not there is a writer. Reading does not wait.
fn open_to_read(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).custom_flags(flags()).open(path)
}

fn flags() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}

/// Gives up everything that this process got from what started it, and takes no notice of being asked to end. Only
/// for a process that has opened nothing yet.
#[expect(unsafe_code, reason = "a descriptor without an owner has no safe form")]
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
