//! Containment: knowing everything that a run has started, whatever it does to hide, and ending it as one where the
//! kernel can.
//!
//! One mechanism, one file; all of them have the same verbs ([`Hold`]). On Linux the guardian is child subreaper in any
//! case: an orphan below it becomes its child instead of init's, so everything that a run ever starts stays below its
//! guardian for as long as the guardian lives. No child left means nothing left. What a stronger mechanism adds outlives
//! the guardian, or ends with it.

#[cfg(target_os = "linux")]
mod cgroup;
mod hold;
#[cfg(windows)]
mod job;
#[cfg(target_os = "linux")]
mod pidns;
mod remains;
#[cfg(target_os = "linux")]
mod subreaper;
#[cfg(target_os = "macos")]
mod tracked;

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::guarantee::Mechanism;
use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::membership::Member;
use crate::sys;
pub(crate) use hold::{Escapes, Hold, Waiter};
pub(crate) use remains::Remains;

/// How long a start may take until what may be frozen is thawed for it.
const THAW_INTERVAL: Duration = Duration::from_millis(100);

/// The mechanisms that this system may have, the strongest first.
pub const fn mechanisms() -> &'static [Mechanism] {
    sys::MECHANISMS
}

/// The process that holds a run, and the mark of everything that it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    own: Identity,
    mark: Option<Mark>,
}

/// Everything below this process, which is the guardian of a run.
#[derive(Debug)]
pub(crate) struct Containment {
    root: Root,
    hold: Box<dyn Hold>,
}

impl Root {
    /// Makes this process a guardian.
    pub(crate) fn begin() -> io::Result<Self> {
        let own = sys::stat(std::process::id(), sys::boot()?);
        let own = own.ok_or(io::ErrorKind::NotFound)?.identity;
        sys::become_guardian()?;
        let mark = if sys::CAN_MARK {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let random = u64::from_ne_bytes(random);
            Some(Mark::below(random, sys::own_real_time_limit()))
        } else {
            None
        };
        Ok(Self { own, mark })
    }

    /// The boot in which this process runs.
    pub(crate) fn boot(&self) -> Boot {
        self.own.boot
    }

    /// The mark of everything in the tree.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }
}

impl Containment {
    /// Contains everything that is started from now on. `intend` is told of each folder of a cgroup before it is made.
    pub(crate) fn obtain(
        root: Root,
        mechanism: Mechanism,
        run: &str,
        intend: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let hold: Box<dyn Hold> = match mechanism {
            #[cfg(target_os = "linux")]
            Mechanism::Subreaper => Box::new(subreaper::Subreaper { own: root.own }),
            #[cfg(target_os = "linux")]
            Mechanism::Cgroup => Box::new(cgroup::InCgroup::make(root.own, run, intend)?),
            #[cfg(target_os = "linux")]
            Mechanism::Pidns => Box::new(pidns::InNamespace::make(root.own)?),
            #[cfg(windows)]
            Mechanism::Job => Box::new(job::InJob::make(root.own)?),
            #[cfg(target_os = "macos")]
            Mechanism::Tracked => Box::new(tracked::Tracked::begin(root.own, run)?),
            _ => {
                let _ = (run, intend);
                let why = "this operating system has none";
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
        };
        Ok(Self { root, hold })
    }

    /// The process that holds the run, and its mark.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Starts a command as a member, contained before its first instruction.
    pub(crate) fn start(&self, mut command: Command, member: Member) -> io::Result<Identity> {
        let mark = self.root.mark.map(|mark| mark.for_member(member.number()));
        let at_start = self.hold.at_start(mark);
        sys::contain_at_start(&mut command, at_start)?;
        let pid = self.keep_going(|| self.hold.start(command, at_start))?;
        let stat = sys::stat(pid, self.root.boot());
        let unseen = || io::Error::other("the process table does not show the new process");
        stat.map(|stat| stat.identity).ok_or_else(unseen)
    }

    /// Does something that waits for a process of the tree, and thaws the tree while it does not come to an end: the
    /// start of a process waits for its first instruction, and a member may have frozen the cgroup that it enters.
    fn keep_going<T>(&self, act: impl FnOnce() -> T) -> T {
        if !self.hold.can_be_frozen() {
            return act();
        }
        thread::scope(|scope| {
            // Dropped when it is over, whatever comes of it.
            let (_going, is_over) = mpsc::channel::<()>();
            let thaw = move || {
                while is_over.recv_timeout(THAW_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    self.hold.thaw();
                }
            };
            // Where there is no room for a thread, there is none for a process.
            let _ = thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, thaw);
            act()
        })
    }
}

impl Deref for Containment {
    type Target = dyn Hold;

    fn deref(&self) -> &Self::Target {
        &*self.hold
    }
}
