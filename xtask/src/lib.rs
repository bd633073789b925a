//! The commands of `cargo xtask`, as a library: `main.rs` only calls into it.
//!
//! One command, one file, one struct with `run`. How it ends is an
//! [`Exit`], whatever happens.

mod cleaning;
mod cli;
mod command;
pub mod config;
mod context;
mod failure;
mod lock_files;
mod programs;

use std::process::ExitCode;

use proc_core::report::Exit;

/// Reads the command line, runs the command, and turns its end into an exit code.
pub fn main() -> ExitCode {
    proc_core::interruption::hear();
    ExitCode::from(cli::run().code())
}

/// What a command comes to.
type Outcome = Result<Exit, failure::Failure>;
