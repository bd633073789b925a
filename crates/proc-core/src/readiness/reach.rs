//! Which sockets a request to a port may reach, and at which host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sys::Socket;

/// Where to send a request, and which sockets may take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// As it is written in a URL.
    pub(super) host: String,
    /// The sockets that may take the connection: number and user, in order.
    pub(super) sockets: Vec<(u64, u32)>,
}

/// Finds the sockets, all of which listen on the client's port, that a request may reach. `None`: there are none.
///
/// Without a host, those that take loopback connections: what a test that says `localhost` would meet. Where there are
/// none, those on one of the addresses that the client listens on instead.
pub(super) fn reach(sockets: &[Socket], host: Option<&str>) -> Option<Reach> {
    if sockets.is_empty() {
        return None;
    }
    // A socket that no process has open is on its way out.
    let open = || sockets.iter().filter(|socket| socket.inode != 0);
    let chosen = match host {
        None => open().filter_map(preference).min().map(|(_, host)| host),
        Some(host) => host.trim_matches(['[', ']']).parse().ok(),
    };
    let name = match (host, chosen) {
        (_, Some(IpAddr::V4(address))) => address.to_string(),
        (_, Some(IpAddr::V6(address))) => format!("[{address}]"),
        (Some(name), None) => name.to_owned(),
        (None, None) => return None,
    };
    let mut sockets: Vec<(u64, u32)> = open()
        .filter(|socket| match (host, chosen) {
            // Either family of a loopback address may be what `localhost` means.
            (None, Some(address)) if address.is_loopback() => takes_loopback(socket),
            (_, Some(address)) => takes(socket, address),
            // What a name stands for is for the resolver to say.
            (_, None) => true,
        })
        .map(|socket| (socket.inode, socket.user))
        .collect();
    sockets.sort_unstable();
    sockets.dedup();
    (!sockets.is_empty()).then_some(Reach {
        host: name,
        sockets,
    })
}

/// The host at which to ask this socket, with its rank: loopback before others, IPv4 before IPv6.
fn preference(socket: &Socket) -> Option<(u8, IpAddr)> {
    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let unspecified = socket.address.is_unspecified();
    Some(match socket.address {
        IpAddr::V4(_) if unspecified => (1, V4),
        IpAddr::V4(address) if address.is_loopback() => (0, socket.address),
        // Where it is not known whether it takes IPv4 too, IPv6 is the safe way.
        IpAddr::V6(_) if unspecified && socket.v6only == Some(false) => (2, V4),
        IpAddr::V6(_) if unspecified => (4, V6),
        IpAddr::V6(address) if address.is_loopback() => (3, V6),
        // It would take the number of an interface to reach it.
        IpAddr::V6(address) if address.is_unicast_link_local() => return None,
        _ => (5, socket.address),
    })
}

fn takes_loopback(socket: &Socket) -> bool {
    socket.address.is_unspecified() || socket.address.is_loopback()
}

fn takes(socket: &Socket, address: IpAddr) -> bool {
    let wildcard = match (socket.address, address) {
        (IpAddr::V6(_), IpAddr::V4(_)) => socket.v6only != Some(true),
        (own, other) => own.is_ipv4() == other.is_ipv4(),
    };
    socket.address == address || (wildcard && socket.address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::TcpState;

    /// The host that is given, how a URL has it, and the sockets.
    type HostCase = (&'static str, &'static str, &'static [(u64, u32)]);

    fn socket(inode: u64, address: &str, v6only: Option<bool>) -> Socket {
        Socket {
            port: 8080,
            address: address.parse().unwrap(),
            v6only,
            inode,
            user: 7,
            state: TcpState::Listening,
        }
    }

    #[test]
    fn the_host_follows_from_the_listening_address() {
        let cases = [
            ("127.0.0.1", None, "127.0.0.1"),
            ("127.0.0.5", None, "127.0.0.5"),
            ("0.0.0.0", None, "127.0.0.1"),
            ("::", Some(false), "127.0.0.1"),
            ("::", Some(true), "[::1]"),
            ("::", None, "[::1]"),
            ("::1", Some(true), "[::1]"),
            ("192.0.2.1", None, "192.0.2.1"),
            ("2001:db8::1", Some(true), "[2001:db8::1]"),
        ];
        for (address, v6only, host) in cases {
            let found = reach(&[socket(1, address, v6only)], None).unwrap();
            assert_eq!(found.host, host, "{address}");
            assert_eq!(found.sockets, [(1, 7)]);
        }
        assert_eq!(reach(&[socket(1, "fe80::1", Some(true))], None), None);
        assert_eq!(reach(&[socket(0, "127.0.0.1", None)], None), None);
        assert_eq!(reach(&[], None), None);
        assert_eq!(reach(&[], Some("localhost")), None);
    }

    #[test]
    fn everything_that_takes_loopback_must_be_the_clients() {
        let sockets = [
            socket(3, "::1", Some(true)),
            socket(2, "127.0.0.1", None),
            socket(1, "192.0.2.1", None),
        ];
        let found = reach(&sockets, None).unwrap();
        assert_eq!(found.host, "127.0.0.1");
        assert_eq!(found.sockets, [(2, 7), (3, 7)]);
    }

    #[test]
    fn a_given_host_decides_which_sockets_count() {
        let sockets = [
            socket(1, "127.0.0.1", None),
            socket(2, "192.0.2.1", None),
            socket(3, "::", Some(false)),
            socket(4, "::1", Some(true)),
        ];
        let cases: [HostCase; 4] = [
            ("192.0.2.1", "192.0.2.1", &[(2, 7), (3, 7)]),
            ("::1", "[::1]", &[(3, 7), (4, 7)]),
            ("[::1]", "[::1]", &[(3, 7), (4, 7)]),
            ("game.test", "game.test", &[(1, 7), (2, 7), (3, 7), (4, 7)]),
        ];
        for (host, written, expected) in cases {
            let found = reach(&sockets, Some(host)).unwrap();
            assert_eq!((found.host.as_str(), &*found.sockets), (written, expected));
        }
        assert_eq!(reach(&sockets[..1], Some("192.0.2.1")), None);
    }
}
