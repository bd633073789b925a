//! Standard streams that are compared, because pipes have no names.

use crate::pipe_peers::PipePeers;

/// Pipes are told by inode here, or nothing is.
pub(crate) fn pipe_peers(_pid: u32, _parent: u32) -> Option<PipePeers> {
    None
}
