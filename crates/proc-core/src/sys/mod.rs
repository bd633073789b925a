//! The operating system, behind one small set of free functions.
//!
//! The only place with `cfg(target_os)` and `unsafe`. Each back end exports the same functions; the rest of the crate
//! calls `sys::…` and does not know where it runs.

mod types;
pub use types::Interruption;
pub(crate) use types::*;

mod absent;

mod plain_file;
pub(crate) use plain_file::*;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(any(target_os = "macos", test))]
mod xnu;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub(crate) use macos::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!(
    "no back end for this target: write `sys/<os>.rs` with the functions of `sys/linux.rs`"
);
