//! CPU and memory of whole process trees.

use std::collections::BTreeSet;
use std::io;

use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::wait::{Deadline, poll_until};

/// What a set of processes uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// How many processes there are.
    pub processes: usize,
    /// In % of one core, over the time of the measurement: 250 for two and a half cores.
    pub cpu_percent: f32,
    /// Resident memory in bytes; pages that processes share count for each of them.
    pub memory_bytes: u64,
}

/// Measures sets of processes side by side, which takes [`MINIMUM_CPU_UPDATE_INTERVAL`] for all of them together.
///
/// A process that has ended counts as nothing.
pub fn measure(sets: &[BTreeSet<u32>]) -> io::Result<Vec<Usage>> {
    // Each process once: one that is named twice is taken for dead.
    let pids: BTreeSet<Pid> = sets
        .iter()
        .flatten()
        .map(|pid| Pid::from_u32(*pid))
        .collect();
    let pids: Vec<Pid> = pids.into_iter().collect();
    if pids.is_empty() {
        return Ok(vec![Usage::default(); sets.len()]);
    }
    let mut system = System::new().map_err(io::Error::other)?;
    let kind = ProcessRefreshKind::nothing()
        .with_cpu()
        .with_memory()
        .without_tasks();
    let mut look =
        || system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
    // CPU time is a difference between two looks.
    look();
    poll_until(Deadline::after(MINIMUM_CPU_UPDATE_INTERVAL), || None::<()>);
    look();
    let of_one = |set: &BTreeSet<u32>| {
        let processes = set
            .iter()
            .filter_map(|pid| system.process(Pid::from_u32(*pid)));
        processes.fold(Usage::default(), |usage, process| Usage {
            processes: usage.processes + 1,
            cpu_percent: usage.cpu_percent + process.cpu_usage(),
            memory_bytes: usage.memory_bytes + process.memory(),
        })
    };
    Ok(sets.iter().map(of_one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_an_empty_set_nothing() {
        let own = BTreeSet::from([std::process::id()]);
        let usage = measure(&[own.clone(), BTreeSet::new(), own]).unwrap();
        assert_eq!((usage[0].processes, usage[2].processes), (1, 1));
        assert!(usage[0].memory_bytes > 0);
        assert_eq!(usage[1], Usage::default());
    }
}
