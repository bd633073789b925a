//! Sockets: which process listens where, what can be bound, and leases on ports.
//!
//! The kernel's `sock_diag` answers that with one message, whatever the number of connections; `/proc/net`
//! is the way out where a sandbox forbids netlink.

mod diag;
mod lease;
mod state;
mod text;

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::sys::{Socket, TcpState};

pub(crate) use lease::{PortLease, lease, lease_holder};

/// The machine's TCP sockets, over a connection to the kernel that is opened once.
#[derive(Debug)]
pub(crate) struct SocketTable {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Not asked yet, or the last connection went wrong.
    Closed,
    Netlink(diag::Diag),
    /// This kernel, or what guards it, does not answer netlink.
    Text,
}

impl SocketTable {
    /// A table that connects when it is first read.
    pub(crate) const fn new() -> Self {
        Self {
            source: Source::Closed,
        }
    }

    /// Lists the IPv4 and IPv6 sockets in one of these states; those on one local port only, where one is given.
    ///
    /// The list is no snapshot: a socket that appears or goes meanwhile may be missing.
    pub(crate) fn read(
        &mut self,
        states: &[TcpState],
        port: Option<u16>,
    ) -> io::Result<Vec<Socket>> {
        // A second attempt, on a new connection: the first may have met the rest of a listing that went wrong.
        for _ in 0..2 {
            match self.read_netlink(states, port) {
                Some(Ok(sockets)) => return Ok(sockets),
                Some(Err(error)) if diag::is_unavailable(&error) => self.source = Source::Text,
                Some(Err(_)) => self.source = Source::Closed,
                None => break,
            }
        }
        text::read(states, port)
    }

    /// `None`: netlink is known not to answer here.
    fn read_netlink(
        &mut self,
        states: &[TcpState],
        port: Option<u16>,
    ) -> Option<io::Result<Vec<Socket>>> {
        if matches!(self.source, Source::Closed) {
            match diag::Diag::open() {
                Ok(diag) => self.source = Source::Netlink(diag),
                Err(error) => return Some(Err(error)),
            }
        }
        match &mut self.source {
            Source::Netlink(diag) => Some(diag.read(state::mask(states), port)),
            Source::Text | Source::Closed => None,
        }
    }
}

/// A TCP socket of this family, which no program inherits.
pub(in crate::sys) fn tcp_socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// The ports from which the system draws when a program does not care.
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let first = numbers.next()?.ok()?;
    let last = numbers.next()?.ok()?;
    Some(first..=last)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

    use super::*;
    use crate::sys::{Bound, bind_test};

    fn tables() -> [SocketTable; 2] {
        let text = SocketTable {
            source: Source::Text,
        };
        [SocketTable::new(), text]
    }

    /// The one at this address. Another test may have the same port at another address.
    fn at(sockets: &[Socket], address: IpAddr) -> &Socket {
        let found: Vec<&Socket> = sockets
            .iter()
            .filter(|socket| socket.address == address)
            .collect();
        assert_eq!(found.len(), 1, "{sockets:?}");
        found[0]
    }

    #[test]
    fn both_sources_list_a_listener_alike() {
        let addresses = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0)),
        ];
        for address in addresses {
            let Ok(listener) = TcpListener::bind(address) else {
                eprintln!("skipped {address}: cannot be bound here");
                continue;
            };
            let bound = listener.local_addr().unwrap();
            for mut table in tables() {
                let found = table
                    .read(&[TcpState::Listening], Some(bound.port()))
                    .unwrap();
                let socket = at(&found, bound.ip().to_canonical());
                assert_eq!(socket.port, bound.port());
                assert_eq!(socket.state, TcpState::Listening);
                assert_eq!(socket.user, crate::sys::own_user());
                let own = crate::sys::sockets(std::process::id()).unwrap();
                assert!(own.contains(&socket.inode));
            }
        }
    }

    #[test]
    fn an_ipv6_listener_tells_whether_it_takes_ipv4_too() {
        let Ok(listener) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) else {
            eprintln!("skipped: no IPv6 here");
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let mut table = SocketTable::new();
        let found = table.read(&[TcpState::Listening], Some(port)).unwrap();
        if !matches!(table.source, Source::Netlink(_)) {
            eprintln!("skipped: no sock_diag here");
            return;
        }
        let dual = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let socket = at(&found, Ipv6Addr::UNSPECIFIED.into());
        assert_eq!(socket.v6only, Some(!dual));
    }

    #[test]
    fn a_table_is_read_again_and_again_and_sees_a_listener_go() {
        for mut table in tables() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut count = || {
                table
                    .read(&[TcpState::Listening], None)
                    .unwrap()
                    .iter()
                    .filter(|socket| socket.port == port && socket.address == Ipv4Addr::LOCALHOST)
                    .count()
            };
            assert_eq!(count(), 1);
            assert_eq!(count(), 1);
            drop(listener);
            assert_eq!(count(), 0);
        }
    }

    #[test]
    fn a_connection_is_listed_in_its_own_state_only() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        // Connections to other places may share the local port, so it is looked for by its inode.
        let own = crate::sys::sockets(std::process::id()).unwrap();
        for mut table in tables() {
            let mut here = |states: &[TcpState]| -> Vec<TcpState> {
                let found = table.read(states, Some(port)).unwrap().into_iter();
                found
                    .filter(|socket| socket.address == Ipv4Addr::LOCALHOST)
                    .filter(|socket| own.contains(&socket.inode))
                    .map(|socket| socket.state)
                    .collect()
            };
            assert_eq!(here(&[TcpState::Listening]), []);
            let connected = here(&[TcpState::Connected]);
            assert!(!connected.is_empty());
        }
    }

    #[test]
    fn a_socket_that_is_bound_only_is_listed_by_newer_kernels() {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
        let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&bound, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let other = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&other, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = SocketAddr::try_from(getsockname(&bound).unwrap()).unwrap();
        assert_eq!(bind_test(address).unwrap(), Bound::InUse);
        let mut table = SocketTable::new();
        let found = table
            .read(&[TcpState::Bound], Some(address.port()))
            .unwrap();
        if found.is_empty() {
            eprintln!("skipped: this kernel lists no sockets that are bound only");
            return;
        }
        let socket = at(&found, address.ip());
        assert!(found.iter().all(|socket| socket.port == address.port()));
        let own = crate::sys::sockets(std::process::id()).unwrap();
        assert!(own.contains(&socket.inode));
    }

    #[test]
    fn the_ephemeral_range_is_not_empty() {
        let range = ephemeral_ports().unwrap();
        assert!(range.contains(range.start()));
    }
}
