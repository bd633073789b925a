//! End-to-end tests: each drives the real binaries in a project of its own, and ends by counting what is left.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]

mod launch;

mod clients;
mod readiness;
mod roles;

mod shutdown;
mod stopped_launcher;
mod sudden_death;

mod leaks;
mod staying;

mod guardian;
mod pidns;

mod leases;
mod sizes;
mod streams;
mod terminal;

mod mistakes;
