//! Runs in a PID namespace of their own, and the commands that report on them and end them from outside.

use serde_json::Value;
use tests::namespace::{alone, others};
use tests::{Bench, assert_documented, pid_of};

use crate::support::xtask;

const CONFIG: &str = "[profile.leaving]\nprogram = \"sh\"\n\
     args = [\"-c\", \"setsid nohup sleep 80 > /dev/null 2>&1 & exec demo-client serve --port {port} --life 60s\"]\n";

const LAUNCH: [&str; 7] = [
    "launch",
    "--profile=leaving",
    "--clients=2",
    "--base-port=auto",
    "--contain=pidns",
    "--grace=500ms",
    "--format=json",
];

/// Launches a run that goes on by itself, and returns its id.
fn detached(bench: &Bench) -> String {
    let launched = bench.run([&LAUNCH[..], &["--detach"]].concat()).expect(0);
    launched.events().iter().for_each(assert_documented);
    // The guardian, the first process of the namespace, and two clients with a process of theirs each.
    assert_eq!(others().len(), 6, "{:?}", others());
    let run = &launched.event("run_started")["run"];
    run.as_str().unwrap().to_owned()
}

#[test]
fn a_detached_run_is_shown_by_its_pids_outside() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let run = detached(&bench);
        let status = xtask(&bench, 0, &["status"]);
        let shown = &status["runs"][0];
        assert_eq!(shown["run"], run.as_str());
        assert_eq!(shown["state"], "detached");
        assert_eq!(
            (&shown["level"], &shown["mechanism"]),
            (&Value::from("kernel"), &Value::from("pidns"))
        );
        let for_people = bench.run(["status"]).expect(0).stdout;
        assert!(for_people.contains("\n  kernel by pidns\n"), "{for_people}");
        assert_eq!(shown["usage"]["processes"], 4);
        for client in shown["clients"].as_array().unwrap() {
            assert_eq!(client["alive"], true);
            assert_eq!(client["usage"]["processes"], 2);
            let pid = pid_of(&client["identity"]);
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(line.starts_with("demo-client"), "{line}");
        }
        // Looking ends nothing.
        xtask(&bench, 0, &["cleanup"]);
        assert_eq!(others().len(), 6);
        let cleaned = xtask(&bench, 0, &["cleanup", "--run", &run]);
        assert_eq!(cleaned["runs"][0]["action"], "ended", "{cleaned:#}");
        assert_eq!(others(), []);
    });
}

#[test]
fn postflight_ends_a_detached_run() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let run = detached(&bench);
        let report = xtask(&bench, 0, &["postflight"]);
        assert_eq!(report["runs"][0]["run"], run.as_str());
        assert_eq!(report["runs"][0]["action"], "ended", "{report:#}");
        assert_eq!(others(), []);
        assert_eq!(xtask(&bench, 0, &["status"])["runs"], Value::Array(vec![]));
    });
}

#[test]
fn all_of_it_goes_when_everything_is_asked_for() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        detached(&bench);
        xtask(&bench, 0, &["cleanup", "--all"]);
        assert_eq!(others(), []);
        assert_eq!(xtask(&bench, 0, &["status"])["runs"], Value::Array(vec![]));
    });
}

#[test]
fn preflight_closes_a_run_of_which_nothing_is_left() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let mut launcher = bench.start(bench.xtask(LAUNCH));
        let started = launcher.wait_for_event("run_started");
        tests::wait_for(tests::PATIENCE, "both clients", || {
            let ready = |event: &&Value| event["event"] == "client_ready";
            launcher.events().iter().filter(ready).count() == 2
        });
        let guardian = pid_of(&started["guardian"]);
        launcher.kill_with_guardian(guardian);
        let gone = || others().is_empty();
        tests::wait_for(
            tests::PATIENCE,
            "everything to be gone without a command",
            gone,
        );
        let status = xtask(&bench, 0, &["status"]);
        assert_eq!(status["runs"][0]["state"], "dead");

        let report = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(report["runs"][0]["run"], started["run"]);
        assert_eq!(report["runs"][0]["action"], "ended", "{report:#}");
        assert_eq!(report["runs"][0]["ended"], 0);
        assert_eq!(xtask(&bench, 0, &["status"])["runs"], Value::Array(vec![]));
    });
}
