//! Systems without PID namespaces.

use std::io;

use crate::sys::Link;

pub(crate) fn become_able_to_make_namespaces() -> io::Result<()> {
    super::absent()
}

pub(crate) fn be_init(_link: &Link) -> io::Result<()> {
    super::absent()
}
