//! A look at all processes.

use std::io;

use crate::identity::Boot;
use crate::sys::{Stat, pids, stat};

/// All processes, each read when it is asked for, the newest first, as far as their PIDs tell: what only lives for a
/// moment is looked at within it.
pub(crate) fn stats(boot: Boot) -> io::Result<impl Iterator<Item = Stat>> {
    let pids = pids()?.into_iter().rev();
    Ok(pids.filter_map(move |pid| stat(pid, boot)))
}
