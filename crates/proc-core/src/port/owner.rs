//! From a socket to the processes that have it open.
//!
//! No system call answers this. Each process lists its own descriptors in `/proc/PID/fd`, so the order in which
//! processes are asked decides what an answer costs.

use std::collections::{BTreeMap, BTreeSet};

use super::Holder;
use crate::sys::{self, Socket};

/// Which of these processes have which of these sockets open. Every one of them is looked at.
pub(crate) fn owners(
    inodes: &BTreeSet<u64>,
    pids: impl IntoIterator<Item = u32>,
) -> BTreeMap<u64, BTreeSet<u32>> {
    let mut found: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for pid in pids {
        for inode in sys::sockets(pid).unwrap_or_default() {
            if inodes.contains(&inode) {
                found.entry(inode).or_default().insert(pid);
            }
        }
    }
    found
}

/// Those of these processes that live but do not show what they have open.
pub(crate) fn hidden(pids: impl IntoIterator<Item = u32>) -> impl Iterator<Item = u32> {
    pids.into_iter()
        .filter(|pid| sys::sockets(*pid).is_none() && sys::owner(*pid).is_some())
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
        for (inode, pids) in owners(&inodes, pids.iter().copied()) {
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
    fn a_socket_that_nobody_shows_is_held_by_somebody_unknown() {
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
        let found = owners(&inodes, [own]);
        assert_eq!(found.keys().copied().collect::<BTreeSet<u64>>(), inodes);
        assert!(found.values().all(|pids| pids.contains(&own)));
        assert_eq!(holders(&sockets, &[own]).len(), 1);
        assert_eq!(hidden([own]).count(), 0);
    }
}
