//! The processes that a guardian has started itself, and how each has ended.

use std::collections::BTreeMap;

use crate::identity::Identity;
use crate::membership::Member;
use crate::status::ExitStatus;

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
