//! The processes that a guardian has started itself, and how each has ended.

use std::collections::BTreeMap;

use crate::identity::Identity;
use crate::ledger::Member;
use crate::status::ExitStatus;
use crate::table::Process;

/// How many generations there may be between a process and the member that it descends from.
const LONGEST_LINE: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Members {
    all: BTreeMap<Member, State>,
}

#[derive(Debug)]
struct State {
    identity: Identity,
    status: Option<ExitStatus>,
    killed: bool,
}

impl Members {
    pub(super) fn add(&mut self, member: Member, identity: Identity) {
        self.all.insert(
            member,
            State {
                identity,
                status: None,
                killed: false,
            },
        );
    }

    /// Notes that a child has ended. `None`: it was no member, but an orphan.
    pub(super) fn ended(
        &mut self,
        pid: u32,
        status: ExitStatus,
    ) -> Option<(Member, Identity, bool)> {
        // A child's PID is its own until it is collected, so among those that have not ended it names one member.
        let (member, state) = self
            .all
            .iter_mut()
            .find(|(_, state)| state.identity.pid == pid && state.status.is_none())?;
        state.status = Some(status);
        Some((*member, state.identity, state.killed))
    }

    /// Notes that this process will be killed, if it is a member.
    pub(super) fn about_to_kill(&mut self, identity: &Identity) {
        if let Some(state) = self
            .all
            .values_mut()
            .find(|state| state.identity == *identity)
        {
            state.killed = true;
        }
    }

    pub(super) fn is_member(&self, identity: &Identity) -> bool {
        self.find(identity).is_some()
    }

    /// The member that a process is.
    pub(super) fn find(&self, identity: &Identity) -> Option<Member> {
        let mut all = self.all.iter();
        let (member, _) = all.find(|(_, state)| state.identity == *identity)?;
        Some(*member)
    }

    /// The member that a process descends from, which may have ended, as far as those in between still live.
    pub(super) fn ancestor_of(&self, identity: &Identity) -> Option<Member> {
        let mut process = Process::read(identity.pid)?;
        // Each parent is older than its child, so the line has an end.
        for _ in 0..LONGEST_LINE {
            let (parent, born) = (process.parent(), process.identity().start);
            let is_parent =
                |state: &State| state.identity.pid == parent && state.identity.start <= born;
            if let Some((member, _)) = self.all.iter().find(|(_, state)| is_parent(state)) {
                return Some(*member);
            }
            process = Process::read(parent).filter(|parent| parent.identity().start <= born)?;
        }
        None
    }

    pub(super) fn has_ended(&self, member: Member) -> bool {
        self.status(member).is_some()
    }

    /// Whether all that were started have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.all.values().all(|state| state.status.is_some())
    }

    /// How a member has ended. `None`: it has not, or was never started.
    pub(super) fn status(&self, member: Member) -> Option<ExitStatus> {
        self.all.get(&member)?.status
    }
}
