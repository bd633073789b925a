//! Ending a run: how each client went, and what the launch says about why.

use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Bench, HOLD, PATIENCE, Running, demo_profile, wait_for};

fn exit_of(finished: &tests::Finished) -> Value {
    finished.event("run_finished")["exit"].clone()
}

#[test]
fn each_client_is_reported_with_the_way_it_went() {
    let config = demo_profile("quick", &[])
        + &demo_profile("slow", &["--stop-after", "100ms"])
        + &demo_profile("deaf", &["--ignore-term"])
        + "[[launch.role]]\nname = 'quick'\nbase_port = 'auto'\n\
           [[launch.role]]\nname = 'slow'\nbase_port = 'auto'\n\
           [[launch.role]]\nname = 'deaf'\nbase_port = 'auto'\n";
    let bench = Bench::with_config(&config);
    let finished = bench
        .finish(bench.launch_on_default_ports(["--grace", "2s", "--", "true"]))
        .expect(0);
    assert_eq!(finished.ends(), ["graceful", "graceful", "killed"]);
    let clients = finished.event("run_finished")["clients"].clone();
    assert_eq!(clients[0]["end"]["status"], json!({"signal": 15}));
    assert_eq!(clients[1]["end"]["status"], json!({"code": 0}));
    assert_eq!(clients[2]["end"]["status"], json!({"signal": 9}));

    let finished = bench
        .run(["launch", "--grace", "2s", "--", "true"])
        .expect(0);
    bench.assert_nothing_left();
    for (client, role, end) in [
        (1, "quick", "ended gracefully"),
        (2, "slow", "ended gracefully"),
        (3, "deaf", "killed after the grace"),
    ] {
        let line = finished
            .stderr
            .lines()
            .find(|line| line.starts_with(&format!("client {client}  {role}  port ")));
        assert!(
            line.is_some_and(|line| line.ends_with(end)),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_client_that_ends_during_the_test_fails_the_run() {
    let bench = Bench::with_demo(&[]);
    let quit = "curl --silent --max-time 10 --request POST $XTASK_CLIENT_2_URL/quit; sleep 60";
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "sh", "-c", quit]))
        .expect(101);
    bench.assert_nothing_left();
    assert_eq!(
        exit_of(&finished),
        json!({"code": 101, "name": "client_died"})
    );
    let clients = finished.event("run_finished")["clients"].clone();
    assert_eq!(clients[0]["end"]["ended"], "graceful");
    assert_eq!(
        clients[1]["end"],
        json!({"ended": "already_exited", "status": {"code": 0}})
    );
    let exited = finished.events_of("client_exited");
    let tail = exited[0]["log_tail"].as_array().unwrap();
    assert!(
        tail.last()
            .unwrap()
            .as_str()
            .unwrap()
            .ends_with("quitting as asked"),
        "{tail:?}"
    );
}

#[test]
fn a_client_that_crashes_during_the_test_is_reported_with_its_code() {
    let config = "[profile.demo]\nprogram = 'sh'\n\
                  args = ['-c', 'demo-client serve --port {port} --life 60s & until [ -e crash ]; do sleep 0.02; done; \
                          kill $!; wait; echo crashing as asked; exit 9']\n";
    let bench = Bench::with_config(config);
    let launch = [
        "launch",
        "--clients=1",
        "--base-port=auto",
        "--",
        "sh",
        "-c",
    ];
    let finished = bench
        .run(launch.iter().chain(&["touch crash; sleep 60"]))
        .expect(101);
    bench.assert_nothing_left();
    assert!(
        finished.stderr.contains("had already exited with code 9"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("crashing as asked"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_client_that_ends_while_nothing_is_tested_ends_the_run() {
    let bench = Bench::with_demo(&["--crash-after", "1s"]);
    bench.finish(bench.launch(["--clients", "1"])).expect(101);
    bench.assert_nothing_left();
}

#[test]
fn a_test_that_fails_ends_the_clients_in_the_same_way() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "false"]))
        .expect(1);
    bench.assert_nothing_left();
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
    assert_eq!(
        finished.event("terminating")["reason"],
        "the test failed with code 1"
    );
}

#[test]
fn a_client_that_stands_still_is_woken_and_asked() {
    let bench = Bench::with_demo(&[]);
    let script = "kill -STOP $XTASK_CLIENT_1_PID";
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "sh", "-c", script]))
        .expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
}

const SIGNALS: [(Signal, i32); 3] = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];

#[test]
fn each_signal_ends_everything_and_has_its_code() {
    let bench = Bench::with_demo(&[]);
    for (signal, code) in SIGNALS {
        let mut running = bench.start(bench.launch(["--clients", "2", "--"].iter().chain(&HOLD)));
        running.wait_for_event("test_started");
        running.signal(signal);
        let finished = running.finish().expect(code);
        bench.assert_nothing_left();
        assert_eq!(
            exit_of(&finished),
            json!({"code": code, "name": "interrupted"})
        );
        assert_eq!(finished.ends(), ["graceful", "graceful"]);
    }
}

#[test]
fn a_run_without_a_test_stays_until_it_is_interrupted() {
    let bench = Bench::with_demo(&[]);
    for (signal, code) in SIGNALS {
        let mut running =
            bench.start(bench.xtask(["launch", "--clients", "2", "--base-port", "auto"]));
        wait_for(PATIENCE, "readiness", || {
            running.stderr().contains("Ctrl+C ends them")
        });
        assert!(running.child.try_wait().unwrap().is_none());
        running.signal(signal);
        let finished = running.finish().expect(code);
        bench.assert_nothing_left();
        assert_eq!(
            finished.stderr.matches("ended gracefully").count(),
            2,
            "{}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains("error: interrupted"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn an_interruption_while_clients_are_waited_for_ends_them() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    for (signal, code) in SIGNALS {
        let mut running = bench.start(bench.launch(["--clients", "1", "--", "true"]));
        running.wait_for_event("client_started");
        running.signal(signal);
        let finished = running.finish().expect(code);
        bench.assert_nothing_left();
        assert_eq!(
            exit_of(&finished),
            json!({"code": code, "name": "interrupted"})
        );
        assert_eq!(finished.ends(), ["graceful"]);
    }
}

/// The grace is far longer than the patience of a test.
#[test]
fn a_second_interruption_skips_the_grace() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    let launch = ["--clients", "2", "--grace", "10m", "--"];
    let mut running = bench.start(bench.launch(launch.iter().chain(&HOLD)));
    running.wait_for_event("test_started");
    running.signal(Signal::INT);
    running.wait_for_event("terminating");
    running.signal(Signal::INT);
    let finished = running.finish().expect(130);
    bench.assert_nothing_left();
    assert_eq!(finished.ends(), ["killed", "killed"]);
    assert_eq!(finished.event("run_finished")["survivors"], 0);
}

#[test]
fn without_a_grace_no_process_is_asked() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "2", "--grace", "0s", "--", "true"];
    let finished = bench.start(bench.launch(launch)).finish().expect(0);
    bench.assert_nothing_left();
    // One that is asked ends by itself.
    let finished = finished.event("run_finished");
    for client in finished["clients"].as_array().unwrap() {
        let killed = json!({"signal": Signal::KILL.as_raw()});
        assert_eq!(client["end"]["status"], killed, "{finished:#}");
    }
}

/// A launch without a test in a terminal of its own. What is written to the child's input is typed there.
fn start_in_a_terminal(bench: &Bench) -> Running {
    let xtask = tests::binary("xtask");
    let line = format!(
        "exec '{}' launch --clients 2 --base-port auto",
        xtask.display()
    );
    let mut command = bench.command("script");
    command.args([
        "--quiet",
        "--return",
        "--flush",
        "--command",
        &line,
        "/dev/null",
    ]);
    command.stdin(Stdio::piped());
    let running = bench.start(command);
    wait_for(PATIENCE, "readiness", || {
        running.stdout().contains("Ctrl+C ends them")
    });
    running
}

#[test]
fn ctrl_c_in_a_terminal_ends_everything() {
    let bench = Bench::with_demo(&[]);
    let mut running = start_in_a_terminal(&bench);
    let keyboard = running.child.stdin.as_mut().unwrap();
    keyboard.write_all(b"\x03").unwrap();
    let finished = running.finish().expect(130);
    bench.assert_nothing_left();
    let shown = &finished.stdout;
    assert!(
        shown.contains("of 2 clients ready"),
        "no progress display: {shown}"
    );
    assert_eq!(shown.matches("ended gracefully").count(), 2, "{shown}");
}

#[test]
fn a_terminal_that_is_closed_ends_everything() {
    let bench = Bench::with_demo(&[]);
    let mut running = start_in_a_terminal(&bench);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    bench.assert_nothing_left_within(PATIENCE);
}
