//! Several launches at the same time, beside each other and one in another.

use serde_json::{Value, json};

use crate::support::{
    PASS, cast, expect_gone, expect_over, inner_events, launch, living, project, project_with_demo,
};
use tests::{PATIENCE, Running, free_port, named, poll};

#[test]
fn launches_of_one_project_on_distinct_ports_do_not_meet() {
    let bench = project();
    let test = ["--", "demo-client", "consensus"];
    let launches: Vec<Running> = (0..2)
        .map(|_| launch(&bench, "--clients 2", &test))
        .collect();
    for launch in launches {
        expect_over(&launch.finish().expect(0).events());
    }
    bench.assert_no_runs();
}

#[test]
fn a_port_of_a_live_run_of_the_same_project_is_busy() {
    let bench = project();
    let port = free_port().to_string();
    let launch = ["launch", "--ports", &port, "--format", "json"];
    let first = bench.run([&launch[..], &["--detach"]].concat()).expect(0);
    let (guardian, clients, ports) = cast(&first.events());
    let run = named(&first.events(), "run_started")[0]["run"].clone();
    let run = run.as_str().unwrap();

    let second = bench.run([&launch[..], &PASS].concat()).expect(107);
    let end = second.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 107, "name": "busy"}));
    assert!(end["message"].as_str().unwrap().contains(run), "{end}");

    let all = [guardian, clients[0]];
    assert_eq!(living(&all), all);
    bench.run(["cleanup", "--run", run]).expect(0);
    expect_gone(&all, &ports);
}

/// A client that does not listen yet has its port all the same, and whoever asks is told who has it.
#[test]
fn a_port_is_claimed_before_its_client_listens() {
    let (bench, other) = (project_with_demo(&["--ready-after", "60s"]), project());
    let mut first = launch(&bench, "--clients 1", &PASS);
    let port = first.wait_for_events("client_started", 1)[0]["port"].to_string();
    let (guardian, _, _) = cast(&first.events());
    let launch = ["launch", "--ports", &port, "--format", "json"];
    let launch = [&launch[..], &PASS].concat();
    bench.run(&launch).expect(107);
    for _ in 0..2 {
        let end = other.run(&launch).expect(102).event("run_finished");
        let holder = format!("PID {}", guardian.pid);
        assert!(end["message"].as_str().unwrap().contains(&holder), "{end}");
    }
    other.assert_nothing_started();
    first.kill();
    expect_over(&first.events());
}

#[test]
fn of_launches_that_race_for_a_port_one_wins_and_the_others_say_why() {
    let bench = project();
    let port = free_port().to_string();
    let launch = ["launch", "--ports", &port, "--format", "json"];
    let racers: Vec<Running> = (0..4).map(|_| bench.start(bench.xtask(launch))).collect();
    let mut winners = Vec::new();
    for mut racer in racers {
        let has_lost = poll(PATIENCE, || {
            let is_ready = !named(&racer.events(), "client_ready").is_empty();
            let has_ended = racer.has_ended();
            (is_ready || has_ended).then_some(has_ended)
        });
        if has_lost.expect("it wins or loses") {
            let end = racer.finish().event("run_finished");
            let codes = [102, 107].map(Value::from);
            assert!(codes.contains(&end["exit"]["code"]), "{end}");
        } else {
            winners.push(racer);
        }
    }
    let [winner] = &mut winners[..] else {
        panic!("{} have won", winners.len());
    };
    winner.kill();
    expect_over(&winner.events());
}

/// As in a loop whose iterations are themselves started by a launch. The inner run's job lies in that of the outer one.
#[test]
fn a_launch_may_be_the_test_of_another_one() {
    let bench = project();
    let test =
        "-- xtask launch --clients 2 --base-port auto --format json -- demo-client consensus";
    let test: Vec<&str> = test.split(' ').collect();
    let finished = launch(&bench, "--clients 2 --deny-leaks", &test)
        .finish()
        .expect(0);
    expect_over(&finished.events());
    let inner = inner_events(&finished);
    assert_eq!(
        named(&inner, "client_ready").len(),
        2,
        "{}",
        finished.stderr
    );
    expect_over(&inner);
}

/// It goes on under its own guardian, which is something that the outer test leaves behind. Nothing tells that it is the
/// test's: whoever has started this guardian has itself ended.
#[test]
fn a_run_that_is_detached_within_a_test_ends_with_the_outer_one() {
    let bench = project();
    let test = "-- xtask launch --clients 2 --base-port auto --format json --detach";
    let test: Vec<&str> = test.split(' ').collect();
    let finished = launch(&bench, "--clients 1", &test).finish().expect(0);
    assert_eq!(finished.event("run_finished")["survivors"], 0);
    expect_over(&finished.events());
    expect_over(&inner_events(&finished));
}
