//! Which process has started another is known here only as long as its parent lives.

use crate::sys::Origin;

/// By what the kernel tells which process has started another: it does not.
pub(crate) fn origin(_pid: u32) -> Option<Origin> {
    None
}
