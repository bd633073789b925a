//! Leases on ports: a claim that lasts from choosing a port until the client binds it, and beyond.
//!
//! A lease is a name, that of an event which never happens. Such a name there is once on the whole machine, and the
//! system gives it up when no process has the event open any more, whatever has ended its holder. It does not tell
//! which has: that says another name, with the holder's PID in it.

use std::io;
use std::os::windows::io::OwnedHandle;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE,
};

use super::super::call::{is, owned, wide};
use super::super::listing::pids;
use super::super::private::Private;
use super::super::user::owner;
use crate::sys::{LeaseHolder, Peer};

/// A port that no other process gets a lease of. Given up when dropped, or when its holder ends.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    /// The lease's and the holder's, held open.
    _names: [OwnedHandle; 2],
}

fn lease_name(port: u16) -> String {
    format!(r"Global\clean-slate-port-{port}")
}

fn holder_name(port: u16, pid: u32) -> String {
    format!("{}-holder-{pid}", lease_name(port))
}

impl PortLease {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Becomes the second holder of a lease, until the first gives it up.
    pub(crate) fn take_over(port: u16) -> io::Result<Self> {
        let (name, _) = make(&lease_name(port))?;
        Self::hold(port, name)
    }

    fn hold(port: u16, name: OwnedHandle) -> io::Result<Self> {
        let (holder, _) = make(&holder_name(port, std::process::id()))?;
        Ok(Self {
            port,
            _names: [name, holder],
        })
    }
}

/// Leases a port. `None`: it is leased already.
pub(crate) fn lease(port: u16) -> io::Result<Option<PortLease>> {
    match make(&lease_name(port)) {
        Ok((name, true)) => PortLease::hold(port, name).map(Some),
        Ok((_, false)) => Ok(None),
        // It is another user's.
        Err(error) if is(&error, ERROR_ACCESS_DENIED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The process that leased a port. `None`: it is not leased.
pub(crate) fn lease_holder(port: u16) -> io::Result<Option<LeaseHolder>> {
    if !is_taken(&lease_name(port))? {
        return Ok(None);
    }
    let is_holder = |pid: &u32| matches!(is_taken(&holder_name(port, *pid)), Ok(true));
    let holder = pids()?.into_iter().find(is_holder);
    let peer = holder.and_then(|pid| {
        Some(Peer {
            pid: Some(pid),
            user: owner(pid)?,
        })
    });
    Ok(Some(LeaseHolder(peer)))
}

/// Opens the event of a name that is this user's alone, and says whether it is new.
fn make(name: &str) -> io::Result<(OwnedHandle, bool)> {
    let private = Private::new()?;
    let name = wide(name);
    let attributes = private.attributes();
    // SAFETY: the name ends with a zero, and the attributes refer to what `private` holds.
    let event = unsafe { CreateEventW(&raw const attributes, 1, 0, name.as_ptr()) };
    let is_new = !is(&io::Error::last_os_error(), ERROR_ALREADY_EXISTS);
    Ok((owned(event)?, is_new))
}

/// Whether a process has the event of this name open.
fn is_taken(name: &str) -> io::Result<bool> {
    let name = wide(name);
    // SAFETY: the name ends with a zero; the result is checked.
    match owned(unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) }) {
        Ok(_) => Ok(true),
        Err(error) if is(&error, ERROR_ACCESS_DENIED) => Ok(true),
        Err(error) if is(&error, ERROR_FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port that no other test leases: leases do not need a free port.
    fn port(test: u32) -> u16 {
        u16::try_from((std::process::id() * 3 + test) % 19_000 + 1).unwrap()
    }

    #[test]
    fn a_lease_is_exclusive_names_its_holder_as_often_as_is_asked_and_ends_when_dropped() {
        let port = port(0);
        assert_eq!(lease_holder(port).unwrap(), None);
        let held = lease(port).unwrap().unwrap();
        assert_eq!(held.port(), port);
        for _ in 0..3 {
            assert!(lease(port).unwrap().is_none());
            let holder = lease_holder(port).unwrap().unwrap().0.unwrap();
            assert_eq!(holder.pid, Some(std::process::id()));
            assert_eq!(holder.user, crate::sys::own_user());
        }
        drop(held);
        assert_eq!(lease_holder(port).unwrap(), None);
        assert!(lease(port).unwrap().is_some());
    }

    #[test]
    fn a_lease_that_is_taken_over_outlives_its_first_holder() {
        let port = port(1);
        let first = lease(port).unwrap().unwrap();
        let taken = PortLease::take_over(port).unwrap();
        drop(first);
        assert_eq!(taken.port(), port);
        assert!(lease(port).unwrap().is_none());
        let holder = lease_holder(port).unwrap().unwrap().0.unwrap();
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(taken);
        assert_eq!(lease_holder(port).unwrap(), None);
    }
}
