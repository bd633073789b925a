//! Driving the real binaries: a [`Bench`] is a project of its own, the same on every system.
//!
//! What counts the processes that are left differs. On Linux everything below a command of a bench inherits a witness,
//! and a bench that is dropped ends what holds it. On Windows nothing inherits what was not handed to it: a test counts
//! the identities and ports that the events have told of.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs, and polls them"
)]

mod bench;
mod running;

mod documents;
mod events;
mod ports;
mod programs;
mod remains;
mod wait;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

pub use bench::{Bench, PASS, demo_profile};
pub use documents::assert_documented;
pub use events::{identity, named, parse_events, pid_of, port_of};
pub use ports::{free_port, free_ports};
pub use programs::{binaries, binary, workspace};
pub use remains::{assert_ended, assert_over, cast, living};
pub use running::{Finished, Running};
pub use system::*;
pub use wait::{PATIENCE, poll, wait_for};

/// Says why a test is not run.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
