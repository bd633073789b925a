//! What Linux and macOS do alike.

mod bind;
mod control_socket;
mod escape_probes;
mod files;
mod handshake;
mod launch;
mod link;
mod look;
mod signal;
mod sockets;

pub(crate) use bind::*;
pub(crate) use control_socket::*;
pub(crate) use escape_probes::*;
pub(crate) use files::*;
pub(crate) use handshake::*;
pub(crate) use launch::*;
pub(crate) use link::*;
pub(crate) use look::*;
pub(crate) use signal::*;
pub(crate) use sockets::*;
