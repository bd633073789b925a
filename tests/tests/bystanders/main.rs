//! The bystander bench: a crowd of innocents that look guilty in every way, the guilty in every disguise, and every
//! command that cleans. No innocent may be ended, stopped, or sent any signal; all of the guilty have to go.
//!
//! Innocents block all signals from their first instruction on: whatever is sent to them stays pending, and the kernel
//! shows it. Before each command those of the guilty that have ended are started anew, so that each command meets the
//! whole crowd. Each first says what it would do, which has to be exactly what it then does.
//!
//! What it prints stands in `docs/precision.md`:
//!
//! ```sh
//! cargo test --package tests --test bystanders -- --nocapture
//! ```

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]

mod actor;
mod bench;
mod caller;
mod calls;
mod fixture;
mod guilty;
mod innocents;
mod part;
mod races;
mod runs;
mod tally;

use tests::namespace::alone;

#[test]
fn no_bystander_is_harmed_and_none_of_the_guilty_stays() {
    alone(|| {
        let tally = bench::run();
        println!("\n{}took {} s", tally.render(), tally.seconds);
        assert!(tally.faults().is_empty(), "{}", tally.faults().join("\n"));
    });
}
