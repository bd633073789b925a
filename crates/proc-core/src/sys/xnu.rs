//! What the kernel of macOS answers, taken apart.
//!
//! Nothing here asks anything, so its tests run on every system.

pub(super) mod arguments;
mod bytes;
pub(super) mod family;
pub(super) mod pcblist;
pub(super) mod record;
pub(super) mod socket;
