//! The commands of `cargo xtask`, as a library: `main.rs` only calls into it.
//!
//! One command, one file, one struct with `run`. How it ends is an [`Exit`](proc_core::report::Exit), whatever happens.
//!
//! The modules stand in the order in which they build on each other: each imports only from those above it.

pub mod config;

mod context;

mod failure;

mod programs;

mod lock_files;

mod cleaning;

mod problems;

mod command;

mod cli;

use std::process::ExitCode;

/// Reads the command line, runs the command, and turns its end into an exit code.
pub fn main() -> ExitCode {
    proc_core::interruption::hear();
    ExitCode::from(cli::run().code())
}
