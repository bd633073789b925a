//! Following everything that a run starts, from fork to fork.
//!
//! The kernel tells when a process that is watched forks, but not whom it has started, so each fork is followed by a look
//! at everybody. (The kernel once followed forks by itself. `NOTE_TRACK` is an error since macOS 10.5.) A process that
//! starts another and leaves before that look has never been seen; the other is then recognised by its session or its
//! environment, if it has kept one of them. That is the best that is known here, and no guarantee.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::kqueue::ProcessEvents;

use super::process::{environment, own_user, owner, pids, stat, uniques};
use super::queue::Queue;
use crate::identity::{Boot, Identity};
use crate::sys::xnu::family::{Family, Sight};

/// How many times a look is taken again because it has shown something new.
const LOOKS: usize = 64;

/// Follows the tree below a guardian.
#[derive(Debug)]
pub(crate) struct Tracker {
    guardian: Sight,
    /// The environment variable that names a run, and this run.
    cookie: (&'static str, String),
    queue: Queue,
    family: Mutex<Family>,
}

impl Tracker {
    /// Begins before the guardian, which leads a session of its own, has started anybody.
    pub(crate) fn begin(
        guardian: &Identity,
        variable: &'static str,
        run: &str,
    ) -> io::Result<Self> {
        let sight = look_at(guardian.pid, guardian.boot)
            .filter(|sight| sight.identity == *guardian)
            .ok_or_else(|| io::Error::other("the kernel does not show this process"))?;
        let queue = Queue::new()?;
        queue.watch(guardian.pid, ProcessEvents::FORK)?;
        Ok(Self {
            guardian: sight,
            cookie: (variable, run.to_owned()),
            queue,
            family: Mutex::new(Family::of(sight)),
        })
    }

    /// Everything of the run that lives.
    pub(crate) fn look(&self) -> io::Result<Vec<Identity>> {
        let mut family = self.family();
        let mut sights = Vec::new();
        for _ in 0..LOOKS {
            sights = self.sights()?;
            let newcomers = family.take_in(&sights, |identity| self.names_run(identity));
            let what = ProcessEvents::FORK | ProcessEvents::EXEC | ProcessEvents::EXIT;
            for newcomer in &newcomers {
                // What cannot be watched is a member all the same. Only its forks cause no look, and are seen by the
                // look that another one's causes. A PID that has gone to another process causes a look too many.
                let _ = self.queue.watch(newcomer.pid, what);
            }
            // Whom a newcomer has started before it was watched, only another look can show.
            if newcomers.is_empty() {
                break;
            }
        }
        let members = sights.iter().filter(|sight| family.knows(sight));
        Ok(members.map(|sight| sight.identity).collect())
    }

    /// Waits until a process of the run forks, executes a program or ends, or the guardian starts one.
    pub(crate) fn wait(&self) -> io::Result<()> {
        self.queue.wait()
    }

    /// The child of the guardian that a process descends from.
    pub(crate) fn root_of(&self, identity: &Identity) -> Option<Identity> {
        self.family().root_of(identity)
    }

    fn family(&self) -> MutexGuard<'_, Family> {
        // A panic has left a family that knows less, and nothing that does not belong to it.
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody who lives and is younger than the guardian.
    fn sights(&self) -> io::Result<Vec<Sight>> {
        let is_younger = |pid: &u32| {
            uniques(*pid).is_some_and(|uniques| uniques.own > self.guardian.uniques.own)
        };
        let pids = pids()?.into_iter().filter(is_younger);
        let boot = self.guardian.identity.boot;
        Ok(pids.filter_map(|pid| look_at(pid, boot)).collect())
    }

    fn names_run(&self, identity: &Identity) -> bool {
        let (variable, run) = &self.cookie;
        owner(identity.pid) == Some(own_user())
            && environment(identity.pid, variable).as_ref() == Some(run)
            // What was read is of the process that is meant.
            && stat(identity.pid, identity.boot).is_some_and(|stat| stat.identity == *identity)
    }
}

/// `None`: it does not live, or its PID has gone to another process meanwhile.
fn look_at(pid: u32, boot: Boot) -> Option<Sight> {
    let before = uniques(pid)?;
    let stat = stat(pid, boot).filter(|stat| !stat.zombie)?;
    // Its starter may have changed with a program that it has executed; the earlier one says more.
    (uniques(pid)?.own == before.own).then_some(Sight {
        identity: stat.identity,
        uniques: before,
        session: stat.session,
    })
}
