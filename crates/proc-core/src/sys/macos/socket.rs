//! Sockets: which process listens where, and leases on ports.
//!
//! The kernel lists the sockets of all users to every process, with the user of each. Which process has one open is
//! asked of each process in turn, and only root is told of other users' processes.

mod lease;

use std::ffi::CStr;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, socket};

use super::ask;
use crate::sys::xnu::pcblist::tcp_sockets;
use crate::sys::{Socket, TcpState};

pub(crate) use lease::{PortLease, lease, lease_holder};

/// Those numbers `TCPS_…` of xnu's `bsd/netinet/tcp_fsm.h` that are not of connections.
const CLOSED: u8 = 0;
const LISTEN: u8 = 1;

fn state(number: u8) -> TcpState {
    match number {
        LISTEN => TcpState::Listening,
        CLOSED => TcpState::Bound,
        _ => TcpState::Connected,
    }
}

/// The TCP sockets of this machine.
#[derive(Debug)]
pub(crate) struct SocketTable;

impl SocketTable {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Lists the IPv4 and IPv6 sockets in one of these states; those on one local port only, where one is given.
    #[expect(
        clippy::unused_self,
        reason = "where the kernel has one list of all sockets, a connection to it is kept"
    )]
    pub(crate) fn read(
        &mut self,
        states: &[TcpState],
        port: Option<u16>,
    ) -> io::Result<Vec<Socket>> {
        let list = ask::sysctl_list(c"net.inet.tcp.pcblist_n")?;
        let sockets = tcp_sockets(&list).ok_or(io::ErrorKind::InvalidData)?;
        Ok(sockets
            .into_iter()
            .map(|socket| Socket {
                port: socket.port,
                address: socket.address,
                v6only: socket.v6only,
                inode: socket.number,
                user: socket.user,
                state: state(socket.state),
            })
            .filter(|socket| states.contains(&socket.state))
            .filter(|socket| port.is_none_or(|port| port == socket.port))
            .collect())
    }
}

/// A TCP socket of this family, which no program inherits that this process starts after this.
pub(in crate::sys) fn tcp_socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    let socket = socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// The ports from which the system draws when a program does not care.
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let read = |name: &CStr| {
        let mut bytes = [0; 4];
        ask::sysctl_by_name(name, &mut bytes).ok()?;
        u16::try_from(i32::from_ne_bytes(bytes)).ok()
    };
    let first = read(c"net.inet.ip.portrange.first")?;
    let last = read(c"net.inet.ip.portrange.last")?;
    Some(first..=last)
}
