//! The end of the session: somebody logs off, or the system shuts down.
//!
//! Wine ends that of one desktop at a time, so each run is on a desktop of its own. Windows ends that of whoever tests, too.

use std::fs;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Running, binaries, cast, ends, expect_gone, is_wine, named};

const LAUNCH: [&str; 9] = [
    "launch",
    "--base-port",
    "auto",
    "--format",
    "json",
    "--clients",
    "3",
    // Longer than this test waits for anything.
    "--grace",
    "10m",
];

/// Why nothing of this is run elsewhere than under Wine.
pub(crate) const SKIPPED: &str =
    "skipped: on Windows it would be the session of whoever runs this test";

/// Ends the session on a desktop as the system does, and waits until it has: asks each process that has windows there,
/// tells it when it has agreed, and ends it when it has taken notice.
pub(crate) fn end(desktop: &str) {
    let status = Command::new(binaries().join("desktop.exe"))
        .args([desktop, "wineboot", "--end-session", "--shutdown"])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn start(bench: &Bench, desktop: &str, further: &[&str]) -> Running {
    let mut launch = bench.start_on_desktop(desktop, &[&LAUNCH[..], further].concat());
    launch.wait_for("client_ready", 3);
    launch
}

#[test]
fn the_end_of_the_session_ends_the_run_in_order() {
    if !is_wine() {
        eprintln!("{SKIPPED}");
        return;
    }
    let bench = Bench::with_demo(&["--stop-after", "10ms"]);
    let launch = start(&bench, "in-order", &[]);
    end("in-order");
    let finished = launch.finish();
    assert_eq!(finished.code, 129, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let reason = "the session ends: somebody logs off, or the system shuts down";
    assert_eq!(named(&events, "terminating")[0]["reason"], reason);
    let end = &named(&events, "run_finished")[0];
    assert_eq!(end["exit"]["name"], "interrupted", "{end}");
    let message = format!("the run was ended from elsewhere: {reason}");
    assert_eq!(end["message"], message.as_str());
    // Each was asked, and has ended by itself.
    let graceful = ("graceful".into(), 0.into());
    assert_eq!(ends(&events), vec![graceful; 3], "{}", finished.stdout);
    for client in named(&events, "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log.matches("Ctrl+C received").count(), 1, "{log}");
    }
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn the_end_of_the_session_waits_for_nobody_for_long() {
    if !is_wine() {
        eprintln!("{SKIPPED}");
        return;
    }
    let bench = Bench::with_demo(&["--ignore-term"]);
    let launch = start(&bench, "not-for-long", &["--detach"]);
    let finished = launch.finish();
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    end("not-for-long");
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has done its work to the end.
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"], serde_json::json!([]), "{status}");
}

#[test]
fn a_guardian_whose_window_is_closed_ends_its_run() {
    let bench = Bench::with_demo(&["--stop-after", "10ms"]);
    let mut launch = bench.start(&LAUNCH);
    launch.wait_for("client_ready", 3);
    let (guardian, _, _) = cast(&launch.events());
    // Without `/F` it asks.
    let status = Command::new("taskkill")
        .args(["/PID", &guardian.pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let finished = launch.finish();
    assert_eq!(finished.code, 143, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let reason = named(&events, "terminating")[0]["reason"].clone();
    assert_eq!(reason, "the guardian was asked to end");
    let graceful = ("graceful".into(), 0.into());
    assert_eq!(ends(&events), vec![graceful; 3], "{}", finished.stdout);
    let (_, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}
