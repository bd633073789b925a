//! Programs that serve `/status` and then misbehave: what a supervisor has to end, whatever it does.
//!
//! Two promises, for every process of every species:
//!
//! - **It ends by itself.** Each process sets itself a timer that kills it, at a moment that all processes of one start
//!   share (`life`). A number of processes that could grow is bounded.
//! - **It is counted.** Each process holds the witness of the test open: also one that closes all its descriptors,
//!   empties its environment, changes its name and its user (`witness`).
//!
//! Linux and Windows have a zoo each, because what a process can do to get away has little in common there.
//!
//! That of Linux forks, and so it runs no thread before it has forked what it wants to fork, but for the species whose
//! point that is.

#![cfg(any(target_os = "linux", windows))]
#![expect(
    clippy::disallowed_methods,
    reason = "misbehaving is the purpose of this crate, which is no part of the tool"
)]

#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod purse;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod species;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod witness;

#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use cli::main;
#[cfg(windows)]
pub use windows::main;
