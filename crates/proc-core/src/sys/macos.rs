//! macOS: `sysctl`, `libproc`, kqueues.
//!
//! Written by the headers of the xnu source, compiled, and not run yet.
//!
//! This system has nothing that keeps a tree together, so whatever a run starts is followed from fork to fork
//! ([`Tracker`]), and recognised by what the kernel says of its start.

mod ask;
mod escape_probes;
mod launch;
mod link;
mod process;
mod queue;
mod signal;
mod socket;
mod token;
mod track;

pub(crate) use super::absent::{
    CAN_MARK, Cgroup, Console, Pipes, Surfaces, be_init, become_able_to_make_namespaces,
    hang_up_after, has_open, in_own_console, is_own_to_each, own_real_time_limit, pipe_peers,
    pipes, real_time_limit, sees, take_off_mark, takes_a_place, uses_console,
};
pub(crate) use escape_probes::*;
pub(crate) use launch::*;
pub(crate) use link::peer;
pub(in crate::sys) use link::{DESCRIPTORS, RECEIVE, SEND, SOCKET, with_short_path};
pub(crate) use process::*;
pub(crate) use signal::*;
pub(crate) use socket::*;
pub(crate) use track::Tracker;
