//! Linux: `/proc`, pidfds, resource limits, `sock_diag`.

mod cgroup;
mod control;
mod launch;
mod memory;
mod namespace;
mod peer;
mod procfs;
mod signal;
mod socket;
mod stage;

pub(crate) use cgroup::*;
pub(crate) use control::*;
pub(crate) use launch::*;
pub(crate) use memory::*;
pub(crate) use namespace::*;
pub(crate) use peer::*;
pub(crate) use procfs::*;
pub(crate) use signal::*;
pub(crate) use socket::*;
pub(crate) use stage::*;
