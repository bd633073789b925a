//! Ports that nobody uses.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// Ports that nobody uses at this moment, and that this process gives to no other call before it has given all others.
///
/// They lie below those that the system and `--base-port auto` choose from.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u16 = 10_000;
    const ROOM: u16 = 10_000;
    // Two test programs at the same time begin in different places, also with the same PID in two PID namespaces.
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino());
    let seed = u64::from(std::process::id()).wrapping_add(namespace.wrapping_mul(997));
    let start = u16::try_from(seed % u64::from(ROOM)).expect("it is less than the room");
    let mut ports = Vec::new();
    for tried in 0.. {
        if ports.len() == count {
            break;
        }
        assert!(tried < ROOM, "no port is free");
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % u32::from(ROOM);
        let step = u16::try_from(step).expect("it is less than the room");
        let port = FIRST + (start + step) % ROOM;
        if is_free(port) {
            ports.push(port);
        }
    }
    ports
}

/// Whether nobody has this port at any address.
///
/// It is bound, but never listened on: another thread may be starting a program at this moment, which holds all
/// descriptors of this process for an instant, and a listener among them would be in the way of the next look.
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
        // A machine without IPv6 has nobody there.
        return true;
    };
    // As servers do it, so that the remains of closed connections are not in the way.
    set_socket_reuseaddr(&socket, true).expect("an option can be set");
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true).expect("an option can be set");
    }
    !matches!(bind(&socket, &address), Err(Errno::ADDRINUSE))
}
