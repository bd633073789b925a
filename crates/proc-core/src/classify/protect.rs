//! What is protected for the caller's sake.

use std::collections::{BTreeMap, BTreeSet};

use super::ProtectedReason;
use crate::pipe_peers::{PipePeer, PipePeers};
use crate::sys;
use crate::table::{Process, Table};

/// Within how much time all programs of a pipeline are started, in whatever order: a second. Times are in the units of
/// the one system on which streams are compared, 100 ns.
const AT_ONCE: u64 = 10_000_000;

/// The process on whose behalf is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its PID.
    pub pid: u32,
    /// The PIDs of the processes that share its console, where a console is something that processes have.
    pub console: Vec<u32>,
}

impl Caller {
    /// A process that shares no console.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            console: Vec::new(),
        }
    }

    /// The process that this code runs in.
    pub fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            console: sys::in_own_console(),
        }
    }
}

/// The processes that are protected, and why.
struct Protected<'a> {
    table: &'a Table,
    reasons: BTreeMap<u32, ProtectedReason>,
}

/// The caller, and the lines that hold it: its ancestors (the loop script is one), its session's leader with the
/// terminal above it, each process that reads what it says or writes what it reads, and the debuggers of all these with
/// the programs above them. Where the line of ancestors may be cut, also each process that shares its console.
pub(super) fn lines(table: &Table, caller: &Caller) -> BTreeMap<u32, ProtectedReason> {
    let mut protected = Protected {
        table,
        reasons: BTreeMap::from([(caller.pid, ProtectedReason::Caller)]),
    };
    let line = table.ancestors(caller.pid);
    protected.add(line.first().copied(), &ProtectedReason::Ancestor);
    let own = table.get(caller.pid);
    if let Some(own) = own
        && line.last().unwrap_or(&own).takes_a_place()
    {
        protected.add_console(own, &caller.console);
    }
    let leader = own.and_then(|own| {
        // A leader that is younger than the caller is a newcomer with the PID of one that is gone.
        table
            .get(own.session())
            .filter(|leader| leader.session() == own.session())
            .filter(|leader| leader.identity().start <= own.identity().start)
    });
    protected.add(leader, &ProtectedReason::Session);
    if let Some(own) = own {
        protected.add_readers(own);
        protected.add_neighbours(own);
    }
    // A debugger takes along what it debugs when it ends.
    let tracers: Vec<u32> = protected
        .reasons
        .keys()
        .filter_map(|pid| table.get(*pid)?.tracer())
        .collect();
    for tracer in tracers {
        protected.add(table.get(tracer), &ProtectedReason::Debugger);
    }
    protected.reasons
}

impl<'a> Protected<'a> {
    /// Protects a process and its ancestors.
    fn add(&mut self, first: Option<&'a Process>, reason: &ProtectedReason) {
        let Some(first) = first else { return };
        let above = self.table.ancestors(first.identity().pid);
        for process in std::iter::once(first).chain(above) {
            let pid = process.identity().pid;
            self.reasons.entry(pid).or_insert_with(|| reason.clone());
        }
    }

    /// Protects what shares the caller's console and is old enough to have started it.
    fn add_console(&mut self, own: &'a Process, pids: &[u32]) {
        for pid in pids {
            let mate = self.table.get(*pid);
            let mate = mate.filter(|mate| mate.identity().start <= own.identity().start);
            self.add(mate, &ProtectedReason::Console);
        }
    }

    /// Protects what the caller's output goes to, through as many pipes as there are.
    ///
    /// Mostly an ancestor reads it, or a process of the session, and nothing else is looked at then. Only where neither
    /// does, the caller has left its reader's session (`setsid`).
    fn add_readers(&mut self, own: &'a Process) {
        let mut open: BTreeSet<u64> = own.pipes_written().iter().copied().collect();
        if open.is_empty() {
            return;
        }
        let mut rest = self.table.ancestors(own.identity().pid);
        let others = self.table.iter().filter(|process| {
            let is_known = self.reasons.contains_key(&process.identity().pid);
            !process.is_kernel() && !is_known
        });
        let is_near = |process: &&Process| process.session() == own.session();
        let (mut near, mut far): (Vec<&Process>, Vec<&Process>) = others.partition(is_near);
        near.reverse();
        far.reverse();
        rest.append(&mut near);
        rest.append(&mut far);
        while !open.is_empty() {
            let is_reader = |process: &&Process| {
                (is_near(process) || process.is_own() == Some(true))
                    && process.pipes_read().iter().any(|p| open.contains(p))
            };
            let Some(at) = rest.iter().position(is_reader) else {
                return;
            };
            let reader = rest.remove(at);
            open.retain(|pipe| !reader.pipes_read().contains(pipe));
            // What reads the output of an ancestor is the ancestor's own business.
            if !self.reasons.contains_key(&reader.identity().pid) {
                open.extend(reader.pipes_written());
            }
            self.add(Some(reader), &ProtectedReason::Reader);
        }
    }

    /// Protects what may be at the other end of a pipe, where the system does not tell what is.
    ///
    /// A process that makes a pipe for one program of a pipeline makes it for another one too: a sibling, started with
    /// it or later. On the way up from the caller each pipe is at the level at which it was made; below that it is
    /// inherited.
    fn add_neighbours(&mut self, own: &'a Process) {
        let mut below = own;
        for above in self.table.ancestors(own.identity().pid) {
            let Some(ours) = below.pipe_peers() else {
                return;
            };
            let earliest = below.identity().start.saturating_sub(AT_ONCE);
            let siblings = self.table.children(above.identity().pid).iter();
            let siblings: Vec<&Process> = siblings
                .filter_map(|pid| self.table.get(*pid))
                .filter(|sibling| sibling.identity() != below.identity())
                .filter(|sibling| sibling.session() == own.session() && !sibling.is_kernel())
                .filter(|sibling| sibling.identity().start >= earliest)
                .collect();
            for sibling in siblings {
                if ours.output.may_be_new_pipe() {
                    self.add_end(sibling, |peers| peers.input, &ProtectedReason::Reader);
                }
                if ours.input.may_be_new_pipe() {
                    self.add_end(sibling, |peers| peers.output, &ProtectedReason::Writer);
                }
            }
            below = above;
        }
    }

    /// Protects a process for which a pipe was made, and those to which it has left that pipe.
    fn add_end(
        &mut self,
        first: &'a Process,
        end: fn(PipePeers) -> PipePeer,
        reason: &ProtectedReason,
    ) {
        if !first
            .pipe_peers()
            .map(end)
            .is_some_and(PipePeer::may_be_new_pipe)
        {
            return;
        }
        let mut open = vec![first];
        while let Some(holder) = open.pop() {
            self.add(Some(holder), reason);
            let children = self.table.children(holder.identity().pid).iter();
            let children = children.filter_map(|pid| self.table.get(*pid));
            open.extend(
                children.filter(|child| child.pipe_peers().map(end) == Some(PipePeer::Inherited)),
            );
        }
    }
}
