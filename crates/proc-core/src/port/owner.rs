//! What holds a port: the processes that have its sockets open, the likely ones looked at first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys::{self, Socket};
use crate::table::{Label, Process};

/// A process that holds a port or a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Holder {
    /// It can be looked at.
    Known {
        /// Which process it is.
        #[serde(flatten)]
        process: Label,
        /// The user that it belongs to, where that is known.
        user: Option<u32>,
    },
    /// It may not be looked at: it belongs to another user or another PID namespace, or it hides.
    Unknown {
        /// The user that made the socket, where that is known.
        user: Option<u32>,
    },
}

impl Holder {
    /// The process with this PID, as far as it can be looked at; else what is known of its socket.
    pub(crate) fn of(pid: Option<u32>, user: u32) -> Self {
        pid.and_then(Process::read)
            .map_or(Self::Unknown { user: Some(user) }, |process| Self::Known {
                process: Label::from(&process),
                user: process.owner(),
            })
    }

    /// Its PID, where it is known.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Known { process, .. } => Some(process.identity.pid),
            Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { process, .. } => {
                write!(f, "{} (PID {})", process.name, process.identity.pid)
            }
            Self::Unknown { user: Some(user) } => write!(f, "a process of user {user}"),
            Self::Unknown { user: None } => write!(f, "a process that cannot be seen"),
        }
    }
}

/// The holders of these sockets, each once: of the likely processes, else of the same user's, else of all.
pub(super) fn holders(sockets: &[Socket], likely: &[u32]) -> Vec<Holder> {
    // Inode 0 is a connection that no process has open any more.
    let mut open: BTreeMap<u64, u32> = sockets
        .iter()
        .filter(|socket| socket.inode != 0)
        .map(|socket| (socket.inode, socket.user))
        .collect();
    let mut known: BTreeMap<u32, u32> = BTreeMap::new();
    let mut look = |open: &mut BTreeMap<u64, u32>, pids: &[u32]| {
        let inodes: BTreeSet<u64> = open.keys().copied().collect();
        for (inode, pids) in sys::socket_owners(&inodes, pids.iter().copied()) {
            let user = open.remove(&inode).unwrap_or_default();
            known.extend(pids.into_iter().map(|pid| (pid, user)));
        }
    };
    look(&mut open, likely);
    if !open.is_empty() {
        let users: BTreeSet<u32> = open.values().copied().collect();
        let (same, others): (Vec<u32>, Vec<u32>) = sys::pids()
            .unwrap_or_default()
            .into_iter()
            .partition(|pid| sys::owner(*pid).is_some_and(|owner| users.contains(&owner)));
        look(&mut open, &same);
        if !open.is_empty() {
            look(&mut open, &others);
        }
    }
    let unknown: BTreeSet<u32> = open.into_values().collect();
    known
        .into_iter()
        .map(|(pid, user)| Holder::of(Some(pid), user))
        .chain(unknown.into_iter().map(|user| Holder::of(None, user)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    use super::super::tests::listen;
    use super::*;
    use crate::sys::{SocketTable, TcpState};

    fn socket(inode: u64, user: u32) -> Socket {
        Socket {
            port: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            v6only: None,
            inode,
            user,
            state: TcpState::Listening,
        }
    }

    #[test]
    fn a_socket_that_no_process_shows_has_an_unknown_holder() {
        let none = socket(u64::MAX, 4711);
        assert_eq!(
            holders(&[none], &[]),
            [Holder::Unknown { user: Some(4711) }]
        );
        assert_eq!(holders(&[socket(0, 4711)], &[]), []);
    }

    #[test]
    fn all_sockets_of_one_process_are_found_in_one_look() {
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| listen(Ipv4Addr::LOCALHOST, 0).unwrap())
            .collect();
        let own = std::process::id();
        let mut table = SocketTable::new();
        let sockets: Vec<Socket> = listeners
            .iter()
            .flat_map(|listener| {
                let port = listener.local_addr().unwrap().port();
                table.read(&[TcpState::Listening], Some(port)).unwrap()
            })
            .collect();
        let inodes: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
        let found = sys::socket_owners(&inodes, [own]);
        assert_eq!(found.keys().copied().collect::<BTreeSet<u64>>(), inodes);
        assert!(found.values().all(|pids| pids.contains(&own)));
        assert_eq!(holders(&sockets, &[own]).len(), 1);
        assert!(!inodes.iter().any(|inode| sys::may_hide_socket(own, *inode)));
    }
}
