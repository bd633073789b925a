//! Whoever is killed, nothing is left.

use crate::bench::{Bench, cast, expect_gone, kill, named};

const LAUNCH: [&str; 7] = [
    "launch",
    "--base-port",
    "auto",
    "--format",
    "json",
    "--clients",
    "2",
];

#[test]
fn the_run_ends_when_the_launcher_is_killed() {
    let bench = Bench::new();
    let mut launch = bench.start(&LAUNCH);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has done its work to the end.
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"], serde_json::json!([]), "{status}");
}

#[test]
fn everything_ends_with_the_guardian() {
    let bench = Bench::new();
    let mut launch = bench.start(&LAUNCH);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    kill(&guardian);
    let finished = launch.finish();
    assert_eq!(finished.code, 110, "{}{}", finished.stdout, finished.stderr);
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
    let mut launch = bench.start(&LAUNCH);
    launch.wait_for("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    kill(&guardian);
    launch.kill();
    expect_gone(&clients, &ports);
    let finished = bench.run(&["preflight"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"], serde_json::json!([]), "{status}");
}

#[test]
fn the_run_ends_with_its_test_when_its_launcher_is_killed_meanwhile() {
    let bench = Bench::new();
    let test = ["--", "demo-client", "serve", "--port", "0", "--life", "85s"];
    let mut launch = bench.start(&[&LAUNCH[..], &test].concat());
    let started = launch.wait_for("test_started", 1);
    let (guardian, clients, ports) = cast(&launch.events());
    let test = crate::bench::identity(&started[0]["identity"]);
    launch.kill();
    expect_gone(&[&[guardian, test], &clients[..]].concat(), &ports);
}
