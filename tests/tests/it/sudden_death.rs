//! Launchers and guardians that are killed, so that they cannot do anything about it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proc_core::ledger::{RunState, Runs};
use rustix::process::Signal;
use serde_json::json;
use tests::{Bench, HOLD, PATIENCE, Running, is_alive, pid_of, wait_for};

/// What leaves every tree and every session, writes down its PID, and goes on for a minute.
const DAEMON: &str = "setsid sh -c 'echo $$ > daemon; exec sleep 60' < /dev/null > /dev/null 2>&1 & \
                      while [ ! -s daemon ]; do sleep 0.01; done; ";

/// Sends a signal to the guardian of a run, which the run's first event names.
fn signal_guardian(running: &mut Running, signal: Signal) {
    let guardian = pid_of(&running.wait_for_event("run_started")["guardian"]);
    tests::signal(guardian, signal);
}

fn kill_guardian(running: &mut Running) {
    signal_guardian(running, Signal::KILL);
}

fn daemon_of(bench: &Bench) -> u32 {
    let read = || {
        std::fs::read_to_string(bench.root().join("daemon"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    tests::poll(PATIENCE, read).expect("the daemon writes its PID")
}

fn hold_with_daemon() -> String {
    format!("{DAEMON}{}", HOLD[2])
}

#[test]
fn everything_goes_when_the_launcher_is_killed() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    let test = hold_with_daemon();
    let launch = ["--clients", "2", "--grace", "1s", "--", "sh", "-c", &test];
    let mut running = bench.start(bench.launch(launch));
    running.wait_for_event("test_started");
    let daemon = daemon_of(&bench);
    assert!(is_alive(daemon));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // The grace, and the two seconds that the guardian has to be done.
    bench.assert_nothing_left_within(Duration::from_secs(3));
    assert!(!is_alive(daemon));
    assert_eq!(state_of_the_run(&bench), RunState::Closed);
}

#[test]
fn everything_goes_when_the_launcher_is_killed_while_it_waits_for_clients() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    let mut running = bench.start(bench.launch(["--clients", "2", "--grace", "1s", "--", "true"]));
    running.wait_for_event("client_started");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    bench.assert_nothing_left_within(Duration::from_secs(3));
}

#[test]
fn a_guardian_that_was_stopped_is_woken_to_end_its_run() {
    let bench = Bench::with_demo(&[]);
    let mut running = bench.start(bench.launch(["--clients", "2"]));
    running.wait_for_event("client_ready");
    signal_guardian(&mut running, Signal::STOP);
    running.signal(Signal::TERM);
    let finished = running.finish().expect(143);
    bench.assert_nothing_left();
    assert!(
        finished.ends().iter().all(|end| *end == "graceful"),
        "{}",
        finished.stdout
    );
}

/// The grace is far longer than the patience of a test: a guardian that is gone is not waited for.
#[test]
fn the_launcher_ends_what_a_killed_guardian_has_left() {
    let bench = Bench::with_demo(&[]);
    let test = hold_with_daemon();
    let launch = ["--clients", "2", "--grace", "10m", "--", "sh", "-c", &test];
    let mut running = bench.start(bench.launch(launch));
    running.wait_for_event("test_started");
    let daemon = daemon_of(&bench);
    kill_guardian(&mut running);
    let finished = running.finish().expect(110);
    bench.assert_nothing_left();
    assert!(!is_alive(daemon));
    let exit = finished.event("run_finished")["exit"].clone();
    assert_eq!(exit, json!({"code": 110, "name": "guardian"}));
    assert_eq!(state_of_the_run(&bench), RunState::Closed);
}

#[test]
fn a_guardian_that_is_killed_while_clients_are_waited_for_fails_the_launch() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    let mut running = bench.start(bench.launch(["--clients", "2", "--grace", "10m", "--", "true"]));
    running.wait_for_event("client_started");
    kill_guardian(&mut running);
    running.finish().expect(110);
    bench.assert_nothing_left();
}

/// What the next command ends then is tested with that command.
#[test]
fn when_both_are_killed_the_ledger_leads_to_what_is_left() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    let test = hold_with_daemon();
    let launch = ["--clients", "2", "--grace", "1s", "--", "sh", "-c", &test];
    let mut running = bench.start(bench.launch(launch));
    running.wait_for_event("test_started");
    let daemon = daemon_of(&bench);
    let events = running.events();
    running.kill_with_guardian(pid_of(&events[0]["guardian"]));
    // Clients and test go with their guardian; what has left them stays.
    let started = ["client_started", "test_started"];
    let members = events
        .iter()
        .filter(|event| started.contains(&event["event"].as_str().unwrap()));
    let members: Vec<u32> = members.map(|event| pid_of(&event["identity"])).collect();
    assert_eq!(members.len(), 3);
    let gone = || !members.iter().any(|pid| is_alive(*pid));
    wait_for(PATIENCE, "clients and test to be gone", gone);
    assert!(is_alive(daemon));
    let folder = only_run(&bench);
    // The lock goes with the guardian's last thread.
    let dead = || state_of(&folder) == RunState::Dead;
    wait_for(PATIENCE, "the run to be dead", dead);
    let run = Runs::read_one(&folder).unwrap().unwrap();
    let recovery = proc_core::recover::finish(&run, Duration::from_secs(1)).unwrap();
    bench.assert_nothing_left();
    assert!(
        recovery
            .leftovers
            .iter()
            .any(|leftover| leftover.label.identity.pid == daemon),
        "{recovery:?}"
    );
    assert_eq!(state_of(&folder), RunState::Closed);
}

fn only_run(bench: &Bench) -> std::path::PathBuf {
    let runs = bench.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.into_iter().next().expect("there is one")
}

fn state_of(folder: &Path) -> RunState {
    Runs::read_one(folder)
        .expect("the ledger can be read")
        .expect("there is a ledger")
        .state
}

fn state_of_the_run(bench: &Bench) -> RunState {
    state_of(&only_run(bench))
}

/// A test whose guardian stands still ends all the same, and so does its run.
#[test]
fn a_guardian_that_its_run_has_stopped_goes_on_when_the_test_has_ended() {
    let bench = Bench::with_demo(&[]);
    let mut command = bench.launch(["--clients=1", "--grace=1s", "--"]);
    command.args(["sh", "-c", &format!("{DAEMON} kill -STOP $PPID; exit 7")]);
    let finished = bench.finish(command).expect(7);
    assert_eq!(finished.event("run_finished")["survivors"], 0);
    bench.assert_nothing_left();
}

/// What the launcher has read when the run was opened is enough to end all of it by.
#[test]
fn a_run_that_removes_its_ledger_and_kills_its_guardian_is_ended_by_its_launcher() {
    for removal in [
        "rm -r $XTASK_RUN_DIR",
        "echo > $XTASK_RUN_DIR/ledger",
        "cd $XTASK_RUN_DIR; rm ledger; mkfifo ledger",
        "cd $XTASK_RUN_DIR; ln -sf /dev/zero ledger",
        "cd $XTASK_RUN_DIR; rm lock; mkdir lock",
    ] {
        let bench = Bench::with_demo(&[]);
        let script = format!("{DAEMON} {removal}; kill -KILL $PPID; sleep 60");
        let mut command = bench.launch(["--clients=1", "--grace=1s", "--"]);
        command.args(["sh", "-c", &script]);
        let finished = bench.finish(command).expect(110);
        assert_eq!(finished.event("run_finished")["survivors"], 0, "{removal}");
        bench.assert_nothing_left();
    }
}

/// One that can open nothing any more sees nothing; its launcher does.
#[test]
fn what_a_guardian_cannot_see_is_ended_by_its_launcher() {
    let bench = Bench::with_demo(&[]);
    let script = format!("{DAEMON} prlimit --pid $PPID --nofile=0");
    let mut command = bench.launch(["--clients=1", "--grace=300ms", "--"]);
    command.args(["sh", "-c", &script]);
    bench.finish(command).expect(0);
    bench.assert_nothing_left();
}

/// However few there are: a launch that comes about leaves nothing, and one that does not says why.
#[test]
fn a_launch_that_runs_out_of_descriptors_leaves_nothing() {
    let mut codes = BTreeSet::new();
    for limit in 8..32 {
        let bench = Bench::with_demo(&[]);
        let mut command = bench.command("sh");
        command
            .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
            .arg(tests::binary("xtask"))
            .args(["launch", "--format=json", "--base-port=auto", "--clients=1"])
            .args(["--grace=1s", "--", "true"]);
        let finished = bench.finish(command);
        bench.assert_nothing_left();
        let code = finished.code;
        assert!([0, 110].contains(&code), "{limit}: {finished:?}");
        assert_eq!(finished.event("run_finished")["exit"]["code"], code);
        codes.insert(code);
    }
    assert!(codes.len() > 1, "{codes:?}");
}

/// Signals that are blocked or ignored stay so in what a process starts.
#[test]
fn a_launcher_hears_signals_that_its_parent_did_not_want_to_hear() {
    let bench = Bench::with_demo(&[]);
    let launch = |test: &[&str]| {
        let mut command = bench.command("env");
        command.args(["--ignore-signal=CHLD", "--block-signal"]);
        command.arg(tests::binary("xtask"));
        command.args(["launch", "--format=json", "--base-port=auto", "--clients=1"]);
        command.arg("--").args(test);
        command
    };
    bench.finish(launch(&["false"])).expect(1);
    let mut running = bench.start(launch(&HOLD));
    running.wait_for_event("test_started");
    running.signal(Signal::TERM);
    running.finish().expect(143);
    bench.assert_nothing_left();
}
