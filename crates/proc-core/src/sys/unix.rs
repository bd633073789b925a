//! What Linux and macOS do alike.

mod bind;
mod control;
mod files;
mod launch;
mod look;
mod signal;
mod sockets;
mod stage;

pub(crate) use bind::*;
pub(crate) use control::*;
pub(crate) use files::*;
pub(crate) use launch::*;
pub(crate) use look::*;
pub(crate) use signal::*;
pub(crate) use sockets::*;
pub(crate) use stage::*;
