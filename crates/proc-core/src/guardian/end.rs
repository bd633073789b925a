//! The end of a run: ask, wait for the grace, kill, look again, and say what came of it.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::events::{GuardianEvent, complain};
use super::{EndPlan, Guardian, SESSION_GRACE};
use crate::identity::Identity;
use crate::ledger::Entry;
use crate::membership::Member;
use crate::protocol::{Notice, Request};
use crate::shutdown::{self, Asking, Killed, SurvivalReason, Survivor};
use crate::table::Process;
use crate::wait::{Deadline, poll_until};

/// How long what a test has started may take to end after the test itself, before it counts as a leak.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(250);

/// How often a process that waits hears that killing goes on.
const WORD: Duration = Duration::from_secs(1);

/// How long the kernel may take to end a PID namespace in which nothing lives any more.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(2);

impl Guardian {
    /// Ends everything that the run has started: ask, wait for the grace, kill, look again.
    ///
    /// From here on no error stops the guardian before nothing is left: what it cannot write or see it tries to end
    /// all the same.
    pub(super) fn end(&mut self, ending: EndPlan, inbox: &mpsc::Receiver<GuardianEvent>) {
        let EndPlan { reason, grace, how } = ending;
        let _ = self.record(&Entry::Ending {
            reason: reason.clone(),
        });
        self.connections
            .send(&Notice::Ending { reason, grace, how });
        self.is_ending = true;
        let grace = grace.min(self.settle(inbox));
        let present = self.present().unwrap_or_default();
        self.release_exempt();
        self.report_leaks(&present);
        self.containment.thaw();
        let mut asking = Asking::with_grace(grace);
        asking.ask(&present);
        let nothing_left = self.wait_for_the_end(grace, asking, inbox) || self.kill();
        if nothing_left && self.end_namespace() {
            self.close();
        }
        self.report_exempt();
        // A process that hears that the run is over may take its ports at once.
        self.leases.clear();
        self.lock = None;
        self.connections.send(&Notice::Finished);
    }

    /// Ends the first process of the run's PID namespace. That it can be collected is the kernel's word that nothing
    /// else of the namespace is left, whatever looks have shown. `false`: it cannot.
    fn end_namespace(&mut self) -> bool {
        let Some(init) = self.containment.init() else {
            return true;
        };
        let killed = self.containment.kill(&|_| false);
        let is_gone = poll_until(Deadline::after(NAMESPACE_TIMEOUT), || {
            let _ = self.collect(true);
            self.containment.init().is_none().then_some(())
        });
        if is_gone.is_none() {
            let reason = match killed {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    SurvivalReason::AccessDenied
                }
                _ => SurvivalReason::Uninterruptible,
            };
            self.tell_of_survivor(Survivor {
                identity: init,
                reason,
            });
        }
        is_gone.is_some()
    }

    fn tell_of_survivor(&mut self, Survivor { identity, reason }: Survivor) {
        self.connections.send(&Notice::Survived {
            process: identity.into(),
            reason,
        });
    }

    /// Puts away what the run has used up. Without the last entry the next command looks for what may be left: it finds
    /// nothing, and puts away what this one could not.
    fn close(&mut self) {
        // What lives on may have started something since the last look.
        let _ = self.present();
        self.release_exempt();
        if let Err(error) = self.containment.remove() {
            complain(&error);
            // What lives on and cannot be let go keeps the cgroup until it ends.
            if !self.only_exempt_are_left() {
                // A process is in it that no look has shown.
                let error = format!("cannot remove the run's cgroup: {error}");
                self.connections.send(&Notice::Failed { error });
                return;
            }
        }
        let exempt = self.signs.exempted.iter().copied().collect();
        let _ = self.record(&Entry::Closed { exempt });
    }

    /// Gives what a finished test has started a moment to end by itself. Answers how long the grace may be at the most,
    /// by what was heard meanwhile.
    fn settle(&mut self, inbox: &mpsc::Receiver<GuardianEvent>) -> Duration {
        let mut longest = Duration::MAX;
        let deadline = Deadline::after(SETTLE_TIMEOUT);
        loop {
            let nothing_left = self.collect(false).unwrap_or(false);
            let unsettled = |guardian: &mut Self| {
                let present = guardian.present().unwrap_or_default();
                present
                    .iter()
                    .any(|identity| guardian.left_by(identity).is_some())
            };
            if nothing_left
                || !self.members.has_ended(Member::Test)
                || deadline.has_passed()
                || !unsettled(self)
            {
                return longest;
            }
            match inbox.recv_timeout(deadline.remaining()) {
                Ok(GuardianEvent::Connected(connection)) => self.accept(connection),
                Ok(GuardianEvent::Disconnected(peer)) => self.connections.disconnect(peer),
                Ok(GuardianEvent::Requested(_, request)) if matches!(*request, Request::Hurry) => {
                    return Duration::ZERO;
                }
                Ok(GuardianEvent::SessionEnds) => longest = SESSION_GRACE,
                Ok(_) => {}
                Err(_) => return longest,
            }
        }
    }

    /// Waits until nothing is left. `false`: the grace is over, or a request to hurry has come.
    fn wait_for_the_end(
        &mut self,
        grace: Duration,
        mut asking: Asking,
        inbox: &mpsc::Receiver<GuardianEvent>,
    ) -> bool {
        let mut deadline = Deadline::after(grace);
        let mut patience = Deadline::after(grace / 2);
        loop {
            if self.collect(true).unwrap_or(false) {
                return true;
            }
            // As long as there is something to hear, waiting for it takes no time: processes that go on to end would put
            // the end off.
            if deadline.has_passed() {
                return false;
            }
            self.ask_latecomers(&mut asking);
            if patience.has_passed() {
                asking.insist();
            }
            let pause = Asking::PAUSE.unwrap_or(Duration::MAX);
            match inbox.recv_timeout(pause.min(deadline.remaining())) {
                Ok(GuardianEvent::Connected(connection)) => self.accept(connection),
                Ok(GuardianEvent::Disconnected(peer)) => self.connections.disconnect(peer),
                Ok(GuardianEvent::Requested(_, request)) if matches!(*request, Request::Hurry) => {
                    return false;
                }
                Ok(GuardianEvent::SessionEnds) => {
                    deadline = deadline.min(Deadline::after(SESSION_GRACE));
                    patience = patience.min(Deadline::after(SESSION_GRACE / 2));
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Asks what was started too late to be asked with the others, once what has started it is gone. Before that it
    /// may be the way in which its parent ends.
    fn ask_latecomers(&mut self, asking: &mut Asking) {
        let mut latecomers = self.containment.own_children();
        self.recognise(&latecomers);
        latecomers.retain(|identity| !self.signs.exempted.contains(identity));
        asking.ask(&latecomers);
    }

    /// Kills what is left. `true`: a look has shown that nothing is.
    fn kill(&mut self) -> bool {
        let present = self.present().unwrap_or_default();
        self.release_exempt();
        self.report_leaks(&present);
        for identity in &present {
            self.members.about_to_kill(identity);
        }
        // What it does not reach is found by the looks that follow; what cannot be struck is killed one by one.
        let _ = self
            .containment
            .kill(&|identity| self.signs.exempted.contains(identity));
        let mut word = Deadline::after(WORD);
        let result = shutdown::kill_all(|| {
            if word.has_passed() {
                self.connections.send(&Notice::AtWork);
                word = Deadline::after(WORD);
            }
            // A child that is collected makes room for its orphans to be seen as this process's own children.
            self.collect(true)?;
            let present = self.present()?;
            self.release_exempt();
            for identity in &present {
                self.members.about_to_kill(identity);
            }
            Ok(present)
        });
        let _ = self.collect(true);
        let Killed {
            mut killed,
            survivors,
        } = match result {
            Ok(killed) => killed,
            Err(error) => {
                let error = format!("cannot see what is left: {error}");
                self.connections.send(&Notice::Failed { error });
                return false;
            }
        };
        killed.extend(present);
        for survivor in &survivors {
            killed.remove(&survivor.identity);
        }
        for identity in killed {
            if !self.is_member(&identity) {
                self.connections.send(&Notice::Killed { identity });
            }
        }
        for survivor in &survivors {
            self.tell_of_survivor(*survivor);
        }
        survivors.is_empty()
    }

    /// The member that started a process and has itself ended.
    fn left_by(&self, identity: &Identity) -> Option<Member> {
        let member = self.started_by(identity)?;
        (!self.is_member(identity) && self.members.has_ended(member)).then_some(member)
    }

    /// The member that a process descends from, where the tree was followed as it was followed.
    pub(super) fn started_by(&self, identity: &Identity) -> Option<Member> {
        let followed = self.containment.root_of(identity);
        let followed = followed.and_then(|root| self.signs.members.get(&root).copied());
        let told = || {
            let process = Process::find(identity)?;
            self.signs.member_of(&process, Process::read_parent)
        };
        followed.or_else(told)
    }

    fn report_leaks(&mut self, present: &[Identity]) {
        for identity in present {
            let Some(member) = self.left_by(identity) else {
                continue;
            };
            if self.leaked.contains(identity) {
                continue;
            }
            self.leaked.push(*identity);
            self.connections.send(&Notice::Leaked {
                process: (*identity).into(),
                member: Some(member),
            });
        }
    }
}
