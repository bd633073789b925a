//! Leases on ports: a claim that lasts from choosing a port until the client binds it, and beyond.

use std::io;
use std::os::windows::io::OwnedHandle;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY};

use super::super::call::is;
use super::super::link::{Link, connect, make, peer};
use crate::sys::LeaseHolder;

/// A port that others who ask for a lease do not get. Given up when dropped, or when its holder ends.
///
/// It is one end of a named pipe, at which nobody is let in. Names of pipes are the same for the whole machine.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    /// Held open: the system ends the lease when all of them are closed.
    _pipe: OwnedHandle,
}

/// How many processes may hold a lease at once: the one that hands it on, and the one that takes it over.
const HOLDERS: u32 = 2;

fn lease_name(port: u16) -> String {
    format!(r"\\.\pipe\clean-slate-port-{port}")
}

impl PortLease {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Becomes the second holder of a lease, until the first gives it up.
    pub(crate) fn take_over(port: u16) -> io::Result<Self> {
        let pipe = make(&lease_name(port), false, HOLDERS)?;
        Ok(Self { port, _pipe: pipe })
    }
}

/// Leases a port. `None`: it is leased already.
pub(crate) fn lease(port: u16) -> io::Result<Option<PortLease>> {
    match make(&lease_name(port), true, HOLDERS) {
        Ok(pipe) => Ok(Some(PortLease { port, _pipe: pipe })),
        // A user who may not open it is told the first, and so is whoever wants to be the first instance.
        Err(error) if is(&error, ERROR_ACCESS_DENIED) || is(&error, ERROR_PIPE_BUSY) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The process that leased a port. `None`: it is not leased.
pub(crate) fn lease_holder(port: u16) -> io::Result<Option<LeaseHolder>> {
    match connect(&lease_name(port)) {
        Ok(pipe) => Ok(Some(LeaseHolder(peer(&Link::new(pipe, false)?).ok()))),
        Err(error) if is(&error, ERROR_FILE_NOT_FOUND) => Ok(None),
        Err(error) if is(&error, ERROR_PIPE_BUSY) || is(&error, ERROR_ACCESS_DENIED) => {
            Ok(Some(LeaseHolder(None)))
        }
        Err(error) => Err(error),
    }
}
