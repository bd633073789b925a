//! What a new process gets before its first instruction, and what makes a process a guardian.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::guarantee::Mechanism;
use crate::sys::{Cgroup, Job};

/// How a run may be contained.
pub(crate) const MECHANISMS: &[Mechanism] = &[Mechanism::Tracked];

/// What a new process is to get before its first instruction, beside a process group of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtStart<'a> {
    pub(crate) real_time_limit: Option<u64>,
    pub(crate) cgroup: Option<&'a Cgroup>,
    pub(crate) in_namespace: bool,
    pub(crate) job: Option<&'a Job>,
}

/// Lets a command start in a process group of its own. There is no death signal: what a guardian has started outlives it.
pub(crate) fn contain_at_start(command: &mut Command, at_start: AtStart<'_>) -> io::Result<()> {
    let is_contained = at_start.cgroup.is_some() || at_start.in_namespace || at_start.job.is_some();
    if at_start.real_time_limit.is_some() || is_contained {
        return Err(io::ErrorKind::Unsupported.into());
    }
    command.process_group(0);
    Ok(())
}

/// Leaves the session of whoever started this process. Orphans below it go to the system's first process.
pub(crate) fn become_guardian() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Nothing is given back here: what a process that waits holds of its code is the kernel's to take.
pub(crate) fn give_back_program() {}
