//! The real programs on Windows: launch, ready, test, end; and whatever is killed, nothing is left.
//!
//! These are programs for Windows. `.ci/windows` builds them on Linux and runs them under Wine; on Windows itself
//! `cargo build --workspace --bins` and `cargo test --package tests --test windows` do. Elsewhere there is nothing in here
//! that could run.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs, and polls them"
)]

mod arguments;
mod support;

mod cleaning;
mod consoles;
mod deaths;
mod doctor;
mod escapes;
mod groups;
mod launch;
mod loop_iteration;
mod mistakes;
mod pipelines;
mod preflight;
mod session;
mod stand_in;
mod state;
mod status;
mod ways;
mod zoo;
