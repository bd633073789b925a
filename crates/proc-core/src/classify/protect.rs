//! Who is protected for the caller's sake.

use std::collections::BTreeMap;

use super::lineage::Lineage;
use super::{ProtectedReason, Subject};
use crate::sys;

/// The process on whose behalf is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its PID.
    pub pid: u32,
    /// The PID of the process that traces it, if any.
    pub tracer: Option<u32>,
}

impl Caller {
    /// The process that this code runs in.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            tracer: sys::tracer(pid),
        }
    }
}

/// The caller, and the lines that hold it: its ancestors (the loop script is one), its session's leader with the
/// terminal above it, and the debugger with the program above it.
pub(super) fn lines(lineage: &Lineage<'_>, caller: Caller) -> BTreeMap<u32, ProtectedReason> {
    let mut protected = BTreeMap::from([(caller.pid, ProtectedReason::Caller)]);
    let mut protect = |first: Option<&dyn Subject>, reason: &ProtectedReason| {
        let Some(first) = first.map(|first| first.identity().pid) else {
            return;
        };
        let above = lineage
            .ancestors(first)
            .into_iter()
            .map(|a| a.identity().pid);
        for pid in std::iter::once(first).chain(above) {
            protected.entry(pid).or_insert_with(|| reason.clone());
        }
    };
    protect(
        lineage.ancestors(caller.pid).first().copied(),
        &ProtectedReason::Ancestor,
    );
    let leader = lineage.get(caller.pid).and_then(|own| {
        // A leader that is younger than the caller is a newcomer with the PID of one that is gone.
        lineage
            .get(own.session())
            .filter(|leader| leader.session() == own.session())
            .filter(|leader| leader.identity().start <= own.identity().start)
    });
    protect(leader, &ProtectedReason::Session);
    protect(
        caller.tracer.and_then(|pid| lineage.get(pid)),
        &ProtectedReason::Debugger,
    );
    protected
}
