//! The end of the session: a user logs off, or the system shuts down.
//!
//! Wine ends that of one desktop at a time, so each run is on a desktop of its own. Windows would end that of the
//! user who runs the test.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{assert_ends, is_wine, launch, launch_on_desktop, project_with_demo};
use tests::{assert_over, binary, cast, named};

/// The grace is longer than this test waits for anything.
const FLAGS: &str = "--clients 3 --grace 10m";

/// Why nothing of this is run elsewhere than under Wine.
pub(crate) const SKIPPED: &str =
    "skipped: on Windows it would be the session of the user who runs this test";

/// Ends the session on a desktop as the system does, and waits until it has: asks each process that has windows there,
/// tells it when it has agreed, and ends it when it has taken notice.
pub(crate) fn end(desktop: &str) {
    let status = Command::new(binary("desktop"))
        .args([desktop, "wineboot", "--end-session", "--shutdown"])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn the_end_of_the_session_ends_the_run_in_order() {
    if !is_wine() {
        eprintln!("{SKIPPED}");
        return;
    }
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    let mut launch = launch_on_desktop(&bench, "in-order", FLAGS);
    launch.wait_for_events("client_ready", 3);
    end("in-order");
    let finished = launch.finish().expect(129);
    let events = finished.events();
    let reason = "the session ends: the user logs off, or the system shuts down";
    assert_eq!(named(&events, "terminating")[0]["reason"], reason);
    let end = finished.event("run_finished");
    assert_eq!(end["exit"]["name"], "interrupted", "{end}");
    let message = format!("the run was ended from elsewhere: {reason}");
    assert_eq!(end["message"], message.as_str());
    // Each was asked, and has ended by itself.
    assert_ends(&finished, 3, "graceful", 0);
    for client in named(&events, "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log.matches("Ctrl+C received").count(), 1, "{log}");
    }
    assert_over(&events);
}

#[test]
fn the_end_of_the_session_waits_for_no_process_for_long() {
    if !is_wine() {
        eprintln!("{SKIPPED}");
        return;
    }
    let bench = project_with_demo(&["--ignore-term"]);
    let flags = format!("{FLAGS} --detach");
    let finished = launch_on_desktop(&bench, "not-for-long", &flags).finish();
    let events = finished.expect(0).events();
    end("not-for-long");
    assert_over(&events);
    // The guardian has done its work to the end.
    bench.assert_no_runs();
}

#[test]
fn a_guardian_whose_window_is_closed_ends_its_run() {
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    let mut launch = launch(&bench, FLAGS, &[]);
    launch.wait_for_events("client_ready", 3);
    let (guardian, _, _) = cast(&launch.events());
    // Without `/F` it asks.
    let status = Command::new("taskkill")
        .args(["/PID", &guardian.pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let finished = launch.finish().expect(143);
    let events = finished.events();
    let reason = named(&events, "terminating")[0]["reason"].clone();
    assert_eq!(reason, "the guardian was asked to end");
    assert_ends(&finished, 3, "graceful", 0);
    assert_over(&events);
}
