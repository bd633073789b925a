//! Runs that go on after their launcher: detached ones, ones kept to be looked at, ones with an owner.

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Bench, Finished, HOLD, PATIENCE, is_alive, pid_of};

/// Ends a run through its guardian, which its first event names.
fn end(finished: &Finished) {
    let guardian = pid_of(&finished.event("run_started")["guardian"]);
    tests::signal(guardian, Signal::TERM);
}

#[track_caller]
fn assert_runs_on(bench: &Bench, finished: &Finished) {
    assert!(bench.has_survivors());
    assert_eq!(finished.event("run_finished")["detached"], true);
    assert!(finished.ends().iter().all(Value::is_null));
    for client in finished.events_of("client_started") {
        assert!(is_alive(pid_of(&client["identity"])), "{client}");
    }
}

#[test]
fn a_detached_run_goes_on_until_its_guardian_is_asked_to_end() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--detach"]))
        .expect(0);
    assert_runs_on(&bench, &finished);
    assert_eq!(
        finished.event("run_finished")["exit"],
        json!({"code": 0, "name": "ok"})
    );
    end(&finished);
    bench.assert_nothing_left_within(PATIENCE);
}

#[test]
fn the_guardian_of_a_detached_run_leaves_when_everything_has_ended() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--detach"]))
        .expect(0);
    assert_runs_on(&bench, &finished);
    for client in finished.events_of("client_started") {
        tests::signal(pid_of(&client["identity"]), Signal::KILL);
    }
    bench.assert_nothing_left_within(PATIENCE);
}

/// A process that reads the output of a launch to its end must not wait for the run that goes on.
#[test]
fn a_run_that_goes_on_holds_none_of_its_launchers_streams() {
    let bench = Bench::with_demo(&[]);
    let xtask = tests::binary("xtask");
    for how in ["--detach", "--keep-on-failure -- false"] {
        let launch = format!("launch --clients 1 --base-port auto --format json {how}");
        let line = format!("'{}' {launch} 2>&1 | cat", xtask.display());
        let mut command = bench.command("sh");
        command.args(["-c", &line]);
        let finished = bench.finish(command).expect(0);
        assert_runs_on(&bench, &finished);
        end(&finished);
        bench.assert_nothing_left_within(PATIENCE);
    }
}

#[test]
fn a_failed_test_can_leave_its_clients_to_be_looked_at() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--keep-on-failure", "--", "false"]))
        .expect(1);
    assert_runs_on(&bench, &finished);
    end(&finished);
    bench.assert_nothing_left_within(PATIENCE);

    bench
        .finish(bench.launch(["--clients", "2", "--keep-on-failure", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
}

#[test]
fn keeping_clients_on_failure_is_not_for_interruptions() {
    let bench = Bench::with_demo(&[]);
    let mut running = bench.start(
        bench.launch(
            ["--clients", "1", "--keep-on-failure", "--"]
                .iter()
                .chain(&HOLD),
        ),
    );
    running.wait_for_event("test_started");
    running.signal(Signal::INT);
    running.finish().expect(130);
    bench.assert_nothing_left();
}

#[test]
fn a_run_ends_when_its_owner_ends() {
    let bench = Bench::with_demo(&[]);
    let owner = || {
        bench.start({
            let mut command = bench.command("sleep");
            command.arg("60");
            command
        })
    };

    let mut attached = owner();
    let mut running = bench.start(
        bench.launch(
            [
                "--clients=2",
                "--owner-pid",
                &attached.pid().to_string(),
                "--",
            ]
            .iter()
            .chain(&HOLD),
        ),
    );
    running.wait_for_event("test_started");
    attached.child.kill().unwrap();
    attached.child.wait().unwrap();
    let finished = running.finish().expect(143);
    bench.assert_nothing_left();
    assert_eq!(
        finished.event("terminating")["reason"],
        "the owner of the run has ended"
    );
    assert_eq!(finished.ends(), ["graceful", "graceful"]);

    let mut detached = owner();
    let pid = detached.pid().to_string();
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--detach", "--owner-pid", &pid]))
        .expect(0);
    assert_runs_on(&bench, &finished);
    detached.child.kill().unwrap();
    detached.child.wait().unwrap();
    bench.assert_nothing_left_within(PATIENCE);
}

#[test]
fn an_owner_that_is_not_there_is_an_error() {
    let bench = Bench::with_demo(&[]);
    let mut gone = bench.start(bench.command("true"));
    let pid = gone.pid().to_string();
    gone.child.wait().unwrap();
    let finished = bench
        .run(["launch", "--owner-pid", &pid, "--", "true"])
        .expect(106);
    assert!(
        finished.stderr.contains(&format!("--owner-pid {pid}")),
        "{}",
        finished.stderr
    );
    bench.assert_nothing_started();
}

/// It has a number like a process, and a folder in `/proc` like one.
#[test]
fn a_thread_is_no_owner() {
    let bench = Bench::with_demo(&[]);
    let launch = |thread: String| {
        bench
            .run(["launch", "--owner-pid", &thread, "--", "true"])
            .expect(106)
    };
    let finished = std::thread::scope(|scope| {
        let thread = scope.spawn(|| launch(rustix::thread::gettid().to_string()));
        thread.join().unwrap()
    });
    assert!(
        finished.stderr.contains("there is no such process"),
        "{}",
        finished.stderr
    );
    bench.assert_nothing_started();
}
