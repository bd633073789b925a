//! Whether a port is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// Whether no process has this port at any address.
///
/// It is bound, but never listened on: another thread may be starting a program at this moment, which holds all
/// descriptors of this process for an instant, and a listener among them would be in the way of the next call.
pub fn is_free(port: u16) -> bool {
    let v4 = [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].map(IpAddr::V4);
    let v6 = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED].map(IpAddr::V6);
    v4.into_iter()
        .chain(v6)
        .all(|host| can_bind(SocketAddr::new(host, port)))
}

fn can_bind(address: SocketAddr) -> bool {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let Ok(socket) = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None) else {
        // On a machine without IPv6 no process has it there.
        return true;
    };
    // As servers do it, so that the remains of closed connections are not in the way.
    set_socket_reuseaddr(&socket, true).expect("an option can be set");
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true).expect("an option can be set");
    }
    !matches!(bind(&socket, &address), Err(Errno::ADDRINUSE))
}
