//! What a process runs: the names by which a program is known, the script that an interpreter runs, and paths as
//! arguments spell them.
//!
//! Pure: the facts of a process in, text out. Nothing is looked up on a disk.

pub(crate) mod names;
pub(crate) mod paths;
pub(crate) mod script;

pub use names::GlobError;
