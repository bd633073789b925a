//! Whether a port can be bound.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, bind};

use crate::sys::{self, Bound};

/// Why this user may not have a port, and what to do about it.
pub(crate) const FORBIDDEN_PORT: &str = "choose one from 1024 up";

/// Binds a TCP socket to this address and lets go of it at once.
///
/// It never listens, so that nothing can connect to it or take it for a server. `SO_REUSEADDR` is set as servers set
/// it, so that the remains of closed connections are not in the way; an IPv6 address is tried without IPv4.
pub(crate) fn bind_test(address: SocketAddr) -> io::Result<Bound> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = match sys::tcp_socket(family) {
        Ok(socket) => socket,
        Err(Errno::AFNOSUPPORT) => return Ok(Bound::NoSuchAddress),
        Err(errno) => return Err(errno.into()),
    };
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    match bind(&socket, &address) {
        Ok(()) => Ok(Bound::Yes),
        Err(Errno::ADDRINUSE) => Ok(Bound::InUse),
        Err(Errno::ACCESS | Errno::PERM) => Ok(Bound::Forbidden),
        Err(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => Ok(Bound::NoSuchAddress),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_listener_is_in_the_way_until_it_is_gone() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(bind_test(address).unwrap(), Bound::InUse);
        drop(listener);
        assert_eq!(bind_test(address).unwrap(), Bound::Yes);
        assert_eq!(bind_test(address).unwrap(), Bound::Yes);
    }

    #[test]
    fn a_foreign_address_is_none_of_this_machine() {
        // 192.0.2.0/24 is kept for documentation (RFC 5737).
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
        assert_eq!(bind_test(address).unwrap(), Bound::NoSuchAddress);
    }
}
