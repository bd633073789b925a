//! What this system does not have, and is asked for on every system all the same: types without values, and functions
//! that say so.

#[cfg(not(target_os = "linux"))]
mod cgroup;
#[cfg(not(windows))]
mod console;
#[cfg(not(target_os = "linux"))]
mod mark;
#[cfg(not(target_os = "linux"))]
mod namespace;
#[cfg(not(target_os = "macos"))]
mod origin;
#[cfg(not(windows))]
mod pipe_peers;
#[cfg(not(target_os = "linux"))]
mod view;

#[cfg(not(target_os = "linux"))]
pub(crate) use cgroup::*;
#[cfg(not(windows))]
pub(crate) use console::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use mark::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use namespace::*;
#[cfg(not(target_os = "macos"))]
pub(crate) use origin::*;
#[cfg(not(windows))]
pub(crate) use pipe_peers::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use view::*;

use std::io;

fn absent<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this operating system has none",
    ))
}
