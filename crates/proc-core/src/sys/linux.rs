//! Linux: `/proc`, pidfds, resource limits, `sock_diag`.

mod cgroup;
mod escape_probes;
mod launch;
mod link;
mod memory;
mod mounts;
mod namespace;
mod peer;
mod procfs;
mod signal;
mod socket;

pub(crate) use super::absent::{
    Console, Surfaces, in_own_console, origin, pipe_peers, takes_a_place, uses_console,
};
pub(crate) use cgroup::*;
pub(crate) use escape_probes::*;
pub(crate) use launch::*;
pub(in crate::sys) use link::{DESCRIPTORS, RECEIVE, SEND, SOCKET, with_short_path};
pub(crate) use memory::*;
pub(crate) use mounts::*;
pub(crate) use namespace::*;
pub(crate) use peer::*;
pub(crate) use procfs::*;
pub(crate) use signal::*;
pub(crate) use socket::*;
