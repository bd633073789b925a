//! Several launches at the same time, beside each other and one in another.

use serde_json::{Value, json};
use tests::{
    Bench, Finished, PASS, PATIENCE, Running, assert_over, cast, free_port, living, named, poll,
};

/// Starts a launch on this port that prints events and has no test.
fn launch_on(bench: &Bench, port: &str) -> Running {
    bench.start(bench.launch_on_default_ports(["--ports", port]))
}

/// The events of another launch, which was the test of this one.
fn inner_events(finished: &Finished) -> Vec<Value> {
    let lines = finished.stderr.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Fails unless a run of one client goes on, kills its launcher, and waits until nothing of it is left.
#[track_caller]
fn end_undisturbed(launcher: &mut Running) {
    let events = launcher.events();
    let (guardian, clients, _) = cast(&events);
    let all = [guardian, clients[0]];
    assert_eq!(living(&all), all);
    launcher.kill();
    assert_over(&events);
}

#[test]
fn launches_of_one_project_on_distinct_ports_do_not_meet() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "2", "--", "demo-client", "consensus"];
    let launches: Vec<Running> = (0..4).map(|_| bench.start(bench.launch(launch))).collect();
    for launch in launches {
        let finished = launch.finish().expect(0);
        assert_eq!(finished.ends(), ["graceful", "graceful"]);
        assert_over(&finished.events());
    }
    bench.assert_no_runs();
    assert_eq!(bench.runs().len(), 4);
}

#[test]
fn a_port_of_a_live_run_is_busy_in_its_project_and_unavailable_in_others() {
    let (bench, other) = (Bench::with_demo(&[]), Bench::with_demo(&[]));
    let port = free_port().to_string();
    let mut first = launch_on(&bench, &port);
    let run = first.wait_for_event("run_started")["run"].clone();
    first.wait_for_event("client_ready");
    let (_, clients, _) = cast(&first.events());

    let launch = ["--ports", &port, "--"];
    let launch: Vec<&str> = launch.into_iter().chain(PASS.iter().copied()).collect();
    let second = bench.finish(bench.launch_on_default_ports(&launch));
    let end = second.expect(107).event("run_finished");
    assert_eq!(end["exit"], json!({"code": 107, "name": "busy"}));
    let message = end["message"].as_str().unwrap();
    assert!(message.contains(run.as_str().unwrap()), "{end}");

    let second = other.finish(other.launch_on_default_ports(&launch));
    let end = second.expect(102).event("run_finished");
    // Wine tells the owner of a socket only where that has set an option of it.
    if cfg!(target_os = "linux") {
        let message = end["message"].as_str().unwrap();
        let holder = format!("PID {}", clients[0].pid);
        assert!(message.contains(&holder), "{end}");
    }
    other.assert_nothing_started();

    end_undisturbed(&mut first);
    bench.assert_no_runs();
}

/// A client that does not listen yet has its port all the same, and its guardian is named to any other launch.
#[test]
fn a_port_is_claimed_before_its_client_listens() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    let other = Bench::with_demo(&[]);
    let port = free_port().to_string();
    for ports in [["--ports", &port], ["--base-port", "auto"]] {
        let launch = ports.iter().chain(&["--clients", "1"]);
        let mut first = bench.start(bench.launch_on_default_ports(launch));
        let port = first.wait_for_event("client_started")["port"].to_string();
        let (guardian, _, _) = cast(&first.events());
        let launch = ["--ports", &port, "--"];
        let launch: Vec<&str> = launch.into_iter().chain(PASS.iter().copied()).collect();
        let second = bench.finish(bench.launch_on_default_ports(&launch));
        second.expect(107);
        for _ in 0..2 {
            let second = other.finish(other.launch_on_default_ports(&launch));
            let end = second.expect(102).event("run_finished");
            let holder = format!("PID {}", guardian.pid);
            let message = end["message"].as_str().unwrap();
            assert!(message.contains(&holder), "{end}");
        }
        end_undisturbed(&mut first);
    }
    bench.assert_no_runs();
    other.assert_nothing_started();
}

#[test]
fn of_launches_that_race_for_a_port_one_wins_and_the_others_say_why() {
    let bench = Bench::with_demo(&[]);
    let port = free_port().to_string();
    let racers: Vec<Running> = (0..4).map(|_| launch_on(&bench, &port)).collect();
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
    end_undisturbed(winner);
    bench.assert_no_runs();
}

/// As in a loop whose iterations are themselves started by a launch.
#[test]
fn a_launch_may_be_the_test_of_another_one() {
    let bench = Bench::with_demo(&[]);
    let test = "xtask launch --clients 2 --base-port auto --format json -- demo-client consensus";
    let launch = ["--clients", "2", "--deny-leaks", "--"].into_iter();
    let finished = bench.finish(bench.launch(launch.chain(test.split(' '))));
    let finished = finished.expect(0);
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
    assert_over(&finished.events());
    let inner = inner_events(&finished);
    assert_eq!(
        named(&inner, "client_ready").len(),
        2,
        "{}",
        finished.stderr
    );
    assert_over(&inner);
    bench.assert_no_runs();
    assert_eq!(bench.runs().len(), 2);
}

/// It goes on under its own guardian, which is something that the outer test leaves behind. On Windows nothing tells that
/// it is the test's: what has started this guardian has itself ended.
#[test]
fn a_run_that_is_detached_within_a_test_ends_with_the_outer_one() {
    let bench = Bench::with_demo(&[]);
    let test = "xtask launch --clients 2 --base-port auto --format json --detach";
    let launch = ["--clients", "1", "--"].into_iter();
    let finished = bench.finish(bench.launch(launch.chain(test.split(' '))));
    let finished = finished.expect(0);
    if cfg!(target_os = "linux") {
        assert!(
            !finished.events_of("leak").is_empty(),
            "{}",
            finished.stdout
        );
    }
    assert_eq!(finished.event("run_finished")["survivors"], 0);
    assert_over(&finished.events());
    assert_over(&inner_events(&finished));
    bench.assert_no_runs();
}
