//! What a new process gets before its first instruction, and what makes a process a guardian.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal};

use super::cgroup::Cgroup;
use crate::guarantee::Mechanism;

/// What a new process gets before its first instruction, beside a process group of its own and a death signal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtStart<'a> {
    /// The soft and hard `RLIMIT_RTTIME`, in µs: its mark.
    pub(crate) real_time_limit: Option<u64>,
    /// The cgroup that it starts in.
    pub(crate) cgroup: Option<&'a Cgroup>,
    /// Whether it starts in a PID namespace of its own, which ends with this process in any case.
    pub(crate) in_namespace: bool,
}

/// Lets a command start with all this, in a process group of its own, and so that it is killed when the calling thread
/// ends.
///
/// The death signal is a belt only: it reaches direct children, and a setuid program sheds it.
#[expect(
    unsafe_code,
    reason = "only between fork and exec can this be set for the child alone"
)]
pub(crate) fn contain_at_start(command: &mut Command, at_start: AtStart<'_>) -> io::Result<()> {
    let parent = rustix::process::getpid();
    let entrance = at_start
        .cgroup
        .map(|cgroup| cgroup.entrance().try_clone_to_owned())
        .transpose()?;
    command.process_group(0);
    let (limit, in_namespace) = (at_start.real_time_limit, at_start.in_namespace);
    let before_exec = move || {
        if let Some(entrance) = &entrance {
            // "0" is the process that writes it.
            rustix::io::write(entrance, b"0")?;
        }
        if let Some(limit) = limit {
            let limit = Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            };
            // An outer run may have set a lower hard limit, which cannot be raised; the other evidence remains.
            let _ = rustix::process::setrlimit(Resource::Rttime, limit);
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // In a namespace a parent outside has no PID.
        if in_namespace || rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            // The parent ended before the death signal was set, so it would never come.
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(before_exec) };
    Ok(())
}

/// Whether everything of a run can carry a mark.
pub(crate) const CAN_MARK: bool = true;

/// How a run may be contained, the strongest first.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Pidns, Mechanism::Cgroup, Mechanism::Subreaper];

/// The hard `RLIMIT_RTTIME` of this process, in µs. `None`: unlimited.
pub(crate) fn own_real_time_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Rttime).maximum
}

/// Leaves the session of what started this process, and becomes the parent of every orphan below it.
pub(crate) fn become_guardian() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}
