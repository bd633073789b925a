//! A launcher that stands still while its run goes on: Ctrl+Z, a debugger, a container that is paused.
//!
//! The guardian does not need it to end the run, and it tells the truth when it goes on.

use std::time::Duration;

use proc_core::ledger::{RunState, Runs};
use rustix::process::Signal;
use serde_json::json;
use tests::{Bench, Finished, HOLD, PATIENCE, Running, is_alive, is_stopped, wait_for};

/// Starts a launch with [`HOLD`] and then `script` as its test, and stops the launcher during the test.
fn stopped_during_the_test(bench: &Bench, arguments: &[&str], script: &str) -> Running {
    // In a subshell, which the script outlives.
    let test = format!("({}); {script}", HOLD[2]);
    let mut launch = arguments.to_vec();
    launch.extend(["--", "sh", "-c", &test]);
    let mut running = bench.start(bench.launch(launch));
    running.wait_for_event("test_started");
    running.signal(Signal::STOP);
    wait_for(PATIENCE, "the launcher to stand still", || {
        is_stopped(running.pid())
    });
    running
}

fn members(running: &Running) -> Vec<u32> {
    let started = ["client_started", "test_started"];
    let events = running.events().into_iter();
    let started = events.filter(|event| started.contains(&event["event"].as_str().unwrap()));
    let pid = |event: serde_json::Value| event["identity"]["pid"].as_u64().unwrap();
    started
        .map(|event| u32::try_from(pid(event)).unwrap())
        .collect()
}

fn state(bench: &Bench) -> RunState {
    let runs = bench.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    Runs::read_one(&runs[0]).unwrap().unwrap().state
}

/// Lets the test go, waits until everything but the launcher is gone, and lets the launcher go on.
fn end_and_go_on(bench: &Bench, running: Running) -> Finished {
    let guardian = running.events()[0]["guardian"]["pid"].as_u64().unwrap();
    let mut all = members(&running);
    all.push(u32::try_from(guardian).unwrap());
    bench.go();
    let gone = || !all.iter().any(|pid| is_alive(*pid));
    wait_for(PATIENCE, "clients, test and guardian to be gone", gone);
    assert_eq!(state(bench), RunState::Closed);
    assert!(is_stopped(running.pid()));
    running.signal(Signal::CONT);
    running.finish()
}

#[test]
fn the_run_ends_with_its_test_while_the_launcher_stands_still() {
    let bench = Bench::with_demo(&[]);
    let running = stopped_during_the_test(&bench, &["--clients", "2"], "exit 7");
    let finished = end_and_go_on(&bench, running).expect(7);
    bench.assert_nothing_left();
    let names = finished.event_names();
    let end = [
        "test_started",
        "test_exited",
        "terminating",
        "client_exited",
        "client_exited",
        "run_finished",
    ];
    assert_eq!(names[names.len() - end.len()..], end);
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
    let verdict = "the test failed with code 7";
    assert_eq!(finished.event("terminating")["reason"], verdict);
    assert_eq!(finished.event("run_finished")["message"], verdict);
}

#[test]
fn what_the_test_has_left_is_reported_when_the_launcher_goes_on() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    let launch = ["--clients", "2", "--deny-leaks", "--grace", "500ms"];
    let leave = "setsid sleep 60 < /dev/null > /dev/null 2>&1 & \
                 until read name < /proc/$!/comm && [ $name = sleep ]; do :; done";
    let running = stopped_during_the_test(&bench, &launch, leave);
    let finished = end_and_go_on(&bench, running).expect(103);
    bench.assert_nothing_left();
    assert_eq!(finished.event("leak")["started_by"], "the test");
    assert_eq!(finished.ends(), ["killed", "killed"]);
}

/// The long command lines of what is left are far more than fits between the two, so the guardian gives up on its
/// launcher.
#[test]
fn a_launcher_that_cannot_be_told_everything_still_knows_that_all_went_well() {
    let bench = Bench::with_demo(&[]);
    let leave = "zeros=$(printf '0 %.0s' $(seq 16000)); \
                 for i in $(seq 128); do sleep 60 $zeros & done; \
                 until read name < /proc/$!/comm && [ $name = sleep ]; do :; done";
    let running = stopped_during_the_test(&bench, &["--clients", "1"], leave);
    let finished = end_and_go_on(&bench, running).expect(0);
    bench.assert_nothing_left();
    let end = finished.event("run_finished");
    assert_eq!(end["message"], "the test passed");
    let leaks = end["leaks"].as_u64().unwrap();
    assert!((1..128).contains(&leaks), "{leaks}");
    assert_eq!(finished.event("terminating")["reason"], "the test passed");
    assert_eq!(finished.ends(), [json!(null)]);
}

#[test]
fn the_ends_of_a_hundred_clients_are_not_missed() {
    let bench = Bench::with_demo(&[]);
    let running = stopped_during_the_test(&bench, &["--clients", "100"], "true");
    let finished = end_and_go_on(&bench, running).expect(0);
    bench.assert_nothing_left();
    assert!(finished.ends().iter().all(|end| end == "graceful"));
    assert_eq!(finished.ends().len(), 100);
}

#[test]
fn a_run_that_is_kept_after_a_failure_waits_for_its_launcher() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "1", "--keep-on-failure"];
    let running = stopped_during_the_test(&bench, &launch, "exit 3");
    let [client, test] = members(&running)[..] else {
        panic!("there is a client and a test");
    };
    bench.go();
    wait_for(PATIENCE, "the test to end", || !is_alive(test));
    running.signal(Signal::CONT);
    let finished = running.finish().expect(3);
    assert_eq!(finished.event("run_finished")["detached"], json!(true));
    assert!(is_alive(client));
    bench.run(["postflight"]).expect(0);
    bench.assert_nothing_left();
}

#[test]
fn a_run_that_would_be_kept_after_a_failure_ends_when_its_test_passes() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "1", "--keep-on-failure"];
    let running = stopped_during_the_test(&bench, &launch, "true");
    end_and_go_on(&bench, running).expect(0);
    bench.assert_nothing_left_within(Duration::from_secs(2));
}
