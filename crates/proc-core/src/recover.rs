//! Finishing a run whose guardian was killed: from its ledger, its cgroup, its mark, its cookie, and whom the kernel names
//! as starters.
//!
//! What a ledger says is a claim about the past. A process is ended on its word only when the identity still holds:
//! the same boot, the same PID namespace, the same start time.

mod starters;
mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::classify::{Kin, LivingOn};
use crate::contain::Remains;
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::ledger::{Entry, KnownRun, LOCK, Ledger, Member, RunState, take_lock};
use crate::shutdown::{self, Survivor};
use crate::sys;
use crate::table::{Process, Table};
use crate::wait::{Deadline, poll_until};
use traces::{Known, carries_mark, traces};

/// How long another command may hold a run's lock: whoever asks whether the run lives holds it for an instant.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long such an instant may be, until it is asked whether the run itself holds its lock.
const LOCK_INSTANT: Duration = Duration::from_millis(500);

/// How much longer than the grace a guardian may take that was asked to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a process of a dead run was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// It is in the run's cgroup.
    Container,
    /// It descends from a process of the run.
    Lineage,
    /// It carries the run's mark.
    Mark,
    /// Its environment names the run.
    Cookie,
    /// The ledger records its identity.
    #[serde(rename = "recorded_identity")]
    Recorded,
}

/// A process of a dead run.
#[derive(Clone, Debug)]
pub struct Remnant {
    /// Which.
    pub identity: Identity,
    /// How it was recognised.
    pub trace: Trace,
    /// Its name.
    pub name: String,
    /// Its command line.
    pub command: String,
    /// The member that it descends from, where its mark says so.
    pub member: Option<Member>,
}

/// What finishing a run has come to.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// What was left of it.
    pub remnants: Vec<Remnant>,
    /// What lives on, as the profiles of the clients say that started it. It is none of the remnants.
    pub living_on: Vec<Remnant>,
    /// Those of the remnants that did not end when asked.
    pub killed: Vec<Identity>,
    /// Those that are still there.
    pub survivors: Vec<Survivor>,
    /// Why nothing was done, if nothing could be.
    pub skipped: Option<Skipped>,
    /// Why its ledger still says that the run is not over, if it does: there may be no room for that on the disk. The
    /// next command looks again, and finds nothing.
    pub unclosed: Option<String>,
}

/// Why a dead run was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Another command is finishing it at this moment.
    Busy,
    /// It ran in another PID namespace (a container), where its processes have other PIDs.
    OtherNamespace,
}

/// A dead run cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The process table cannot be read, or a signal cannot be sent.
    #[error("cannot finish run {run}: {source}")]
    System {
        /// The run.
        run: String,
        /// Why.
        source: io::Error,
    },
}

/// Ends the guardian of a run, which does not do what it is asked, and does its work.
///
/// The guardian is asked once more, in the way in which every process is asked.
pub fn take_over(run: &KnownRun, grace: Duration) -> Result<Recovery, RecoveryError> {
    let guardian = &run.history.opened.guardian;
    if obstacle(run).is_ok_and(|obstacle| obstacle.is_none()) {
        shutdown::end_one(guardian, grace.saturating_add(PATIENCE));
    }
    finish(run, grace)
}

/// Why a dead run cannot be finished from here, if it cannot.
pub fn obstacle(run: &KnownRun) -> io::Result<Option<Skipped>> {
    // Nothing outlives a boot, wherever it ran.
    let is_out_of_reach = is_of_this_boot(run)? && !is_of_this_namespace(run)?;
    Ok(is_out_of_reach.then_some(Skipped::OtherNamespace))
}

fn is_of_this_boot(run: &KnownRun) -> io::Result<bool> {
    Ok(sys::boot()? == run.history.opened.boot)
}

fn is_of_this_namespace(run: &KnownRun) -> io::Result<bool> {
    Ok(sys::pid_namespace()? == run.history.opened.pid_namespace)
}

/// Whether the PIDs that its ledger names are PIDs here and now.
pub(crate) fn is_within_reach(run: &KnownRun) -> io::Result<bool> {
    Ok(is_of_this_boot(run)? && is_of_this_namespace(run)?)
}

/// Shows what is there of a run, and touches nothing.
pub fn remnants(run: &KnownRun) -> io::Result<Vec<Remnant>> {
    if !is_within_reach(run)? {
        return Ok(Vec::new());
    }
    // A cgroup that cannot be read leaves the other evidence.
    let contained = contained(run).unwrap_or_default();
    let table = Table::read()?;
    let kin = Kin::of_this_process(&table);
    let (traces, _) = traces(run, &table, &contained, &Known::default(), &kin);
    Ok(traces
        .into_iter()
        .filter_map(|(pid, trace)| Some(remnant(table.get(pid)?, trace)))
        .collect())
}

/// What the clients of a run may leave behind, where that is possible.
pub(crate) fn living_on(run: &KnownRun) -> LivingOn {
    let mut living_on = LivingOn::default();
    if run.history.mechanism.is_none_or(Mechanism::lets_live_on) {
        for (member, history) in &run.history.members {
            // Its guardian has taken them.
            let _ = living_on.allow(member.number(), &history.survive);
        }
    }
    living_on
}

/// Everything that is in the cgroup of a run.
pub(crate) fn contained(run: &KnownRun) -> io::Result<BTreeSet<Identity>> {
    let mut members = BTreeSet::new();
    if run.state != RunState::Closed && is_within_reach(run)? {
        for cgroup in remains(run) {
            members.extend(cgroup?.members(&run.history.opened.guardian)?);
        }
    }
    Ok(members)
}

/// What is there of the cgroups that its ledger names.
fn remains(run: &KnownRun) -> impl Iterator<Item = io::Result<Remains>> {
    let folders = run.history.cgroups.iter();
    folders.filter_map(|folder| Remains::find(&run.id, folder).transpose())
}

/// Ends what is left of a dead run, and closes its ledger.
pub fn finish(run: &KnownRun, grace: Duration) -> Result<Recovery, RecoveryError> {
    let system = |source| RecoveryError::System {
        run: run.id.clone(),
        source,
    };
    // Held until the end, so that two commands do not end the same run.
    let lock_within =
        |time| poll_until(Deadline::after(time), || take_lock(&run.folder).transpose());
    let mut lock = lock_within(LOCK_INSTANT);
    if lock.is_none() && !is_held_by_itself(run).map_err(system)? {
        lock = lock_within(LOCK_TIMEOUT);
        if lock.is_none() {
            return Ok(Recovery {
                skipped: Some(Skipped::Busy),
                ..Recovery::default()
            });
        }
    }
    let _lock = match lock {
        Some(Ok(lock)) => Some(lock),
        // Nobody else can find a run whose folder is gone, or hold a lock that is none.
        Some(Err(_)) if !run.folder.join(LOCK).is_file() => None,
        Some(Err(error)) => return Err(system(error)),
        None => None,
    };
    if let Some(skipped) = obstacle(run).map_err(system)? {
        return Ok(Recovery {
            skipped: Some(skipped),
            ..Recovery::default()
        });
    }
    let mut recovery = if is_of_this_boot(run).map_err(system)? {
        end(run, grace).map_err(system)?
    } else {
        Recovery::default()
    };
    if recovery.survivors.is_empty() {
        recovery.unclosed = close(run, &recovery.living_on).err();
    }
    Ok(recovery)
}

/// Whether a process of the run has its lock open, as none has that is to end it. The lock is a file like others to it.
fn is_held_by_itself(run: &KnownRun) -> io::Result<bool> {
    let lock = run.folder.join(LOCK);
    let mut remnants = remnants(run)?.into_iter();
    Ok(remnants.any(|remnant| sys::has_open(remnant.identity.pid, &lock)))
}

/// Puts away what a run has used up of which nothing is left but what lives on. The error says why a later command has to look again,
/// for people: somebody may be in its cgroup who is not to be ended, such as an ancestor of this process.
fn close(run: &KnownRun, living_on: &[Remnant]) -> Result<(), String> {
    if is_within_reach(run).map_err(|error| error.to_string())? {
        for cgroup in remains(run) {
            cgroup
                .and_then(|cgroup| cgroup.dissolve())
                .map_err(|error| format!("cannot remove its cgroup: {error}"))?;
        }
    }
    let living_on = living_on.iter().map(|remnant| remnant.identity).collect();
    Ledger::reopen(&run.folder)
        .and_then(|mut ledger| ledger.append(&Entry::Closed { living_on }))
        .map_err(|error| error.to_string())
}

fn end(run: &KnownRun, grace: Duration) -> io::Result<Recovery> {
    let mut hunt = Hunt::begin(run)?;
    let present = hunt.look(|_| {})?;
    hunt.let_go();
    for cgroup in &hunt.remains {
        cgroup.thaw();
    }
    // What those leave behind that were asked was not there to be asked, and is not waited for.
    shutdown::ask_and_wait(&present, grace);
    hunt.look(|_| {})?;
    hunt.let_go();
    hunt.strike();
    let killed = shutdown::kill_all(|| {
        let found = hunt.look(shutdown::stop)?;
        hunt.let_go();
        Ok(found)
    })?;
    // Each look has left out a cgroup that did not tell who is in it, so that what else gave somebody away still
    // counted. Nothing is called gone because of that.
    contained(run)?;
    hunt.living_on
        .retain(|identity, _| shutdown::is_there(identity));
    Ok(Recovery {
        remnants: hunt.seen.into_values().collect(),
        living_on: hunt.living_on.into_values().collect(),
        killed: killed.killed.into_iter().collect(),
        survivors: killed.survivors,
        ..Recovery::default()
    })
}

/// Looking for what is left of a run again and again.
struct Hunt<'a> {
    run: &'a KnownRun,
    remains: Vec<Remains>,
    kin: Kin,
    allowed: LivingOn,
    seen: BTreeMap<Identity, Remnant>,
    living_on: BTreeMap<Identity, Remnant>,
    numbers: BTreeSet<u64>,
}

impl<'a> Hunt<'a> {
    fn begin(run: &'a KnownRun) -> io::Result<Self> {
        Ok(Self {
            run,
            remains: remains(run).filter_map(Result::ok).collect(),
            kin: Kin::of_this_process(&Table::read()?),
            allowed: living_on(run),
            seen: BTreeMap::new(),
            living_on: BTreeMap::new(),
            numbers: BTreeSet::new(),
        })
    }

    /// Everything that is there of the run. What carries its mark is shown at once: a process that starts another and
    /// leaves, again and again, is gone when all others have been looked at.
    fn look(&mut self, at_once: impl Fn(&Identity)) -> io::Result<Vec<Identity>> {
        let table = Table::read_with(|process| {
            if carries_mark(self.run, process)
                && !self.may_live_on(process)
                && !self.kin.line.contains(&process.identity())
            {
                at_once(&process.identity());
            }
        })?;
        let contained = self.contained();
        let known = Known {
            ending: self.seen.keys().copied().collect(),
            living_on: self.living_on.keys().copied().collect(),
            numbers: self.numbers.clone(),
        };
        let mut identities = Vec::new();
        let (ending, living_on) = traces(self.run, &table, &contained, &known, &self.kin);
        for (pid, trace) in living_on {
            let Some(process) = table.get(pid) else {
                continue;
            };
            self.living_on
                .entry(process.identity())
                .or_insert_with(|| remnant(process, trace));
        }
        for (pid, trace) in ending {
            let Some(process) = table.get(pid) else {
                continue;
            };
            identities.push(process.identity());
            self.numbers
                .extend(process.origin().map(|origin| origin.number));
            self.seen
                .entry(process.identity())
                .or_insert_with(|| remnant(process, trace));
        }
        for identity in contained {
            let is_new = table.find(&identity).is_none() && !self.kin.line.contains(&identity);
            let Some(process) = Process::read(identity.pid).filter(|_| is_new) else {
                continue;
            };
            // The next look knows where it comes from.
            let is_unclear = self.may_live_on(&process);
            if process.identity() == identity && !process.is_zombie() && !is_unclear {
                identities.push(identity);
                self.seen
                    .entry(identity)
                    .or_insert_with(|| remnant(&process, Trace::Container));
            }
        }
        Ok(identities)
    }

    fn contained(&self) -> BTreeSet<Identity> {
        let guardian = &self.run.history.opened.guardian;
        let members = self.remains.iter().map(|cgroup| cgroup.members(guardian));
        members.filter_map(Result::ok).flatten().collect()
    }

    /// Whether a process may be one that lives on. That is only known when its parent has been looked at.
    fn may_live_on(&self, process: &Process) -> bool {
        let mark = process.mark();
        mark.is_some_and(|(_, client)| self.allowed.concerns(client))
    }

    /// Takes what lives on out of the run's cgroup.
    fn let_go(&self) {
        for cgroup in &self.remains {
            for identity in self.living_on.keys() {
                let _ = cgroup.let_go(identity);
            }
        }
    }

    /// Kills the run's cgroup as one, unless somebody is in it who is to be spared. What that does not reach is for the
    /// looks that follow.
    fn strike(&self) {
        let guardian = &self.run.history.opened.guardian;
        let is_spared = |member: &Identity| {
            self.kin.line.contains(member) || self.living_on.contains_key(member)
        };
        for cgroup in &self.remains {
            let _ = cgroup.strike(guardian, is_spared);
        }
    }
}

fn remnant(process: &Process, trace: Trace) -> Remnant {
    Remnant {
        identity: process.identity(),
        trace,
        name: process.name(),
        command: process.command(),
        member: process
            .mark()
            .and_then(|(_, number)| Member::from_number(number)),
    }
}
