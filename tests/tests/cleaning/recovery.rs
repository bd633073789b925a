//! Runs whose launcher and guardian were both killed: the next command finishes them.

use rustix::process::Signal;
use serde_json::Value;
use tests::namespace::{alone, others};
use tests::{Bench, assert_documented, pid_of};

use crate::support::{SCRIPT, assert_alive, kill, script, xtask};

/// Clients that leave processes which neither their parent's death nor their environment gives away.
const CONFIG: &str = r#"
[profile.leaving]
program = "sh"
args = ["-c", """
    setsid nohup sleep 80 > /dev/null 2>&1 &
    env -i setsid sleep 81 &
    (setsid sh -c 'trap "" TERM; sleep 82 & wait; sleep 83' &)
    exec demo-client serve --port {port} --life 60s
"""]
"#;

/// Launches two such clients, and kills launcher and guardian so that neither can do anything about it.
fn dead_run(bench: &Bench, arguments: &[&str]) -> String {
    let launch = [
        "launch",
        "--profile=leaving",
        "--clients=2",
        "--base-port=auto",
    ];
    let command = bench.xtask([&launch[..], &["--format", "json"], arguments].concat());
    let mut launcher = bench.start(command);
    let started = launcher.wait_for_event("run_started");
    tests::wait_for(tests::PATIENCE, "both clients", || {
        let ready = |event: &&Value| event["event"] == "client_ready";
        launcher.events().iter().filter(ready).count() == 2
    });
    launcher.events().iter().for_each(assert_documented);
    let guardian = pid_of(&started["guardian"]);
    let raw = rustix::process::Pid::from_raw(guardian.cast_signed()).unwrap();
    rustix::process::kill_process(raw, Signal::STOP).unwrap();
    launcher.child.kill().unwrap();
    launcher.child.wait().unwrap();
    kill(guardian);
    // What is left are the daemons; a client itself goes with its guardian.
    tests::wait_for(tests::PATIENCE, "the clients to be gone", || {
        others().len() == 8
    });
    started["run"].as_str().unwrap().to_owned()
}

/// The command's own grace counts, not that of the launch, which is longer than anything here lives.
fn is_finished_by(arguments: &[&str]) {
    let bench = Bench::with_config(CONFIG);
    let run = dead_run(&bench, &["--grace", "10m"]);
    let status = xtask(&bench, 0, &["status"]);
    assert_eq!(status["runs"][0]["run"], run.as_str());
    assert_eq!(status["runs"][0]["state"], "dead");
    assert_eq!(status["runs"][0]["usage"]["processes"], 8);
    // Looking does not end anything.
    xtask(&bench, 0, &["cleanup"]);
    assert_eq!(others().len(), 8);

    let finished = xtask(&bench, 0, arguments);
    let report = &finished["runs"][0];
    assert_eq!(report["run"], run.as_str());
    assert_eq!(report["action"], "ended");
    assert_eq!(report["ended"], 8, "{report:#}");
    assert_eq!(report["survivors"], 0);
    assert_eq!(others(), []);
    let status = xtask(&bench, 0, &["status"]);
    assert_eq!(status["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn preflight_finishes_a_dead_run() {
    alone(|| is_finished_by(&["preflight", "--base-port", "auto", "--grace", "1s"]));
}

/// The guardian would take longer than anything here lives with clients that do not end when they are asked to.
#[test]
fn preflight_waits_for_a_run_whose_launcher_was_killed_a_moment_ago() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let launch = ["launch", "--profile", "leaving", "--clients", "1"];
        let further = ["--base-port", "auto", "--grace", "10m", "--format", "json"];
        let mut launcher = bench.start(bench.xtask([&launch[..], &further].concat()));
        launcher.wait_for_event("client_ready");
        tests::wait_for(tests::PATIENCE, "the client's daemons", || {
            others().len() == 7
        });
        launcher.child.kill().unwrap();
        launcher.child.wait().unwrap();
        let preflight = ["preflight", "--base-port", "auto", "--grace", "1s"];
        let finished = xtask(&bench, 0, &preflight);
        assert_eq!(finished["runs"][0]["action"], "ended", "{finished:#}");
        assert_eq!(others(), []);
    });
}

#[test]
fn cleanup_finishes_a_dead_run() {
    alone(|| is_finished_by(&["cleanup", "--all", "--grace", "1s"]));
}

#[test]
fn postflight_finishes_a_dead_run() {
    alone(|| is_finished_by(&["postflight", "--grace", "1s"]));
}

#[test]
fn a_detached_run_whose_guardian_was_killed_is_finished_too() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let launch = [
            "launch",
            "--profile=leaving",
            "--clients=2",
            "--base-port=auto",
        ];
        let launched = bench.run([&launch[..], &["--detach", "--format", "json"]].concat());
        let guardian = launched.expect(0).event("run_started")["guardian"].clone();
        kill(pid_of(&guardian));
        tests::wait_for(tests::PATIENCE, "the clients to be gone", || {
            others().len() == 8
        });
        xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(others(), []);
    });
}

/// A shell may have taken over what a test is told.
#[test]
fn a_reader_of_what_the_command_says_is_left_alone_though_its_environment_names_the_run() {
    alone(|| {
        let bench = Bench::new();
        let launch = ["launch", "--clients=1", "--base-port=auto", "--detach"];
        let launched = bench.run([&launch[..], &["--format", "json"]].concat());
        let started = launched.expect(0).event("run_started");
        kill(pid_of(&started["guardian"]));
        let mut shell = bench.command("sh");
        let line = "\"$XTASK\" preflight --base-port auto --format json | cat";
        shell.args(["-c", line]);
        shell.env("XTASK", tests::binary("xtask"));
        shell.env("XTASK_RUN_ID", started["run"].as_str().unwrap());
        let finished = bench.finish(shell).expect(0);
        assert_eq!(finished.json()["runs"][0]["run"], started["run"]);
        assert_eq!(others(), []);
    });
}

#[test]
fn looking_says_what_would_be_finished_and_leaves_it() {
    alone(|| {
        let bench = Bench::with_config(CONFIG);
        let run = dead_run(&bench, &[]);
        let stray = script(&bench, "stray.py", SCRIPT);
        let checked = xtask(
            &bench,
            108,
            &["preflight", "--check", "--base-port", "auto"],
        );
        let dry = xtask(&bench, 0, &["cleanup", "--all", "--dry-run"]);
        let by_run = xtask(&bench, 0, &["cleanup", "--run", &run, "--dry-run"]);
        assert_eq!(others().len(), 8 + 1);
        assert_alive(&[("the stray script", &stray)]);
        let real = xtask(&bench, 0, &["cleanup", "--run", &run, "--grace", "1s"]);
        let named = |document: &Value| -> Vec<String> {
            let processes = document["runs"][0]["processes"].as_array().unwrap().clone();
            let mut named: Vec<String> = processes
                .iter()
                .map(|p| p["identity"].to_string())
                .collect();
            named.sort();
            named
        };
        assert_eq!(named(&real).len(), 8);
        for document in [&checked, &dry, &by_run] {
            assert_eq!(document["runs"][0]["action"], "would_end");
            assert_eq!(named(document), named(&real));
        }
        assert_alive(&[("the stray script", &stray)]);
        assert_eq!(others().len(), 1);
    });
}

/// What of a run could read what its launcher says is not spared as a reader of it.
#[test]
fn a_process_of_a_run_that_could_read_what_its_launcher_says_ends_with_it() {
    alone(|| {
        let bench = Bench::new();
        // The launcher is in a session of its own, and no process in there reads what it says.
        let test = "(setsid sh -c 'echo > up; exec sleep 60' 3<>/dev/stdout &); exec sleep 60";
        let mut command = bench.command("sh");
        command.args(["-c", "setsid --wait xtask \"$@\" 2>&1 | cat > said", "sh"]);
        command.args(["launch", "--format=json", "--clients=1", "--base-port=auto"]);
        command.args([
            "--contain=subreaper",
            "--grace=300ms",
            "--",
            "sh",
            "-c",
            test,
        ]);
        let running = bench.start(command);
        tests::wait_for(tests::PATIENCE, "the test to be set up", || {
            bench.root().join("up").exists()
        });
        let said = std::fs::read_to_string(bench.root().join("said")).unwrap();
        let events = said.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut started = events.filter(|event: &Value| event["event"] == "run_started");
        kill(pid_of(&started.next().unwrap()["guardian"]));
        running.finish();
        assert_eq!(others(), []);
    });
}
