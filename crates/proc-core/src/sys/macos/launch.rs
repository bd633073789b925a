//! What a new process gets before its first instruction, and what makes a process a guardian.

use std::io;
use std::marker::PhantomData;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::guarantee::Mechanism;

/// How a run may be contained.
pub(crate) const MECHANISMS: &[Mechanism] = &[Mechanism::Tracked];

/// What a new process gets before its first instruction, beside a process group of its own: nothing more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtStart<'a>(PhantomData<&'a ()>);

/// Lets a command start in a process group of its own. There is no death signal: what a guardian has started outlives it.
#[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
pub(crate) fn contain_at_start(command: &mut Command, _at_start: AtStart<'_>) -> io::Result<()> {
    command.process_group(0);
    Ok(())
}

/// Leaves the session of what started this process. Orphans below it go to the system's first process.
pub(crate) fn become_guardian() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Nothing is given back here: what a process that waits holds of its code is the kernel's to take.
pub(crate) fn give_back_program() {}
