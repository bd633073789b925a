//! What of a run has lost its parents, where the kernel tells for longer than they live who has started whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::History;
use crate::sys::Origin;

/// The numbers of the processes of a run that its ledger knows.
pub(super) fn recorded(history: &History) -> BTreeSet<u64> {
    let members = history.members.values();
    let members = members.filter_map(|member| member.number);
    members.chain(history.opened.guardian_number).collect()
}

/// Those of these processes that were started by one with a known number, or by another one of those.
pub(super) fn started_by(
    mut known: BTreeSet<u64>,
    mut origins: BTreeMap<u32, Origin>,
) -> BTreeSet<u32> {
    let mut started = BTreeSet::new();
    loop {
        let before = started.len();
        origins.retain(|pid, origin| {
            let is_started = known.contains(&origin.starter);
            if is_started {
                known.insert(origin.number);
                started.insert(*pid);
            }
            !is_started
        });
        if started.len() == before {
            return started;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PID, number and starter.
    fn origins<const N: usize>(processes: [(u32, u64, u64); N]) -> BTreeMap<u32, Origin> {
        let origin = |(pid, number, starter)| (pid, Origin { number, starter });
        processes.map(origin).into()
    }

    #[test]
    fn whoever_descends_from_a_known_number_is_found_without_its_parents() {
        // The first of the line is gone, and the PIDs are no sign of age.
        let processes = origins([(30, 103, 102), (20, 104, 103), (10, 105, 104), (40, 106, 1)]);
        let started = started_by(BTreeSet::from([102]), processes);
        assert_eq!(started, BTreeSet::from([10, 20, 30]));
    }

    #[test]
    fn without_a_known_number_nobody_is_found() {
        let processes = origins([(1, 1, 0), (30, 103, 1)]);
        assert_eq!(started_by(BTreeSet::new(), processes), BTreeSet::new());
    }
}
