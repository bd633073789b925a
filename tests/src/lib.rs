//! What every end-to-end test needs: the real binaries driven in a project of its own, and schemas for documents.

pub mod schema;

#[cfg(any(target_os = "linux", windows))]
mod driver;
#[cfg(any(target_os = "linux", windows))]
pub use driver::*;
