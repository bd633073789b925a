//! A tree that is followed from fork to fork, where there are neither subreapers nor jobs.
//!
//! Orphans become children of the system's first process. What the guardian has once seen it knows for good; what it has
//! never seen it may miss.

use std::io;
use std::sync::Arc;

use super::hold::{Escapes, Hold, Waiter};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::sys::{self, AtStart, Tracker};
use crate::table::COOKIE;

/// The PID of the system's first process, which adopts orphans that nothing else does.
const FIRST: u32 = 1;

/// The tree below this process.
#[derive(Debug)]
pub(super) struct Tracked {
    own: Identity,
    tracker: Arc<Tracker>,
}

impl Tracked {
    pub(super) fn begin(own: Identity, run: &str) -> io::Result<Self> {
        let tracker = Arc::new(Tracker::begin(&own, COOKIE, run)?);
        Ok(Self { own, tracker })
    }
}

impl Hold for Tracked {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Tracked
    }

    fn at_start(&self, _mark: Option<u64>) -> AtStart<'_> {
        AtStart::default()
    }

    fn members(&self, _escapes: Option<Escapes<'_>>) -> io::Result<Vec<Identity>> {
        self.tracker.look()
    }

    fn own_children(&self) -> Vec<Identity> {
        let mut members = self.tracker.look().unwrap_or_default();
        let parents = [self.own.pid, FIRST];
        members.retain(|identity| {
            sys::stat(identity.pid, self.own.boot)
                .is_some_and(|stat| parents.contains(&stat.parent))
        });
        members
    }

    fn root_of(&self, process: &Identity) -> Option<Identity> {
        self.tracker.root_of(process)
    }

    fn watch(&self) -> io::Result<Option<Waiter>> {
        let tracker = Arc::clone(&self.tracker);
        Ok(Some(Box::new(move || {
            let goes_on = tracker.wait().is_ok();
            if goes_on {
                // The guardian looks too. But what has started another may be gone by then, so the first look is here.
                let _ = tracker.look();
            }
            goes_on
        })))
    }
}
