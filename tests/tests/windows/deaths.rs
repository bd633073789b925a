//! Whoever is killed, nothing is left.

use crate::bench::{Bench, STAY, cast, expect_gone, kill, named};

#[test]
fn the_run_ends_when_the_launcher_is_killed() {
    let bench = Bench::new();
    let mut launch = bench.launch("--clients 2", &[]);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has done its work to the end.
    bench.expect_no_runs();
}

#[test]
fn everything_ends_with_the_guardian() {
    let bench = Bench::new();
    let mut launch = bench.launch("--clients 2", &[]);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    kill(&guardian);
    let finished = launch.finish().expect(110);
    assert_eq!(
        named(&finished.events(), "survivor").len(),
        0,
        "{}",
        finished.stdout
    );
    expect_gone(&clients, &ports);
}

#[test]
fn everything_ends_with_launcher_and_guardian_and_the_next_command_closes_the_ledger() {
    let bench = Bench::new();
    let mut launch = bench.launch("--clients 2", &[]);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    kill(&guardian);
    launch.kill();
    expect_gone(&clients, &ports);
    bench.run(&["preflight"]).expect(0);
    bench.expect_no_runs();
}

#[test]
fn the_run_ends_with_its_test_when_its_launcher_is_killed_meanwhile() {
    let bench = Bench::new();
    let mut launch = bench.launch("--clients 2", &STAY);
    let started = launch.wait_for("test_started", 1);
    let (guardian, clients, ports) = cast(&launch.events());
    let test = crate::bench::identity(&started[0]["identity"]);
    launch.kill();
    expect_gone(&[&[guardian, test], &clients[..]].concat(), &ports);
}
