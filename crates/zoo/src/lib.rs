//! Programs that serve `/status` and then misbehave: what a supervisor has to end, whatever it does.
//!
//! Two promises, for every process of every species:
//!
//! - **It ends by itself.** Each process sets itself a timer that kills it, at a moment that all processes of one start
//!   share ([`life`]). A number of processes that could grow is bounded by a purse of tokens ([`purse`]).
//! - **It is counted.** Each process holds the witness open, the named pipe of the test: also one that closes all its
//!   descriptors, empties its environment, changes its name and its user ([`witness`]).
//!
//! The zoo forks, and so it runs no thread before it has forked what it wants to fork, but for the species whose point
//! that is.

#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "misbehaving is the purpose of this crate, which is no part of the tool"
)]

mod cli;
mod life;
mod purse;
mod serve;
mod species;
mod sys;
mod witness;

pub use cli::main;
