//! Who is protected for the caller's sake.

use std::collections::{BTreeMap, BTreeSet};

use super::lineage::Lineage;
use super::{ProtectedReason, Subject};

/// The process on whose behalf is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its PID.
    pub pid: u32,
}

impl Caller {
    /// The process that this code runs in.
    pub fn this_process() -> Self {
        Self {
            pid: std::process::id(),
        }
    }
}

/// Those who are protected, and why.
struct Protected<'a, 'l> {
    lineage: &'l Lineage<'a>,
    reasons: BTreeMap<u32, ProtectedReason>,
}

/// The caller, and the lines that hold it: its ancestors (the loop script is one), its session's leader with the
/// terminal above it, whoever reads what it says, and the debuggers of all these with the programs above them.
pub(super) fn lines(lineage: &Lineage<'_>, caller: Caller) -> BTreeMap<u32, ProtectedReason> {
    let mut protected = Protected {
        lineage,
        reasons: BTreeMap::from([(caller.pid, ProtectedReason::Caller)]),
    };
    let parent = lineage.ancestors(caller.pid).first().copied();
    protected.add(parent, &ProtectedReason::Ancestor);
    let own = lineage.get(caller.pid);
    let leader = own.and_then(|own| {
        // A leader that is younger than the caller is a newcomer with the PID of one that is gone.
        lineage
            .get(own.session())
            .filter(|leader| leader.session() == own.session())
            .filter(|leader| leader.identity().start <= own.identity().start)
    });
    protected.add(leader, &ProtectedReason::Session);
    if let Some(own) = own {
        protected.add_readers(own);
    }
    // A debugger takes along what it debugs when it ends.
    let tracers: Vec<u32> = protected
        .reasons
        .keys()
        .filter_map(|pid| lineage.get(*pid)?.tracer())
        .collect();
    for tracer in tracers {
        protected.add(lineage.get(tracer), &ProtectedReason::Debugger);
    }
    protected.reasons
}

impl<'a> Protected<'a, '_> {
    /// Protects a process and its ancestors.
    fn add(&mut self, first: Option<&'a dyn Subject>, reason: &ProtectedReason) {
        let Some(first) = first else { return };
        let above = self.lineage.ancestors(first.identity().pid);
        for subject in std::iter::once(first).chain(above) {
            let pid = subject.identity().pid;
            self.reasons.entry(pid).or_insert_with(|| reason.clone());
        }
    }

    /// Protects what the caller's output goes to, through as many pipes as there are.
    ///
    /// Mostly an ancestor reads it, or somebody of the session, and nobody else is looked at then. Only where neither
    /// does, the caller has left its reader's session (`setsid`).
    fn add_readers(&mut self, own: &'a dyn Subject) {
        let mut open: BTreeSet<u64> = own.pipes_written().iter().copied().collect();
        if open.is_empty() {
            return;
        }
        let mut rest = self.lineage.ancestors(own.identity().pid);
        let others = self.lineage.iter().filter(|subject| {
            let is_known = self.reasons.contains_key(&subject.identity().pid);
            !subject.is_kernel() && !is_known
        });
        let is_near = |subject: &&dyn Subject| subject.session() == own.session();
        let (mut near, mut far): (Vec<&dyn Subject>, Vec<&dyn Subject>) = others.partition(is_near);
        near.reverse();
        far.reverse();
        rest.append(&mut near);
        rest.append(&mut far);
        while !open.is_empty() {
            let is_reader = |subject: &&dyn Subject| {
                (is_near(subject) || subject.is_own() == Some(true))
                    && subject.pipes_read().iter().any(|p| open.contains(p))
            };
            let Some(at) = rest.iter().position(is_reader) else {
                return;
            };
            let reader = rest.remove(at);
            open.retain(|pipe| !reader.pipes_read().contains(pipe));
            // Who reads what an ancestor writes is the ancestor's own business.
            if !self.reasons.contains_key(&reader.identity().pid) {
                open.extend(reader.pipes_written());
            }
            self.add(Some(reader), &ProtectedReason::Reader);
        }
    }
}
