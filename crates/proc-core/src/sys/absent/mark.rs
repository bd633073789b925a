//! Systems on which processes carry no mark: no process can read the limits of another.

use std::io;

/// Whether everything of a run can carry a mark.
pub(crate) const CAN_MARK: bool = false;

/// The limit that a mark would have to lie below.
pub(crate) fn own_real_time_limit() -> Option<u64> {
    None
}

/// The limit that would carry a mark.
pub(crate) fn real_time_limit(_pid: u32) -> Option<u64> {
    None
}

/// There is none to take off.
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there are marks, taking one off may fail"
)]
pub(crate) fn take_off_mark() -> io::Result<()> {
    Ok(())
}
