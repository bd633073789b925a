//! What cannot be asked of a process here.

use std::path::Path;

#[cfg(not(windows))]
use crate::identity::Identity;
#[cfg(not(windows))]
use crate::sys::Link;

/// The pipes that a process has to do with, by inode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes {
    /// Those that it can read from.
    pub(crate) read: Vec<u64>,
    /// Those that its standard output and standard error lead to.
    pub(crate) written: Vec<u64>,
}

/// The pipes of a process: the system does not tell.
pub(crate) fn pipes(_pid: u32) -> Option<Pipes> {
    None
}

/// Whether a path leads a process to the same file as this one: there are no containers that show on their host.
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there are containers, it may not be known"
)]
pub(crate) fn sees(_pid: u32, _path: &Path) -> Option<bool> {
    Some(true)
}

/// Whether a process has this file open: the system does not tell.
pub(crate) fn has_open(_pid: u32, _path: &Path) -> bool {
    false
}

/// A link ends with the process at its other end: no process takes copies of that without its help.
#[cfg(not(windows))]
pub(crate) fn hang_up_after(_other: &Identity, _link: &Link) {}

/// Whether a path is a folder that is another one to each process: there are none.
pub(crate) fn is_own_to_each(_path: &Path) -> bool {
    false
}
