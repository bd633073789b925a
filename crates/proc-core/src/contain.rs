//! Containment: knowing everything that a run has started, whatever it does to hide.
//!
//! The guardian is child subreaper in any case: an orphan below it becomes its child instead of init's, so everything
//! that a run ever starts stays below its guardian for as long as the guardian lives. No child left means nothing left.
//! What a stronger mechanism adds outlives the guardian, or ends with it.
//!
//! On Windows nobody adopts orphans. There a job object holds everything that a run starts, whoever started it, and ends
//! with the guardian.
//!
//! Where there are neither subreapers nor jobs, orphans become children of the system's first process. There the guardian
//! follows its tree from fork to fork, and what it has once seen it knows for good; what it has never seen it may miss.
//!
//! In a PID namespace orphans become children of its first process, which is itself a child of the guardian, and no
//! member. It is the last to be ended, and the kernel lets nothing of the namespace outlive it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::guarantee::Mechanism;
use crate::identity::{Boot, Identity};
use crate::ledger::live_holders;
use crate::mark::Mark;
use crate::membership::{Member, Membership, RunSigns, is_of_its_time};
use crate::sys::{self, Cgroup, Job, Link, Signal, Tracker};
use crate::table::{COOKIE, Process, Table};
use crate::wait::{Deadline, poll_until};

/// How often at the most one look reads the list of the guardian's own children.
const WALKS: usize = 64;

/// How long a cgroup may go on to hold its last member, which no list shows any more.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a start may take until the cgroup in which it is to happen may be frozen.
const THAW_INTERVAL: Duration = Duration::from_millis(100);

/// The PID of the system's first process, which adopts orphans that nobody else does.
const FIRST: u32 = 1;

/// The mechanisms that this system may have, the strongest first.
pub const fn mechanisms() -> &'static [Mechanism] {
    sys::MECHANISMS
}

/// The tree below this process, which is the guardian of a run.
#[derive(Debug)]
pub(crate) struct Containment {
    own: Identity,
    mark: Option<Mark>,
    cgroup: Option<Cgroup>,
    init: Option<Init>,
    job: Option<Job>,
    tracker: Option<Arc<Tracker>>,
}

/// The first process of a PID namespace: when it ends, the kernel ends all others.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) identity: Identity,
    /// It says a byte when it has collected orphans, and ends when this end is gone.
    pub(crate) link: Link,
}

impl Containment {
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
        Ok(Self {
            own,
            mark,
            cgroup: None,
            init: None,
            job: None,
            tracker: None,
        })
    }

    /// Puts everything that is started from now on into a cgroup of the run, in the nearest place that takes one.
    /// `intend` is told of each folder before it is made.
    pub(crate) fn make_cgroup(
        &mut self,
        run: &str,
        mut intend: impl FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut refusal = io::Error::from(io::ErrorKind::NotFound);
        for place in sys::cgroup_places()? {
            let folder = place.join(cgroup_name(run));
            intend(&folder)?;
            match Cgroup::make(&folder) {
                Ok(cgroup) => {
                    self.cgroup = Some(cgroup);
                    return Ok(());
                }
                Err(error) => {
                    refusal =
                        io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
                }
            }
        }
        Err(refusal)
    }

    /// Puts everything that is started from now on into a job of the run.
    pub(crate) fn make_job(&mut self) -> io::Result<()> {
        self.job = Some(Job::make()?);
        Ok(())
    }

    /// Everything that is started from now on is in the PID namespace of this process.
    pub(crate) fn follow(&mut self, init: Init) {
        self.init = Some(init);
    }

    /// Follows everything that is started from now on from fork to fork.
    pub(crate) fn track(&mut self, run: &str) -> io::Result<Arc<Tracker>> {
        let tracker = Arc::new(Tracker::begin(&self.own, COOKIE, run)?);
        self.tracker = Some(Arc::clone(&tracker));
        Ok(tracker)
    }

    /// How the run is contained.
    pub(crate) fn mechanism(&self) -> Mechanism {
        match (&self.job, &self.init, &self.cgroup, &self.tracker) {
            (Some(_), _, _, _) => Mechanism::Job,
            (None, Some(_), _, _) => Mechanism::Pidns,
            (None, None, Some(_), _) => Mechanism::Cgroup,
            (None, None, None, Some(_)) => Mechanism::Tracked,
            (None, None, None, None) => Mechanism::Subreaper,
        }
    }

    /// What a member gets before its first instruction.
    pub(crate) fn for_member(&self, member: Member) -> sys::AtStart<'_> {
        sys::AtStart {
            real_time_limit: self.mark.map(|mark| mark.for_member(member.number())),
            cgroup: self.cgroup.as_ref(),
            in_namespace: self.init.is_some(),
            job: self.job.as_ref(),
        }
    }

    /// The PID by which members know a member.
    pub(crate) fn pid_inside(&self, member: &Identity) -> u32 {
        let inside = self
            .init
            .as_ref()
            .and_then(|_| sys::innermost_pid(member.pid));
        inside.unwrap_or(member.pid)
    }

    /// Lets everything go on that was frozen. What cannot be thawed is killed frozen.
    pub(crate) fn thaw(&self) {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.thaw();
        }
    }

    /// Does something that waits for a process of the tree, and thaws the tree while it does not come to an end.
    pub(crate) fn keep_going<T>(&self, act: impl FnOnce() -> T) -> T {
        if self.cgroup.is_none() {
            return act();
        }
        thread::scope(|scope| {
            // Dropped when it is over, whatever comes of it.
            let (_going, is_over) = mpsc::channel::<()>();
            let thaw = move || {
                while is_over.recv_timeout(THAW_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    self.thaw();
                }
            };
            // Where there is no room for a thread, there is none for a process.
            let _ = thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, thaw);
            act()
        })
    }

    /// Ends everything at once where the kernel can do that. Where it can, it misses nothing, but what has left on its
    /// own is for another look.
    pub(crate) fn strike(&self, is_spared: impl Fn(&Identity) -> bool) -> io::Result<()> {
        if let Some(init) = &self.init {
            sys::hang_up(&init.link);
            if let Some(handle) = sys::pin(&init.identity)? {
                sys::signal(&handle, Signal::Kill)?;
            }
        }
        if let Some(job) = &self.job {
            job.kill()?;
        }
        self.cgroup
            .as_ref()
            .map_or(Ok(()), |cgroup| strike(cgroup, &self.own, is_spared))
    }

    /// Takes a process out of what ends as one. It stays in the tree for as long as this process is there.
    pub(crate) fn let_go(&self, identity: &Identity) -> io::Result<()> {
        self.cgroup
            .as_ref()
            .map_or(Ok(()), |cgroup| let_go(cgroup, identity))
    }

    /// Who is in what ends as one.
    pub(crate) fn contained(&self) -> io::Result<Vec<Identity>> {
        self.cgroup
            .as_ref()
            .map_or(Ok(Vec::new()), |cgroup| contained(cgroup, &self.own))
    }

    /// Gives back what the kernel has kept for the run, of which nothing is left.
    pub(crate) fn dissolve(&self) -> io::Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), remove)
    }

    /// The boot in which this process runs.
    pub(crate) fn boot(&self) -> Boot {
        self.own.boot
    }

    /// The mark of everything in the tree.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// The one among this process's own children that a process of the tree descends from, where the tree was followed
    /// from fork to fork.
    pub(crate) fn root_of(&self, identity: &Identity) -> Option<Identity> {
        self.tracker.as_ref()?.root_of(identity)
    }

    /// Everything that lives in the tree. `escapes`: also what is of the run with these signs and in no job of it, because
    /// a member has had another program start it: a service, a broker, a task scheduler.
    pub(crate) fn members(&self, escapes: Option<(&RunSigns, &Path)>) -> io::Result<Vec<Identity>> {
        if let Some(job) = &self.job {
            let mut members = living(job.pids()?, self.own.boot);
            if let Some((signs, folder)) = escapes {
                let table = Table::read()?;
                let find_holders = || live_holders(folder, &table);
                let swept = Membership::of_run(&table, signs, find_holders).sweep();
                let outside = swept.ending.keys().filter_map(|pid| table.get(*pid));
                let outside = outside.filter(|process| {
                    process.is_own() == Some(true)
                        && !members.contains(&process.identity())
                        && !job.serves(process.pid())
                });
                let mut outside = outside.map(Process::identity).collect();
                members.append(&mut outside);
            }
            return Ok(members);
        }
        if let Some(tracker) = &self.tracker {
            return tracker.look();
        }
        let mut members = match self.walk() {
            Some(members) => members,
            None => self.search()?,
        };
        // A cgroup that does not tell who is in it is no reason to lose sight of the tree. It cannot be removed before
        // everybody has left it, so nobody in it is taken for gone.
        if let Ok(contained) = self.contained() {
            let known: BTreeSet<u32> = members.iter().map(|identity| identity.pid).collect();
            let is_new = |identity: &Identity| !known.contains(&identity.pid);
            members.extend(contained.into_iter().filter(is_new));
        }
        Ok(members)
    }

    /// Whether nothing lives in the tree. `has_children`: this process has some, which may have ended and wait to be
    /// collected.
    pub(crate) fn is_empty(&self, has_children: bool) -> bool {
        if self.job.is_some() || self.tracker.is_some() {
            return self.members(None).is_ok_and(|members| members.is_empty());
        }
        if !has_children || self.init.is_none() {
            return !has_children;
        }
        // Whoever ends hands its children to this process or to the first of the namespace, so something lives only if
        // one of their children does. A list that was read before such an end does not show them.
        let mut seen = BTreeSet::new();
        for _ in 0..WALKS {
            let Some(children) = self.children() else {
                return self.members(None).is_ok_and(|members| members.is_empty());
            };
            let is_complete = children.iter().all(|pid| seen.contains(pid));
            if children.iter().any(|pid| self.living(*pid).is_some()) {
                return false;
            }
            if is_complete {
                return true;
            }
            seen.extend(children);
        }
        false
    }

    /// What in the tree was started by this process, and every orphan. None where the kernel keeps no lists of children.
    pub(crate) fn own_children(&self) -> Vec<Identity> {
        if let Some(tracker) = &self.tracker {
            let mut members = tracker.look().unwrap_or_default();
            let parents = [self.own.pid, FIRST];
            members.retain(|identity| {
                sys::stat(identity.pid, self.own.boot)
                    .is_some_and(|stat| parents.contains(&stat.parent))
            });
            return members;
        }
        let children = self.children().unwrap_or_default();
        children
            .into_iter()
            .filter_map(|pid| self.living(pid))
            .collect()
    }

    /// The first process of the namespace, which lives or waits to be collected.
    pub(crate) fn init(&self) -> Option<Identity> {
        let init = self.init.as_ref()?.identity;
        // Its PID is its own until this process collects it.
        sys::stat(init.pid, self.own.boot)
            .map(|stat| stat.identity)
            .filter(|identity| *identity == init)
    }

    /// The PIDs of what was started by this process, and of every orphan. `None`: this kernel keeps no lists of
    /// children.
    fn children(&self) -> Option<Vec<u32>> {
        let mut children = sys::children(std::process::id())?;
        if let Some(init) = self.init() {
            children.retain(|pid| *pid != init.pid);
            children.extend(sys::children(init.pid).unwrap_or_default());
        }
        Some(children)
    }

    fn living(&self, pid: u32) -> Option<Identity> {
        let stat = sys::stat(pid, self.own.boot).filter(|stat| !stat.zombie)?;
        Some(stat.identity)
    }

    /// Follows the kernel's lists of children. `None`: this kernel keeps none.
    fn walk(&self) -> Option<Vec<Identity>> {
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..WALKS {
            // A process that has ended since has handed its children on: the lists in which they are now are read until
            // they show nobody new.
            let mut open = self.children()?;
            open.retain(|pid| !seen.contains(pid));
            if open.is_empty() {
                break;
            }
            while let Some(pid) = open.pop() {
                if !seen.insert(pid) {
                    continue;
                }
                members.extend(self.living(pid));
                open.extend(sys::children(pid).unwrap_or_default());
            }
        }
        Some(members)
    }

    /// Looks through the whole table for what descends from this process.
    fn search(&self) -> io::Result<Vec<Identity>> {
        let table = Table::read()?;
        let pids = table.descendants(&BTreeSet::from([std::process::id()]));
        let init = self.init();
        let processes = pids.iter().filter_map(|pid| table.get(*pid));
        Ok(processes
            .filter(|process| !process.is_zombie())
            .map(Process::identity)
            .filter(|identity| Some(*identity) != init)
            .collect())
    }
}

/// The cgroup of a run whose guardian is not this process.
#[derive(Debug)]
pub(crate) struct Remains(Cgroup);

impl Remains {
    /// What is there of a cgroup that a run's ledger names. `None`: nothing.
    pub(crate) fn find(run: &str, folder: &Path) -> io::Result<Option<Self>> {
        // The name is the run's own: nothing else that a ledger may name is ever looked at, much less killed.
        if folder.file_name() != Some(cgroup_name(run).as_ref()) {
            return Ok(None);
        }
        Ok(Cgroup::find(folder)?.map(Self))
    }

    /// Everything of the run that lives in it.
    pub(crate) fn members(&self, guardian: &Identity) -> io::Result<Vec<Identity>> {
        contained(&self.0, guardian)
    }

    /// Lets everything in it go on that was frozen, so that it can do what it is asked.
    pub(crate) fn thaw(&self) {
        let _ = self.0.thaw();
    }

    /// Takes a process out of it.
    pub(crate) fn let_go(&self, identity: &Identity) -> io::Result<()> {
        let_go(&self.0, identity)
    }

    /// Kills it as one, unless somebody is in it who is to be spared.
    pub(crate) fn strike(
        &self,
        guardian: &Identity,
        is_spared: impl Fn(&Identity) -> bool,
    ) -> io::Result<()> {
        strike(&self.0, guardian, is_spared)
    }

    /// Removes it.
    pub(crate) fn dissolve(&self) -> io::Result<()> {
        remove(&self.0)
    }
}

fn cgroup_name(run: &str) -> String {
    format!("clean-slate-{run}")
}

/// What lives in the cgroup of a run.
fn contained(cgroup: &Cgroup, guardian: &Identity) -> io::Result<Vec<Identity>> {
    let mut identities = inhabitants(cgroup, guardian.boot)?;
    identities.retain(|identity| is_of_its_time(guardian, identity));
    Ok(identities)
}

/// Kills a cgroup as one, unless somebody is in it who is to be spared or does not belong there.
fn strike(
    cgroup: &Cgroup,
    guardian: &Identity,
    is_spared: impl Fn(&Identity) -> bool,
) -> io::Result<()> {
    let is_fair = |identity: &Identity| is_of_its_time(guardian, identity) && !is_spared(identity);
    if inhabitants(cgroup, guardian.boot)?.iter().all(is_fair) {
        cgroup.kill()?;
    }
    Ok(())
}

fn let_go(cgroup: &Cgroup, identity: &Identity) -> io::Result<()> {
    // A process is moved by its PID, of which there is no handle. One that was looked at a moment ago and is in the
    // cgroup of a run is no stranger.
    let is_inside = inhabitants(cgroup, identity.boot)?.contains(identity);
    if is_inside {
        cgroup.let_out(identity.pid)?;
    }
    Ok(())
}

fn inhabitants(cgroup: &Cgroup, boot: Boot) -> io::Result<Vec<Identity>> {
    Ok(living(cgroup.pids()?, boot))
}

fn living(pids: BTreeSet<u32>, boot: Boot) -> Vec<Identity> {
    let stats = pids.into_iter().filter_map(|pid| sys::stat(pid, boot));
    stats
        .filter(|stat| !stat.zombie)
        .map(|stat| stat.identity)
        .collect()
}

fn remove(cgroup: &Cgroup) -> io::Result<()> {
    let mut refusal = None;
    let removed = poll_until(Deadline::after(REMOVAL_TIMEOUT), || match cgroup.remove() {
        Ok(()) => Some(()),
        Err(error) => {
            refusal = Some(error);
            None
        }
    });
    match (removed, refusal) {
        (None, Some(error)) => Err(error),
        _ => Ok(()),
    }
}
