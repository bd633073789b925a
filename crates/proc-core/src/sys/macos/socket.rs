//! Sockets: who listens where, and leases on ports.
//!
//! What a process has open is asked of each process in turn, so the list has the sockets of this user's processes only;
//! root's has all. A port that another user holds is found to be held by trying it, and by nobody who could be named.

mod lease;

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, socket};

use super::ask;
use super::process::{pids, socket_records};
use crate::sys::{Socket, TcpState};

pub(crate) use lease::{PortLease, lease, lease_holder};

/// Those numbers `TSI_S_…` of xnu's `bsd/sys/proc_info.h` that are not of connections.
const CLOSED: u8 = 0;
const LISTEN: u8 = 1;

fn state(number: u8) -> TcpState {
    match number {
        LISTEN => TcpState::Listening,
        CLOSED => TcpState::Bound,
        _ => TcpState::Connected,
    }
}

/// The TCP sockets of the processes that this one may look at.
#[derive(Debug)]
pub(crate) struct SocketTable;

impl SocketTable {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Lists the IPv4 and IPv6 sockets in one of these states; those on one local port only, where one is given.
    ///
    /// The list is no snapshot: a socket that appears or goes meanwhile may be missing.
    #[expect(
        clippy::unused_self,
        reason = "where the kernel has one list of all sockets, a connection to it is kept"
    )]
    pub(crate) fn read(
        &mut self,
        states: &[TcpState],
        port: Option<u16>,
    ) -> io::Result<Vec<Socket>> {
        let records = pids()?.into_iter().filter_map(socket_records).flatten();
        // Several processes may have the same socket open.
        let mut sockets = BTreeMap::new();
        for record in records {
            let Some(tcp) = record.tcp else { continue };
            let state = state(tcp.state);
            if !states.contains(&state) || port.is_some_and(|port| port != tcp.port) {
                continue;
            }
            let socket = Socket {
                port: tcp.port,
                address: tcp.address,
                v6only: tcp.v6only,
                inode: record.number,
                user: record.user,
                state,
            };
            sockets.insert(record.number, socket);
        }
        Ok(sockets.into_values().collect())
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
