//! Ports: whether one is free, what holds it, and how to keep one until it is used.
//!
//! Three questions are kept apart. Whether a port is available is tried, by binding it without listening. What holds it
//! is looked up, from the port to its sockets and from these to the processes that have them open. And between choosing
//! a port and its use by a client, a [`Lease`] keeps other runs from choosing it too.

mod choose;
mod owner;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use choose::choose;
pub use owner::Holder;

use crate::sys::{self, Bound, Socket, SocketTable, TcpState};

/// Something about a port could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Neither netlink nor `/proc/net` gave the list of sockets.
    #[error("cannot list the sockets of this machine")]
    Sockets(#[source] io::Error),
    /// The system refused even to try.
    #[error("cannot try to bind {address}")]
    Bind {
        /// The address that was to be bound.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A lease could not be taken or asked for.
    #[error("cannot lease port {port}")]
    Lease {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("cannot draw a port at random")]
    Random(#[source] getrandom::Error),
    /// Every port that may be drawn was tried.
    #[error(
        "only {found} of {wanted} ports between {first} and {last} are free; name the ports, or end what holds them"
    )]
    Exhausted {
        /// How many were asked for.
        wanted: usize,
        /// How many there were.
        found: usize,
        /// The first port that was tried.
        first: u16,
        /// The last port that was tried.
        last: u16,
    },
}

/// A listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The local address; unspecified for "all of them".
    pub address: IpAddr,
    /// Whether an IPv6 listener takes no IPv4 connections; `None` where that is not known, and for IPv4.
    pub v6only: Option<bool>,
    /// The user that made the socket.
    pub user: u32,
}

/// Whether a port is available.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum PortState {
    /// It can be bound, and nothing has leased it.
    Free,
    /// It can be bound, but a run has leased it (perhaps this very process).
    Leased {
        /// What leased it.
        holder: Holder,
    },
    /// Something is bound to it.
    Held {
        /// What is known to hold it; empty where the kernel lists no socket there.
        holders: Vec<Holder>,
        /// The address of the socket that is in the way, or the one that could not be bound.
        address: IpAddr,
    },
    /// This user may not bind it: ports below 1024, as a rule; on Windows those that it keeps for others.
    Forbidden,
}

/// A claim on a port, which other runs on this machine respect. Programs that know nothing of leases do not.
///
/// It is given up when it is dropped, and when the process that took it ends in whatever way.
#[derive(Debug)]
pub struct Lease(sys::PortLease);

impl From<sys::PortLease> for Lease {
    fn from(lease: sys::PortLease) -> Self {
        Self(lease)
    }
}

impl Lease {
    /// What the system knows of it.
    pub(crate) fn into_inner(self) -> sys::PortLease {
        self.0
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}

/// All listening TCP sockets of this network namespace.
pub fn listeners() -> Result<Vec<Listener>, PortError> {
    let sockets = SocketTable::new()
        .read(&[TcpState::Listening], None)
        .map_err(PortError::Sockets)?;
    Ok(sockets
        .into_iter()
        .map(|socket| Listener {
            port: socket.port,
            address: socket.address,
            v6only: socket.v6only,
            user: socket.user,
        })
        .collect())
}

/// Leases a port. `None`: another run has it, or this process has it already.
pub fn lease(port: u16) -> Result<Option<Lease>, PortError> {
    sys::lease(port)
        .map(|lease| lease.map(Lease))
        .map_err(|source| PortError::Lease { port, source })
}

/// What leased a port, if anything did.
pub fn lease_holder(port: u16) -> Result<Option<Holder>, PortError> {
    let holder = sys::lease_holder(port).map_err(|source| PortError::Lease { port, source })?;
    Ok(holder.map(|holder| match holder.0 {
        Some(peer) => Holder::of(peer.pid, peer.user),
        None => Holder::Unknown { user: None },
    }))
}

/// The processes that listen on a port; empty where none does.
///
/// The processes in `likely` are looked at first, then those of the socket's own user, then all others, and no further
/// than is needed to find a holder for each socket. A socket whose holder cannot be seen gives [`Holder::Unknown`].
pub fn holders(port: u16, likely: &[u32]) -> Result<Vec<Holder>, PortError> {
    let sockets = SocketTable::new()
        .read(&[TcpState::Listening], Some(port))
        .map_err(PortError::Sockets)?;
    Ok(owner::holders(&sockets, likely))
}

/// The ports on which these processes listen; a process that listens on none is left out.
pub fn listening_ports(
    pids: impl IntoIterator<Item = u32>,
) -> Result<BTreeMap<u32, Vec<u16>>, PortError> {
    let sockets = SocketTable::new()
        .read(&[TcpState::Listening], None)
        .map_err(PortError::Sockets)?;
    let by_inode: BTreeMap<u64, u16> = sockets
        .iter()
        .map(|socket| (socket.inode, socket.port))
        .collect();
    let inodes = by_inode.keys().copied().collect();
    let mut ports: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    for (inode, pids) in sys::socket_owners(&inodes, pids) {
        for pid in pids {
            ports.entry(pid).or_default().extend(by_inode.get(&inode));
        }
    }
    let ports = ports.into_iter();
    Ok(ports
        .map(|(pid, ports)| (pid, ports.into_iter().collect()))
        .collect())
}

/// Finds out whether a port is available, and if not, what holds it. Leaves nothing listening.
///
/// A port is free when all of `127.0.0.1`, `0.0.0.0`, `::1` and `::` can be bound, as far as this machine has them.
pub fn state(port: u16, likely: &[u32]) -> Result<PortState, PortError> {
    match bind_all(port)? {
        Bindable::Free => Ok(match lease_holder(port)? {
            Some(holder) => PortState::Leased { holder },
            None => PortState::Free,
        }),
        Bindable::Forbidden => Ok(PortState::Forbidden),
        Bindable::InUse(tried) => {
            let sockets = in_the_way(port)?;
            Ok(PortState::Held {
                holders: owner::holders(&sockets, likely),
                address: sockets.first().map_or(tried, |socket| socket.address),
            })
        }
    }
}

/// What binding the port at every address came to.
enum Bindable {
    Free,
    Forbidden,
    InUse(IpAddr),
}

fn bind_all(port: u16) -> Result<Bindable, PortError> {
    const ADDRESSES: [IpAddr; 4] = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    for ip in ADDRESSES {
        let address = SocketAddr::new(ip, port);
        match sys::bind_test(address).map_err(|source| PortError::Bind { address, source })? {
            Bound::Yes | Bound::NoSuchAddress => {}
            Bound::InUse => return Ok(Bindable::InUse(ip)),
            Bound::Forbidden => return Ok(Bindable::Forbidden),
        }
    }
    Ok(Bindable::Free)
}

/// The sockets that keep a port from being bound: listeners first, else whatever is bound or connected from there.
fn in_the_way(port: u16) -> Result<Vec<Socket>, PortError> {
    let mut table = SocketTable::new();
    let mut read = |states: &[TcpState]| table.read(states, Some(port)).map_err(PortError::Sockets);
    let listening = read(&[TcpState::Listening, TcpState::Bound])?;
    if listening.is_empty() {
        read(&[TcpState::Listening, TcpState::Connected])
    } else {
        Ok(listening)
    }
}

impl std::fmt::Display for PortState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Leased { holder } => write!(f, "leased by {holder}"),
            Self::Held { holders, .. } if holders.is_empty() => {
                f.write_str("held by something that cannot be seen")
            }
            Self::Held { holders, .. } => {
                let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
                write!(f, "held by {}", names.join(", "))
            }
            Self::Forbidden => f.write_str("forbidden to this user"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Listens as a client does that has something to do with its socket.
    pub(crate) fn listen(address: impl Into<IpAddr>, port: u16) -> io::Result<TcpListener> {
        let listener = TcpListener::bind((address.into(), port))?;
        // Wine tells the owner of a socket only of one that its process has worked with itself. Whether this succeeds
        // does not matter: not every system has it for IPv6.
        let _ = listener.set_ttl(64);
        Ok(listener)
    }

    /// A port that was free a moment ago, leased so that no other test draws it.
    fn free_port() -> Lease {
        choose(1, &BTreeSet::new()).unwrap().remove(0).1
    }

    #[test]
    fn a_leased_port_names_its_holder() {
        let lease = free_port();
        let port = lease.port();
        match state(port, &[]).unwrap() {
            PortState::Leased { holder } => assert_eq!(holder.pid(), Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            lease_holder(port).unwrap().unwrap().pid(),
            Some(std::process::id())
        );
        assert!(super::lease(port).unwrap().is_none());
    }

    #[test]
    fn a_held_port_names_its_holder_and_is_not_disturbed() {
        let lease = free_port();
        let port = lease.port();
        let _listener = listen(Ipv4Addr::LOCALHOST, port).unwrap();
        for likely in [&[][..], &[std::process::id()]] {
            let found = holders(port, likely).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].pid(), Some(std::process::id()));
            match state(port, likely).unwrap() {
                PortState::Held { holders, address } => {
                    assert_eq!(holders, found);
                    assert_eq!(address, Ipv4Addr::LOCALHOST);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            listeners()
                .unwrap()
                .iter()
                .any(|listener| listener.port == port)
        );
    }

    #[test]
    fn an_ipv6_listener_holds_its_port_too() {
        let lease = free_port();
        let port = lease.port();
        let Ok(_listener) = listen(Ipv6Addr::LOCALHOST, port) else {
            eprintln!("skipped: no IPv6 here");
            return;
        };
        assert!(matches!(
            state(port, &[]).unwrap(),
            PortState::Held { address, .. } if address == Ipv6Addr::LOCALHOST
        ));
    }

    #[test]
    fn a_test_leaves_nothing_behind() {
        let lease = free_port();
        let port = lease.port();
        for _ in 0..3 {
            assert!(matches!(
                state(port, &[]).unwrap(),
                PortState::Leased { .. }
            ));
        }
        assert!(
            listeners()
                .unwrap()
                .iter()
                .all(|listener| listener.port != port)
        );
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok());
    }

    #[test]
    fn a_closed_connection_is_not_in_the_way() {
        use std::io::Read;
        let lease = free_port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, lease.port()));
        let listener = TcpListener::bind(address).unwrap();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        // The end that closes first keeps the port in TIME_WAIT.
        drop(server);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        drop((client, listener));
        assert!(matches!(
            state(lease.port(), &[]).unwrap(),
            PortState::Leased { .. }
        ));
    }

    #[test]
    fn a_port_that_a_process_connects_from_is_held_by_it() {
        if std::path::Path::new(r"C:\windows\system32\winecfg.exe").exists() {
            eprintln!("skipped: under Wine such a port can be bound beside the connection");
            return;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        match state(port, &[]).unwrap() {
            PortState::Held { holders, .. } => {
                // Connections to other places may share the local port.
                let own = Some(std::process::id());
                assert!(holders.iter().any(|holder| holder.pid() == own));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_holder_reads_well() {
        let unknown = Holder::Unknown { user: Some(7) };
        assert_eq!(unknown.to_string(), "a process of user 7");
        let own = Holder::of(Some(std::process::id()), 0);
        assert!(own.to_string().contains(&std::process::id().to_string()));
        assert_eq!(Holder::of(None, 7), unknown);
    }
}
