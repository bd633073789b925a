//! From a socket to the processes that have it open.
//!
//! No system call answers this. Each process lists its own descriptors, so the order in which processes are asked decides
//! what an answer costs.

use std::collections::{BTreeMap, BTreeSet};

use crate::sys::{owner, sockets};

/// Which of these processes have which of these sockets open. Every one of them is looked at.
pub(crate) fn socket_owners(
    numbers: &BTreeSet<u64>,
    pids: impl IntoIterator<Item = u32>,
) -> BTreeMap<u64, BTreeSet<u32>> {
    let mut found: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for pid in pids {
        for number in sockets(pid).unwrap_or_default() {
            if numbers.contains(&number) {
                found.entry(number).or_default().insert(pid);
            }
        }
    }
    found
}

/// Whether a process lives that may have a socket open without showing it.
pub(crate) fn may_hide_socket(pid: u32, _number: u64) -> bool {
    sockets(pid).is_none() && owner(pid).is_some()
}

/// Whether a process listens for programs that leave that to it: none does.
pub(crate) fn listens_for_others(_pid: u32) -> bool {
    false
}
