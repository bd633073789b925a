//! What a run has left by which its processes can be told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exempt, Member};
use crate::identity::Identity;
use crate::mark::Mark;
use crate::table::{MEMBER, Process};

/// How many generations there may be between a process and the member that it descends from.
const LONGEST_LINE: usize = 1024;

/// The signs of one run, from its ledger and its guardian.
#[derive(Clone, Debug)]
pub struct RunSigns {
    /// Its id, which is also the cookie in its processes' environment.
    pub run: String,
    /// Whose run it is.
    pub scope: ScopeRef,
    /// Whether it goes on: its guardian is there.
    pub is_live: bool,
    /// The process that owns its containment.
    pub guardian: Option<Identity>,
    /// The processes that hold it: the launcher, and the process with whose end the run is to end. While the run is
    /// alive, its holders and their ancestors are not cleaned away, for that would end the run.
    pub holders: Vec<Identity>,
    /// Its clients and its test, as the processes that were started for them.
    pub members: BTreeMap<Identity, Member>,
    /// Whether the PIDs of members that have ended are kept from other processes: then what names such a PID as its
    /// parent was started by that member.
    pub keeps_pids: bool,
    /// The processes that were found in its container.
    pub contained: BTreeSet<Identity>,
    /// Those that earlier snapshots have shown to belong to it. They may have lost their parent since.
    pub recognised: BTreeSet<Identity>,
    /// The kernel's own numbers of its processes, where it has such numbers: what they have started names them, when
    /// they are long gone.
    pub numbers: BTreeSet<u64>,
    /// The mark that its processes carry.
    pub mark: Option<Mark>,
    /// What its clients may leave behind.
    pub exempt: Exempt,
    /// Those that earlier snapshots have shown to be exempt.
    pub exempted: BTreeSet<Identity>,
    /// Whether nothing but what is exempt was left when the run was closed, and it was: then whatever carries the mark
    /// of such a client comes from it, though what has started it may be gone.
    pub has_left_exempt: bool,
}

/// Whose run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRef {
    /// This scope's.
    This,
    /// Another scope's.
    Other,
}

/// Whether a process can be of a run with this guardian: nothing of a run is older than its guardian, so that what is
/// older was put where it is by something else.
pub const fn is_of_its_time(guardian: &Identity, process: &Identity) -> bool {
    process.start >= guardian.start
}

impl RunSigns {
    /// A run of this scope of which nothing but its id is known, and that it is over.
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            scope: ScopeRef::This,
            is_live: false,
            guardian: None,
            holders: Vec::new(),
            members: BTreeMap::new(),
            keeps_pids: false,
            contained: BTreeSet::new(),
            recognised: BTreeSet::new(),
            numbers: BTreeSet::new(),
            mark: None,
            exempt: Exempt::default(),
            exempted: BTreeSet::new(),
            has_left_exempt: false,
        }
    }

    /// Whether a process is alive, no thread of the kernel, and not older than the run.
    pub(super) fn can_have(&self, process: &Process) -> bool {
        let is_of_its_time = |guardian| is_of_its_time(guardian, &process.identity());
        !process.is_zombie()
            && !process.is_kernel()
            && self.guardian.as_ref().is_none_or(is_of_its_time)
    }

    /// Whether a living process carries the mark of the run.
    pub fn marks(&self, process: &Process) -> bool {
        self.mark.is_some()
            && self.can_have(process)
            && process.mark().map(|(mark, _)| mark) == self.mark
    }

    /// Whether more than descent and environment, which a bystander may share, tells that a process is of the run.
    pub fn is_certain_of(&self, process: &Process) -> bool {
        let identity = process.identity();
        self.contained.contains(&identity)
            || self.members.contains_key(&identity)
            || self.marks(process)
    }

    /// Whether a process may live on by itself when the run ends, as a program that a client may leave behind. A
    /// client's own process ends with its run, whatever it is called.
    pub fn exempts(&self, process: &Process) -> bool {
        !self.exempt.is_empty()
            && !self.members.contains_key(&process.identity())
            && self.marks(process)
            && process.mark().is_some_and(|(_, client)| {
                self.has_left_exempt && self.exempt.concerns(client)
                    || self.exempt.allows(client, process)
            })
    }

    /// Whether a process may turn out to be exempt once its parent is known.
    pub fn may_exempt(&self, process: &Process) -> bool {
        let client = process.mark().map(|(_, client)| client);
        client.is_some_and(|client| self.exempt.concerns(client))
    }

    /// Whether the environment of a process of this user names the run.
    pub(super) fn is_named_by(&self, process: &Process) -> bool {
        self.can_have(process)
            && process.is_own() == Some(true)
            && process.cookie() == Some(&self.run)
    }

    /// The client or the test that a process of the run descends from: by the mark that everything carries which it has
    /// started; or where there is no mark, by descent, and last by what its environment says, since what has started it
    /// may be gone. `parent` looks up the parent of a process.
    pub fn member_of(
        &self,
        process: &Process,
        parent: impl Fn(&Process) -> Option<Process>,
    ) -> Option<Member> {
        if let (Some(mark), Some((carried, number))) = (self.mark, process.mark()) {
            return Member::from_number(number).filter(|_| carried == mark);
        }
        let recorded = self.members.get(&process.identity()).copied();
        recorded
            .or_else(|| self.member_above(process, parent))
            .or_else(|| self.member_named_by(process))
    }

    fn member_above(
        &self,
        process: &Process,
        parent: impl Fn(&Process) -> Option<Process>,
    ) -> Option<Member> {
        let mut above = None;
        for _ in 0..LONGEST_LINE {
            let child = above.as_ref().unwrap_or(process);
            if let Some(member) = self.kept_parent(child) {
                return Some(member);
            }
            let next = parent(child)?;
            if let Some(member) = self.members.get(&next.identity()) {
                return Some(*member);
            }
            above = Some(next);
        }
        None
    }

    /// The member that a process names as its parent, also where that has ended.
    pub(super) fn kept_parent(&self, child: &Process) -> Option<Member> {
        let is_parent = |member: &&Identity| {
            member.pid == child.parent() && member.can_be_parent_of(&child.identity())
        };
        let parent = self
            .members
            .keys()
            .filter(|_| self.keeps_pids)
            .find(is_parent)?;
        self.members.get(parent).copied()
    }

    fn member_named_by(&self, process: &Process) -> Option<Member> {
        let name = self
            .is_named_by(process)
            .then(|| process.variable(MEMBER))??;
        Member::from_name(&name)
    }
}
