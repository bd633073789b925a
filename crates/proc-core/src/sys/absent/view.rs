//! What cannot be asked of a process here.

use std::path::Path;

/// The pipes that a process has to do with, by inode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes {
    /// Those that it can read from.
    pub(crate) read: Vec<u64>,
    /// Those that its standard output and standard error lead to.
    pub(crate) written: Vec<u64>,
}

/// The pipes of a process: nobody tells.
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
