//! What Linux and macOS do alike.

mod bind;
mod control;
mod files;
mod pipe;
mod signal;

pub(crate) use bind::*;
pub(crate) use control::*;
pub(crate) use files::*;
pub(crate) use pipe::*;
pub(crate) use signal::*;
