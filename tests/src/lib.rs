//! What end-to-end tests need: schemas for documents everywhere, and a bench with the real binaries on Linux.
//!
//! The tests for Windows have a bench of their own: nothing inherits a descriptor there that was not handed to it.

pub mod schema;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;
