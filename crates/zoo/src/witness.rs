//! The witness: a named pipe of the test that every process of the zoo holds open for writing.
//!
//! It is opened under a descriptor of its own, is not closed by an exec, and is left open when a species closes all
//! others. A process that a species starts as another program opens it anew, whatever it was left.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use crate::cli::cli;

static WITNESS: OnceLock<RawFd> = OnceLock::new();

/// Opens the witness. It does not wait for a reader: a test that is gone counts nothing.
pub(crate) fn open() -> io::Result<()> {
    let Some(path) = &cli().witness else {
        return Ok(());
    };
    let opened = rustix::fs::open(path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
    // Far above what a program uses, so that closing all others is two calls.
    let high = rustix::io::fcntl_dupfd_cloexec(&opened, 50)?;
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty())?;
    let _ = WITNESS.set(high.as_raw_fd());
    let _ = high.into_raw_fd();
    Ok(())
}

/// Closes every descriptor but the witness, standard streams too.
pub(crate) fn close_all_others() {
    match WITNESS.get().and_then(|fd| u32::try_from(*fd).ok()) {
        Some(fd) => {
            crate::sys::close_from_to(0, fd - 1);
            crate::sys::close_from_to(fd + 1, u32::MAX);
        }
        None => crate::sys::close_from_to(0, u32::MAX),
    }
}
