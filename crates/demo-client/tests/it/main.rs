//! Drives the real binary: what a runner and a person see of the built-in client.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives the real program, and polls it"
)]

mod consensus;
mod program;
mod serve;
#[cfg(unix)]
mod signals;
