//! The commands that clean, the ledgers that they clean by, and `doctor`, which starts what they would find. Each test
//! runs in a PID namespace of its own.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]

mod support;

mod loop_iteration;
mod session;

mod cleanup;
mod postflight;
mod preflight;
mod status;

mod doctor;

mod cgroups;
mod ledger;
mod pidns;
mod recovery;
mod runs;

mod bystanders;
mod scopes;
mod sizes;
mod survive;
