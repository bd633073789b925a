//! Whether it is the client that listens.
//!
//! A socket is a client's if one of the client's processes has it open; others may have it open too, such as the
//! process that opened it and handed it down.
//!
//! Some processes do not show what they have open: those of other users, and those that changed their user. Where no
//! process shows a socket, it is taken for the client's only if a process of the client is among those that do not show
//! theirs, and the socket's user is that process's (or that process counts as root's, as one does that has dropped its
//! privileges). In every other case it belongs to a stranger.
//!
//! Where the system itself listens for its programs, as `HTTP.sys` does on Windows, no process shows for which. No other
//! had the port when the client was started, so what the system has there since then is taken for the client's.

use std::collections::{BTreeMap, BTreeSet};

use super::reach::Reach;
use super::target::ClientProcesses;
use crate::mark::MemberNumber;
use crate::port::Holder;
use crate::sys;

/// For each client, a stranger that has one of its sockets; `None` where all sockets are the client's own.
pub(super) fn judge(
    members: &dyn ClientProcesses,
    questions: &BTreeMap<MemberNumber, Reach>,
) -> BTreeMap<MemberNumber, Option<Holder>> {
    // What is not known to be the client's own: client and socket, with the socket's user.
    let mut open: BTreeMap<(MemberNumber, u64), u32> = questions
        .iter()
        .flat_map(|(client, reach)| {
            let sockets = reach.sockets.iter();
            sockets.map(|(inode, user)| ((*client, *inode), *user))
        })
        .collect();
    let candidates: BTreeSet<u32> = questions
        .keys()
        .flat_map(|client| members.candidates(*client))
        .collect();
    claim(members, &mut open, candidates);
    let mut verdicts: BTreeMap<MemberNumber, Option<Holder>> =
        questions.keys().map(|client| (*client, None)).collect();
    if open.is_empty() {
        return verdicts;
    }
    let all = sys::pids().unwrap_or_default();
    let shown = claim(members, &mut open, all.iter().copied());
    for ((client, inode), user) in open {
        let holders = shown.get(&inode).into_iter().flatten();
        let holder = holders.copied().find(|pid| !sys::listens_for_others(*pid));
        if holder.is_some() || !may_hide(members, client, (inode, user), &all) {
            verdicts.insert(client, Some(Holder::of(holder, user)));
        }
    }
    verdicts
}

/// Strikes out the sockets that a process of their client has open. Answers which processes have any of them open.
fn claim(
    members: &dyn ClientProcesses,
    open: &mut BTreeMap<(MemberNumber, u64), u32>,
    pids: impl IntoIterator<Item = u32>,
) -> BTreeMap<u64, BTreeSet<u32>> {
    let inodes = open.keys().map(|(_, inode)| *inode).collect();
    let shown = sys::socket_owners(&inodes, pids);
    open.retain(|(client, inode), _| {
        let mut holders = shown.get(inode).into_iter().flatten();
        !holders.any(|pid| members.is_member(*client, *pid))
    });
    shown
}

/// Whether the client has a process that does not show whether it has this socket open, and that may have made one of this
/// user.
fn may_hide(
    members: &dyn ClientProcesses,
    client: MemberNumber,
    (inode, user): (u64, u32),
    all: &[u32],
) -> bool {
    all.iter()
        .filter(|pid| sys::may_hide_socket(**pid, inode))
        .filter(|pid| sys::owner(**pid).is_some_and(|owner| owner == user || owner == 0))
        .any(|pid| members.is_member(client, *pid))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::super::reach::reach;
    use super::*;
    use crate::port::choose;
    use crate::port::tests::listen;
    use crate::sys::{SocketTable, TcpState};

    struct Own {
        candidates: Vec<u32>,
    }

    impl ClientProcesses for Own {
        fn is_member(&self, client: MemberNumber, pid: u32) -> bool {
            client == 1 && pid == std::process::id()
        }

        fn candidates(&self, _: MemberNumber) -> Vec<u32> {
            self.candidates.clone()
        }
    }

    fn question(listener: &TcpListener) -> Reach {
        let port = listener.local_addr().unwrap().port();
        let sockets = SocketTable::new()
            .read(&[TcpState::Listening], Some(port))
            .unwrap();
        reach(&sockets, None).unwrap()
    }

    #[test]
    fn a_socket_is_judged_for_each_client_by_itself() {
        let lease = choose(1, &BTreeSet::new()).unwrap().remove(0).1;
        let listener = listen(Ipv4Addr::LOCALHOST, lease.port()).unwrap();
        let question = question(&listener);
        let questions = BTreeMap::from([(1, question.clone()), (2, question)]);
        for candidates in [vec![], vec![std::process::id()]] {
            let verdicts = judge(&Own { candidates }, &questions);
            assert_eq!(verdicts[&1], None);
            let stranger = verdicts[&2].as_ref().unwrap();
            assert_eq!(stranger.pid(), Some(std::process::id()));
        }
    }

    #[test]
    fn one_socket_of_a_stranger_is_one_too_many() {
        let lease = choose(1, &BTreeSet::new()).unwrap().remove(0).1;
        let listener = listen(Ipv4Addr::LOCALHOST, lease.port()).unwrap();
        let mut question = question(&listener);
        question.sockets.push((u64::MAX, 4711));
        let own = Own {
            candidates: vec![std::process::id()],
        };
        let verdicts = judge(&own, &BTreeMap::from([(1, question)]));
        assert_eq!(verdicts[&1], Some(Holder::Unknown { user: Some(4711) }));
    }
}
