//! What a test or a client leaves behind is ended, and named.

use serde_json::{Value, json};
use tests::{Bench, Finished};

/// Leaves a process in a session of its own, holding none of the test's streams, writes down its PID, and goes on when
/// it runs.
const LEAVE: &str = "setsid sleep 60.25 < /dev/null > /dev/null 2>&1 & echo $! > left; \
                     until read name < /proc/$!/comm && [ $name = sleep ]; do :; done";

fn left(bench: &Bench) -> Value {
    let pid = std::fs::read_to_string(bench.root().join("left")).unwrap();
    json!(pid.trim().parse::<u32>().unwrap())
}

#[track_caller]
fn assert_is_the_leak(bench: &Bench, finished: &Finished, started_by: &str) {
    let leak = finished.event("leak");
    assert_eq!(leak["process"]["identity"]["pid"], left(bench), "{leak}");
    assert!(
        leak["process"]["identity"]["start"].as_u64().is_some(),
        "{leak}"
    );
    assert_eq!(leak["process"]["name"], "sleep");
    assert_eq!(leak["process"]["command"], "sleep 60.25");
    assert_eq!(leak["started_by"], started_by);
    assert_eq!(finished.event("run_finished")["leaks"], 1);
}

#[test]
fn what_a_test_leaves_is_ended_and_named_and_no_failure() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--", "sh", "-c", LEAVE]))
        .expect(0);
    bench.assert_nothing_left();
    assert_is_the_leak(&bench, &finished, "the test");

    let finished = bench
        .run([
            "launch",
            "--clients=1",
            "--base-port=auto",
            "--",
            "sh",
            "-c",
            LEAVE,
        ])
        .expect(0);
    bench.assert_nothing_left();
    let line = format!(
        "leak: PID {} (sleep 60.25), started by the test",
        left(&bench)
    );
    assert!(finished.stderr.contains(&line), "{}", finished.stderr);
}

#[test]
fn leaks_fail_a_run_that_denies_them() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "1", "--deny-leaks", "--", "sh", "-c", LEAVE];
    let by_flag = bench.finish(bench.launch(launch)).expect(103);
    bench.assert_nothing_left();
    assert_is_the_leak(&bench, &by_flag, "the test");
    assert_eq!(
        by_flag.event("run_finished")["exit"],
        json!({"code": 103, "name": "leaked"})
    );

    let config = tests::demo_profile("demo", &[]) + "[launch]\nleaks = 'deny'\n";
    bench.write("xtask.toml", &config);
    bench
        .finish(bench.launch(["--clients", "1", "--", "sh", "-c", LEAVE]))
        .expect(103);
    bench
        .finish(bench.launch(["--clients", "1", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
}

#[test]
fn the_code_of_a_test_that_fails_is_not_hidden_by_its_leaks() {
    let bench = Bench::with_demo(&[]);
    let script = format!("{LEAVE}; exit 3");
    let launch = ["--clients", "1", "--deny-leaks", "--", "sh", "-c", &script];
    let finished = bench.finish(bench.launch(launch)).expect(3);
    bench.assert_nothing_left();
    assert_is_the_leak(&bench, &finished, "the test");
}

/// It ignores the request to end, has emptied its environment, closed its descriptors but the witness, and forked twice.
#[test]
fn a_daemon_that_sheds_everything_is_ended() {
    let bench = Bench::with_demo(&[]);
    let script = "(setsid env -i PATH=\"$PATH\" sh -c 'trap \"\" TERM HUP INT; (sleep 60 & sleep 60) & \
                  : > up; cd /; exec 0<&- 1>&- 2>&-; while :; do sleep 60; done' &); \
                  until [ -e up ]; do sleep 0.02; done";
    let launch = ["--clients=1", "--grace=500ms", "--", "sh", "-c", script];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    bench.assert_nothing_left();
    assert!(
        finished.event("run_finished")["leaks"].as_u64() >= Some(1),
        "{}",
        finished.stdout
    );
    assert!(
        !finished.events_of("killed").is_empty(),
        "{}",
        finished.stdout
    );
    assert_eq!(finished.event("run_finished")["survivors"], 0);
}

#[test]
fn what_a_client_leaves_is_ended_and_named() {
    let config = format!(
        "[profile.demo]\nprogram = 'sh'\nargs = ['-c', '''{LEAVE}; exec demo-client serve --port {{port}} --life 60s''']\n"
    );
    let bench = Bench::with_config(&config);
    let quit = "curl --silent --max-time 10 --request POST $XTASK_CLIENT_1_URL/quit; sleep 60";
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--", "sh", "-c", quit]))
        .expect(101);
    bench.assert_nothing_left();
    assert_is_the_leak(&bench, &finished, "client 1");
}

/// A helper that its client would have ended is no leak as long as the client lives.
#[test]
fn a_child_of_a_living_client_is_no_leak() {
    let config = format!(
        "[profile.demo]\nprogram = 'sh'\nargs = ['-c', '''{LEAVE}; exec demo-client serve --port {{port}} --life 60s''']\n"
    );
    let bench = Bench::with_config(&config);
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--deny-leaks", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
    assert!(finished.events_of("leak").is_empty(), "{}", finished.stdout);
}

/// The end of the test is what it waits for.
#[test]
fn a_helper_that_ends_right_after_its_test_is_no_leak() {
    let bench = Bench::with_demo(&[]);
    let helped = "mkfifo pipe; cat pipe & exec 3> pipe";
    let launch = ["--clients=1", "--deny-leaks", "--", "sh", "-c", helped];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    bench.assert_nothing_left();
    assert!(finished.events_of("leak").is_empty(), "{}", finished.stdout);
}

/// A client that starts another program when it is asked to end, and waits until that runs.
///
/// Between its fork and its exec a shell's child swallows a request to end, as it still has the shell's trap.
fn bench_with_successor(in_trap: &str) -> Bench {
    let bench = Bench::with_config("[profile.demo]\nprogram = './client'\nargs = ['{port}']\n");
    let text = format!(
        "#!/bin/sh\ndemo-client serve --port $1 --life 60s &\n\
         replace() {{\n  {in_trap}\n  setsid sleep 60 &\n  \
         until read name < /proc/$!/comm && [ $name = sleep ]; do :; done\n  exit\n}}\n\
         trap replace TERM\nwhile :; do wait; done\n"
    );
    bench.write_program("client", &text);
    bench
}

/// The grace is far longer than the patience of a test: what is started late is asked too.
#[test]
fn what_a_client_starts_when_it_is_asked_to_end_is_asked_too() {
    let bench = bench_with_successor("");
    let launch = ["--clients", "2", "--grace", "10m", "--", "true"];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
    assert!(
        finished.events_of("killed").is_empty(),
        "{}",
        finished.stdout
    );
}

#[test]
fn what_a_client_starts_when_it_is_asked_to_end_is_killed_if_it_does_not_listen() {
    let bench = bench_with_successor("trap '' TERM");
    let launch = ["--clients", "2", "--grace", "500ms", "--", "true"];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
    assert_eq!(finished.events_of("killed").len(), 2, "{}", finished.stdout);
}
