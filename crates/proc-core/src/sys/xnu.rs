//! What the kernel of macOS answers, taken apart.
//!
//! Nothing here asks anything, so its tests run on every system.

pub(super) mod arguments;
pub(super) mod family;
pub(super) mod record;
