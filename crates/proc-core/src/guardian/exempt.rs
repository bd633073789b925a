//! What may live on when the run ends: it is let go before anything is ended, and not counted as left.

use std::collections::BTreeSet;
use std::io;

use super::Guardian;
use super::events::complain;
use crate::contain::Escapes;
use crate::identity::Identity;
use crate::membership::Member;
use crate::protocol::Notice;
use crate::shutdown;
use crate::table::Process;

impl Guardian {
    /// Notes what a client may leave behind, where that is possible.
    pub(super) fn allow(&mut self, member: Member, globs: &[String]) -> io::Result<()> {
        if !self.containment.mechanism().allows_exempt() {
            return Ok(());
        }
        self.signs
            .exempt
            .allow(member.number(), globs)
            .map_err(io::Error::other)
    }

    /// Everything in the tree, and what has got out of it.
    pub(super) fn all(&self) -> io::Result<Vec<Identity>> {
        self.containment.members(self.escapes())
    }

    /// Once the run ends, what has got out of the tree counts too, wherever it is.
    fn escapes(&self) -> Option<Escapes<'_>> {
        self.is_ending.then_some(Escapes {
            signs: &self.signs,
            folder: &self.folder,
        })
    }

    /// Whether a process is a client or the test.
    pub(super) fn is_member(&self, identity: &Identity) -> bool {
        self.signs.members.contains_key(identity)
    }

    /// Everything in the tree that ends with the run.
    pub(super) fn present(&mut self) -> io::Result<Vec<Identity>> {
        let mut present = self.all()?;
        self.recognise(&present);
        present.retain(|identity| !self.signs.exempted.contains(identity));
        Ok(present)
    }

    /// Whether nothing lives in the tree that ends with the run. A process has children while they wait to be collected.
    pub(super) fn is_empty(&mut self, has_children: bool) -> bool {
        if self.signs.exempt.is_empty() {
            self.containment.is_empty(has_children, self.escapes())
        } else {
            // A look at the whole tree for every child that ends would be dear.
            self.members.have_ended() && self.present().is_ok_and(|present| present.is_empty())
        }
    }

    /// Lets go of what lives on: whatever the kernel does to the rest does not reach it.
    pub(super) fn release_exempt(&mut self) {
        let new: Vec<Identity> = self
            .signs
            .exempted
            .difference(&self.released)
            .copied()
            .collect();
        for identity in new {
            // What cannot be let go keeps the rest from being struck as one, and is spared all the same.
            if let Err(error) = self.containment.release(&identity) {
                complain(&error);
            }
            self.released.insert(identity);
        }
    }

    /// Says what lives on, now that the rest has ended.
    pub(super) fn report_exempt(&mut self) {
        self.forget_the_gone();
        for identity in self.signs.exempted.clone() {
            self.connections.send(&Notice::Exempt {
                process: identity.into(),
                member: self.started_by(&identity),
            });
        }
    }

    /// Whether only what lives on is in what ends as one, because it could not be let go.
    pub(super) fn only_exempt_are_left(&self) -> bool {
        let contained = self.containment.contained();
        contained.is_ok_and(|contained| {
            !contained.is_empty()
                && contained
                    .iter()
                    .all(|identity| self.signs.exempted.contains(identity))
        })
    }

    /// Finds what lives on among these, with what it has started. What was found stays found while it is there: it may
    /// have lost its parent since.
    pub(super) fn recognise(&mut self, present: &[Identity]) {
        if self.signs.exempt.is_empty() {
            return;
        }
        self.forget_the_gone();
        let unknown = present
            .iter()
            .filter(|identity| !self.signs.exempted.contains(identity))
            .filter_map(Process::find);
        let (living, mut rest): (Vec<Process>, Vec<Process>) =
            unknown.partition(|process| self.signs.exempts(process));
        self.signs
            .exempted
            .extend(living.iter().map(Process::identity));
        loop {
            let parents: BTreeSet<u32> = self
                .signs
                .exempted
                .iter()
                .map(|identity| identity.pid)
                .collect();
            let (found, others): (Vec<Process>, Vec<Process>) = rest
                .into_iter()
                .partition(|process| parents.contains(&process.parent()));
            if found.is_empty() {
                return;
            }
            self.signs
                .exempted
                .extend(found.iter().map(Process::identity));
            rest = others;
        }
    }

    /// Forgets what has lived on and ended: what takes its PID is another process, and has other children.
    fn forget_the_gone(&mut self) {
        self.signs.exempted.retain(shutdown::is_there);
    }
}
