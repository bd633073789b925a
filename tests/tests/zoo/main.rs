//! The zoo against every ending: whatever a client or a test does, and whatever is killed, nothing is left.
//!
//! A case is a species (see the crate `zoo`), an ending, a way of containing the run, a place (client or test command), a
//! user, and a disk that has room or is full. It counts what holds the witness afterwards, which each process of the
//! zoo opens itself, and binds the ports again. What is counted is only whether everything goes; how long it took is
//! printed beside it and is no verdict.
//!
//! By default a fixed sample runs: each species in each way of containing it, with endings in turn, so that each ending
//! meets several species. With `XTASK_SOAK=N`, N thousand cases are drawn by chance from all that there are (all species,
//! all endings, all ways, as client and as test, as root and as an ordinary user), and N hundred launches of species by
//! turns are killed at a random moment:
//!
//! ```sh
//! XTASK_SOAK=3 cargo test --package tests --test zoo -- --nocapture
//! ```
//!
//! `XTASK_ZOO=daemon` lets one species meet all endings.
//!
//! Everything runs in a PID namespace of its own, because `preflight` looks for more than it has started itself.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]
#![expect(
    clippy::print_stdout,
    reason = "the table, and why cases are left out, are printed"
)]

mod case;
mod case_run;
mod disk;
mod ending;
mod memory;
mod plan;
mod random;
mod siege;
mod table;

use std::time::Duration;

use tests::namespace::alone_within;

/// The sample takes less than a minute; soaking takes some minutes for each thousand.
const LIFE: Duration = Duration::from_hours(2);

#[test]
fn nothing_is_left_of_any_species_after_any_ending() {
    alone_within(LIFE, || {
        let outcomes = case::run_all(&plan::cases());
        println!("{}", table::render(&outcomes));
        let faults: Vec<String> = outcomes.iter().filter_map(case::Outcome::fault).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn nothing_is_left_of_a_launcher_that_is_killed_at_any_moment() {
    alone_within(LIFE, || {
        random::run();
    });
}

#[test]
fn a_guardian_withstands_connections_that_stay() {
    alone_within(LIFE, || siege::withstand("besieger"));
}

#[test]
fn a_guardian_withstands_connections_that_do_not_stop_talking() {
    alone_within(LIFE, || siege::withstand("chatterbox"));
}

#[test]
fn a_guardian_takes_no_orders_from_what_it_guards() {
    alone_within(LIFE, || siege::withstand("lingerer"));
}

#[test]
fn a_process_that_copies_what_guardian_and_launcher_have_open_keeps_neither_alive() {
    alone_within(LIFE, || {
        siege::be_robbed();
    });
}

#[test]
fn nothing_is_started_where_the_disk_is_full() {
    alone_within(LIFE, || {
        if disk::is_available() {
            disk::refuse_to_launch();
            disk::refuse_to_contain();
            disk::refuse_to_test();
        }
    });
}

#[test]
fn nothing_is_left_when_the_kernel_runs_out_of_memory() {
    alone_within(LIFE, || {
        memory::run_out();
    });
}
