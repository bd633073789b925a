//! Windows: job objects, process handles, named pipes, consoles.
//!
//! There is no parent that adopts an orphan, no signal, and no resource limit that could be a mark. The job object does
//! more than all of these: nothing that a run starts can leave it, and the kernel ends it with its last handle.

#![expect(
    unsafe_code,
    reason = "Windows is reached through the functions of its C interface, each of which is unsafe to call"
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "the layouts of what the system keeps of processes are those of 64-bit Windows: build for 64 bits"
);

mod ask;
mod call;
mod children;
mod completion_port;
mod console;
mod control_socket;
mod dialogs;
mod escape_probes;
mod facts;
mod files;
mod handshake;
mod job;
mod launch;
mod link;
mod listing;
mod pipe_peers;
mod private;
mod process;
mod session;
mod signal;
mod socket;
mod user;

pub(crate) use super::absent::{
    CAN_MARK, Cgroup, Pipes, be_init, become_able_to_make_namespaces, has_open, is_own_to_each,
    origin, own_real_time_limit, pipes, real_time_limit, sees, take_off_mark,
};
pub(crate) use ask::*;
pub(crate) use children::*;
pub(crate) use console::*;
pub(crate) use control_socket::*;
pub(crate) use escape_probes::*;
pub(crate) use facts::*;
pub(crate) use files::*;
pub(crate) use handshake::*;
pub(crate) use job::*;
pub(crate) use launch::*;
pub(crate) use link::*;
pub(crate) use listing::{pids, stats};
pub(crate) use pipe_peers::*;
pub(crate) use process::*;
pub(crate) use signal::*;
pub(crate) use socket::*;
pub(crate) use user::{own_user, owner};
