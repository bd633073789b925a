//! Leases on ports: a claim that lasts from choosing a port until the client binds it, and beyond.
//!
//! A lease is a listening Unix socket with an abstract name. The name lives in the network namespace, like the port
//! that it stands for, and the kernel gives it up when its holder is gone, whatever ended it. A process that connects
//! learns from the kernel which process listens.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen,
    socket_with,
};

use super::super::peer::peer;
use crate::sys::LeaseHolder;

/// A port that no other process gets a lease of. Given up when dropped, or when its holder ends.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    /// Held open: the kernel ends the lease when all copies of it are closed.
    socket: OwnedFd,
}

/// A lease's callers get no answer, so each one that asks for its holder stays in the queue. The kernel lowers this to
/// `net.core.somaxconn`.
const QUEUE: i32 = 4096;

/// Of the abstract names, before the port.
const NAME: &str = "clean-slate/port/";

impl PortLease {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Becomes the holder of a lease that another process took and handed on.
    pub(crate) fn take_over(socket: OwnedFd) -> io::Result<Self> {
        let name = SocketAddrUnix::try_from(getsockname(&socket)?)?;
        let port = name
            .abstract_name()
            .and_then(|name| {
                std::str::from_utf8(name)
                    .ok()?
                    .strip_prefix(NAME)?
                    .parse()
                    .ok()
            })
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a lease"))?;
        // The kernel names the process that has called this last.
        listen(&socket, QUEUE)?;
        Ok(Self { port, socket })
    }
}

impl AsFd for PortLease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Leases a port. `None`: it is leased already.
///
/// The holder is the process that calls this, until another one takes the lease over.
pub(crate) fn lease(port: u16) -> io::Result<Option<PortLease>> {
    let socket = unix_socket()?;
    match bind(&socket, &address(port)?) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    listen(&socket, QUEUE)?;
    Ok(Some(PortLease { port, socket }))
}

/// The process that leased a port. `None`: it is not leased.
pub(crate) fn lease_holder(port: u16) -> io::Result<Option<LeaseHolder>> {
    let socket = unix_socket()?;
    let address = address(port)?;
    match retry_on_intr(|| connect(&socket, &address)) {
        Ok(()) => Ok(Some(LeaseHolder(Some(peer(&socket)?)))),
        Err(Errno::CONNREFUSED) => Ok(None),
        // It was asked for so often that its queue is full.
        Err(Errno::AGAIN) => Ok(Some(LeaseHolder(None))),
        Err(errno) => Err(errno.into()),
    }
}

fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

fn address(port: u16) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(format!("{NAME}{port}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port that no other test leases, in this test process or in another: leases do not need a free port.
    fn port(test: u32) -> u16 {
        u16::try_from((std::process::id() * 3 + test) % 19_000 + 1).unwrap()
    }

    #[test]
    fn a_lease_is_exclusive_names_its_holder_and_ends_when_dropped() {
        let port = port(0);
        assert_eq!(lease_holder(port).unwrap(), None);
        let held = lease(port).unwrap().unwrap();
        assert_eq!(held.port(), port);
        assert!(lease(port).unwrap().is_none());
        let holder = lease_holder(port).unwrap().unwrap().0.unwrap();
        assert_eq!(holder.pid, Some(std::process::id()));
        assert_eq!(holder.user, crate::sys::own_user());
        drop(held);
        assert_eq!(lease_holder(port).unwrap(), None);
        assert!(lease(port).unwrap().is_some());
    }

    #[test]
    fn a_lease_that_is_taken_over_outlives_its_first_holder() {
        let port = port(2);
        let first = lease(port).unwrap().unwrap();
        let taken = PortLease::take_over(first.socket.try_clone().unwrap()).unwrap();
        drop(first);
        assert_eq!(taken.port(), port);
        assert!(lease(port).unwrap().is_none());
        drop(taken);
        assert_eq!(lease_holder(port).unwrap(), None);
    }

    #[test]
    fn many_questions_do_not_block() {
        let port = port(1);
        let _held = lease(port).unwrap().unwrap();
        for _ in 0..=QUEUE {
            assert!(lease_holder(port).unwrap().is_some());
        }
    }
}
