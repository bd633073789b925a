//! The main job: clients up, test run, clients gone, and a truthful exit code.

use serde_json::{Value, json};
use tests::{Bench, Finished, free_ports, is_alive, is_free, pid_of};

#[test]
fn the_consensus_of_three_clients_is_the_first_thing_that_works() {
    let bench = Bench::with_demo(&[]);
    let launch = ["launch", "--clients", "3", "--base-port", "auto"];
    let finished = bench
        .run(launch.iter().chain(&["--", "demo-client", "consensus"]))
        .expect(0);
    bench.assert_nothing_left();
    assert!(
        finished.stdout.contains("3 clients ready"),
        "{}",
        finished.stdout
    );
    assert!(!finished.stdout.contains("FAILED"), "{}", finished.stdout);
    let said: Vec<&str> = finished.stderr.lines().collect();
    let count = |part: &str| said.iter().filter(|line| line.contains(part)).count();
    assert!(
        said[0].starts_with("run ") && said[0].contains("(whole-tree by "),
        "{said:?}"
    );
    assert_eq!(count("  ready after "), 3, "{said:?}");
    assert_eq!(count("  ended gracefully"), 3, "{said:?}");
    let last = said.last().expect("something was said");
    assert!(last.starts_with("ok: the test passed ("), "{said:?}");
}

/// In a network of its own, since it uses the default ports; and in a PID namespace of its own, since its clients have
/// no limited life.
#[test]
fn without_any_configuration_the_ports_are_8080_to_8082() {
    let bench = Bench::new();
    let mut command = bench.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args([
        "--net",
        "--fork",
        "--pid",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
    ]);
    command
        .arg("ip link set lo up && \"$@\"; exit $?")
        .arg("sh")
        .arg(tests::binary("xtask"));
    command.args(["launch", "--clients", "3", "--", "demo-client", "consensus"]);
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    for (client, port) in [(1, 8080), (2, 8081), (3, 8082)] {
        let line = format!("client {client}  http://127.0.0.1:{port}  ready after");
        assert!(finished.stderr.contains(&line), "{}", finished.stderr);
    }
}

#[test]
fn events_come_in_order_and_name_every_process() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
    let names = finished.event_names();
    // The clients are awaited and ended side by side, so it is not said which is first.
    let at = |name: &str| names.iter().position(|other| other == name).unwrap();
    let last = |name: &str| names.iter().rposition(|other| other == name).unwrap();
    assert_eq!(
        (at("run_started"), at("run_finished")),
        (0, 10),
        "{names:?}"
    );
    assert_eq!(at("client_started"), 1);
    assert!(last("client_started") < last("client_ready"));
    assert_eq!(at("test_started"), last("client_ready") + 1);
    assert_eq!(at("test_exited"), at("test_started") + 1);
    assert_eq!(at("terminating"), at("test_exited") + 1);
    assert_eq!(at("client_exited"), at("terminating") + 1);
    assert_eq!(last("client_exited"), 9);
    for event in finished.events() {
        assert_eq!(event["schema"], "clean-slate/event/1");
    }
    let started = finished.event("run_started");
    assert_eq!(started["clients"], 2);
    assert_eq!(started["level"], "whole-tree");
    assert_eq!(started["root"], json!(bench.root().canonicalize().unwrap()));
    for (event, number) in finished.events_of("client_started").iter().zip(1..) {
        assert_eq!(
            (&event["client"], &event["role"]),
            (&json!(number), &json!("demo"))
        );
        assert!(event["identity"]["start"].as_u64().is_some(), "{event}");
        assert!(
            event["command"][0]
                .as_str()
                .is_some_and(|program| program.ends_with("/demo-client"))
        );
        let log = std::fs::read_to_string(event["log"].as_str().unwrap()).unwrap();
        assert!(
            log.contains(&format!("listening on http://127.0.0.1:{}", event["port"])),
            "{log}"
        );
    }
    let end = finished.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 0, "name": "ok"}));
    assert_eq!(end["run"], started["run"]);
    assert_eq!(
        (&end["leaks"], &end["survivors"], &end["detached"]),
        (&json!(0), &json!(0), &json!(false))
    );
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
}

#[test]
fn the_tests_own_exit_code_is_passed_on() {
    let bench = Bench::with_demo(&[]);
    let run = |script| bench.finish(bench.launch(["--clients", "1", "--", "sh", "-c", script]));
    let cases = [
        ("exit 3", 3, json!({"code": 3})),
        ("exit 100", 100, json!({"code": 100})),
        ("exit 255", 255, json!({"code": 255})),
        ("kill -TERM $$", 143, json!({"signal": 15})),
        ("kill -KILL $$", 137, json!({"signal": 9})),
    ];
    for (script, code, status) in cases {
        let finished = run(script).expect(code);
        bench.assert_nothing_left();
        assert_eq!(finished.event("test_exited")["status"], status, "{script}");
        let exit = json!({"code": code, "name": "test"});
        assert_eq!(finished.event("run_finished")["exit"], exit, "{script}");
        assert_eq!(finished.ends(), ["graceful"]);
    }
}

#[test]
fn the_test_is_told_everything_about_its_clients() {
    let bench = Bench::with_demo(&[]);
    let script = "env | grep ^XTASK_ > environment; kill -0 $XTASK_CLIENT_1_PID; \
                  curl --silent --fail --max-time 10 $XTASK_CLIENT_2_URL/status > status";
    let command = bench.launch(["--clients", "2", "--", "sh", "-c", script]);
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    let text = std::fs::read_to_string(bench.root().join("environment")).unwrap();
    let mut given: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("XTASK_STATE_DIR="))
        .collect();
    given.sort_unstable();
    let run = finished.event("run_started");
    let clients = finished.events_of("client_started");
    let url = |client: &Value| format!("http://127.0.0.1:{}", client["port"]);
    let urls: Vec<String> = clients.iter().map(url).collect();
    let mut expected = vec![
        format!("XTASK_RUN_ID={}", text_of(&run["run"])),
        format!("XTASK_RUN_DIR={}", text_of(&run["folder"])),
        "XTASK_MEMBER=test".to_owned(),
        "XTASK_CLIENTS=2".to_owned(),
        format!("XTASK_CLIENT_URLS={}", urls.join(",")),
    ];
    for client in &clients {
        let name = format!("XTASK_CLIENT_{}", client["client"]);
        expected.extend([
            format!("{name}_URL={}", url(client)),
            format!("{name}_PORT={}", client["port"]),
            format!("{name}_PID={}", client["identity"]["pid"]),
            format!("{name}_LOG={}", text_of(&client["log"])),
        ]);
    }
    expected.sort_unstable();
    assert_eq!(given, expected);
    let status: Value =
        serde_json::from_slice(&std::fs::read(bench.root().join("status")).unwrap()).unwrap();
    assert_eq!(status["number"], 2);
}

#[test]
fn the_tests_arguments_arrive_as_they_were_given() {
    let bench = Bench::with_demo(&[]);
    let arguments = ["a b", "", "*", "--clients", "9", "$HOME", "ü\n"];
    let script = "printf '<%s>' \"$@\" > arguments";
    let command = bench.launch(
        ["--clients", "1", "--", "sh", "-c", script, "sh"]
            .iter()
            .chain(&arguments),
    );
    bench.finish(command).expect(0);
    bench.assert_nothing_left();
    let written = std::fs::read_to_string(bench.root().join("arguments")).unwrap();
    assert_eq!(written, format!("<{}>", arguments.join("><")));
}

#[test]
fn the_test_runs_where_the_launch_was_called_and_clients_run_in_the_root() {
    let bench = Bench::with_demo(&[]);
    bench.write("deep/inside/script", "");
    let mut command = bench.launch([
        "--clients=1",
        "--",
        "sh",
        "-c",
        "pwd; readlink /proc/$XTASK_CLIENT_1_PID/cwd",
    ]);
    command.current_dir(bench.root().join("deep/inside"));
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    let root = bench.root().canonicalize().unwrap();
    let expected = format!(
        "{}\n{}\n",
        root.join("deep/inside").display(),
        root.display()
    );
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
}

#[test]
fn a_test_program_is_found_in_path_and_below_the_working_directory() {
    let bench = Bench::with_demo(&[]);
    bench.write_program("deep/passes", "#!/bin/sh\nexit 0\n");
    let mut command = bench.launch(["--clients", "1", "--", "./passes"]);
    command.current_dir(bench.root().join("deep"));
    bench.finish(command).expect(0);
    bench
        .finish(bench.launch(["--clients", "1", "--", "deep/passes"]))
        .expect(0);
    bench.assert_nothing_left();
}

#[test]
fn clients_that_are_ended_leave_their_ports_free() {
    let bench = Bench::with_demo(&[]);
    // Those that the system chooses may be another test's by now.
    let ports = free_ports(3);
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    let launch = ["--ports", &list.join(","), "--", "true"];
    let finished = bench
        .finish(bench.launch_on_default_ports(launch))
        .expect(0);
    // By the time that the launch returns, not some time later.
    for (client, port) in finished.events_of("client_started").iter().zip(ports) {
        assert!(is_free(port), "{client}");
        assert!(!is_alive(pid_of(&client["identity"])), "{client}");
    }
    bench.assert_nothing_left();
}

#[test]
fn staggered_starts_lie_that_far_apart() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "3", "--stagger", "500ms", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
    let ticks = |client: &Value| client["identity"]["start"].as_u64().unwrap();
    let starts: Vec<u64> = finished
        .events_of("client_started")
        .iter()
        .map(ticks)
        .collect();
    // The kernel counts in hundredths of a second, rounded down.
    assert!(
        starts.windows(2).all(|pair| pair[1] - pair[0] >= 49),
        "{starts:?}"
    );
}

#[test]
fn quiet_says_nothing_but_what_went_wrong() {
    let bench = Bench::with_demo(&[]);
    let run = |test: &str| -> Finished {
        bench.run([
            "launch",
            "--quiet",
            "--clients=1",
            "--base-port=auto",
            "--",
            test,
        ])
    };
    let passed = run("true").expect(0);
    assert_eq!((passed.stdout.as_str(), passed.stderr.as_str()), ("", ""));
    let failed = run("false").expect(1);
    assert_eq!(failed.stdout, "");
    assert!(
        failed
            .stderr
            .starts_with("error: test: the test failed with "),
        "{}",
        failed.stderr
    );
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    bench.assert_nothing_left();
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}
