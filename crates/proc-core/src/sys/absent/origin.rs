//! Who has started a process is known here only as long as its parent lives.

use crate::sys::Origin;

/// By what the kernel tells who has started a process: it does not.
pub(crate) fn origin(_pid: u32) -> Option<Origin> {
    None
}
