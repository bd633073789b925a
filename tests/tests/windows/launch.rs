//! A run from its start to its end.

use std::process::Command;

use proc_core::table::Process;
use serde_json::json;

use crate::support::{PASS, hold, launch, project, project_with_demo};
use tests::{PATIENCE, assert_ended, assert_over, binary, cast, named, poll};

#[test]
fn three_clients_are_ready_tested_and_ended() {
    let bench = project();
    let test = ["--", "demo-client", "consensus"];
    let finished = launch(&bench, "--clients 3", &test).finish().expect(0);
    let events = finished.events();
    let run = &named(&events, "run_started")[0];
    assert_eq!(
        (&run["level"], &run["mechanism"]),
        (&"kernel".into(), &"job".into())
    );
    for (name, count) in [
        ("client_started", 3),
        ("client_ready", 3),
        ("test_exited", 1),
        ("client_exited", 3),
        ("run_finished", 1),
        ("survivor", 0),
    ] {
        assert_eq!(
            named(&events, name).len(),
            count,
            "{name}: {}",
            finished.stdout
        );
    }
    // With events on standard output, what the test writes there goes to standard error.
    assert!(
        finished.stderr.contains("3 clients ready"),
        "{}",
        finished.stderr
    );
    assert_over(&events);
}

#[test]
fn the_code_of_the_test_is_passed_on() {
    let bench = project();
    // What does not fit is a failure all the same, and the last is that of a program that was ended by Ctrl+C.
    for (own, code) in [(7, 7), (300, 1), (-1, 1), (-1_073_741_510, 130)] {
        let test = ["--", "cmd", "/c", &format!("exit {own}")];
        let finished = launch(&bench, "--clients 1", &test).finish().expect(code);
        let status = &named(&finished.events(), "test_exited")[0]["status"];
        assert_eq!(status["code"], own);
        assert_over(&finished.events());
    }
}

#[test]
fn a_test_knows_its_clients_and_its_arguments_arrive_to_the_letter() {
    let bench = project();
    let script = "@echo off\r\n\
        echo count=%XTASK_CLIENTS%> \"%~dp0seen.txt\"\r\n\
        echo first=%~1>> \"%~dp0seen.txt\"\r\n\
        echo second=%~2>> \"%~dp0seen.txt\"\r\n";
    std::fs::write(bench.root().join("the test.bat"), script).unwrap();
    let test = ["--", "./the test.bat", "two words", "a\\b"];
    launch(&bench, "--clients 2", &test).finish().expect(0);
    let seen = std::fs::read_to_string(bench.root().join("seen.txt")).unwrap();
    let seen: Vec<&str> = seen.lines().map(str::trim_end).collect();
    assert_eq!(seen, ["count=2", "first=two words", "second=a\\b"]);
}

#[test]
fn a_client_that_dies_ends_the_run() {
    let bench = project_with_demo(&["--crash-after", "1s", "--crash-code", "9"]);
    let finished = launch(&bench, "--clients 2", &[]).finish().expect(101);
    let events = finished.events();
    let codes: Vec<_> = named(&events, "client_exited")
        .iter()
        .map(|event| event["status"]["code"].clone())
        .collect();
    assert!(codes.contains(&9.into()), "{codes:?}");
    assert_over(&events);
}

#[test]
fn a_client_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log() {
    let bench = project_with_demo(&[
        "--ready-after",
        "60s",
        "--crash-after",
        "100ms",
        "--crash-code",
        "7",
    ]);
    let finished = launch(&bench, "--clients 1", &PASS).finish().expect(101);
    let events = finished.events();
    let exit = &named(&events, "client_exited")[0];
    assert_eq!(
        [&exit["status"]["code"], &exit["ended"]],
        [&json!(7), &json!("already_exited")]
    );
    let tail = exit["log_tail"].as_array().unwrap();
    let last = tail.last().unwrap().as_str().unwrap();
    assert!(last.contains("crashing"), "{exit}");
    let end = finished.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 101, "name": "client_died"}));
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("client 1 (demo) ended by itself with"),
        "{message}"
    );
    assert_eq!(named(&events, "test_started").len(), 0);
    assert_over(&events);

    let launch = ["launch", "--clients", "1", "--base-port", "auto"];
    let told = bench.run([&launch[..], &PASS].concat()).expect(101).stderr;
    let start = told
        .find("lines of its log:\n")
        .unwrap_or_else(|| panic!("{told}"));
    assert!(told[start..].contains("crashing"), "{told}");
}

#[test]
fn a_stranger_that_answers_is_never_taken_for_the_client() {
    let bench = project_with_demo(&["--ready-after", "60s"]);
    let mut launch = launch(&bench, "--clients 1", &PASS);
    let port = launch.wait_for_events("client_started", 1)[0]["port"].clone();
    let stranger = hold(u16::try_from(port.as_u64().unwrap()).unwrap());
    let finished = launch.finish().expect(102);
    assert_eq!(named(&finished.events(), "client_ready").len(), 0);
    let end = finished.event("run_finished");
    let named_as = format!("PID {}", std::process::id());
    assert!(
        end["message"].as_str().unwrap().contains(&named_as),
        "{end}"
    );
    // It was never asked.
    stranger.set_nonblocking(true).unwrap();
    let asked = stranger.accept().unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    drop(stranger);
    assert_over(&finished.events());
}

#[test]
fn the_holder_of_a_port_is_named() {
    let holder = hold(0);
    let port = holder.local_addr().unwrap().port().to_string();
    let bench = project();
    let finished = bench
        .run(["launch", "--clients", "1", "--base-port", &port])
        .expect(102);
    let own = format!("PID {}", std::process::id());
    assert!(finished.stderr.contains(&own), "{}", finished.stderr);
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);
}

#[test]
#[ignore = "it is what the next test launches as its test command"]
#[expect(clippy::zombie_processes, reason = "to leave it is what this is for")]
fn leave_a_child() {
    Command::new(binary("demo-client"))
        .args(["serve", "--port", "0", "--life", "85s"])
        .spawn()
        .unwrap();
}

#[test]
#[ignore = "it is what the next test launches as its test command"]
fn leave_an_orphan() {
    let own = std::env::current_exe().unwrap();
    let child = ["--ignored", "--exact", "launch::leave_a_child"];
    let mut between = Command::new(own).args(child).spawn().unwrap();
    assert!(between.wait().unwrap().success());
    let pid = between.id();
    // Its PID is its own for as long as a process has a handle to it.
    drop(between);
    let is_gone = poll(PATIENCE, || Process::read(pid).is_none().then_some(()));
    assert!(is_gone.is_some(), "{:?}", Process::read(pid));
}

#[test]
fn what_a_test_leaves_is_told_and_ended() {
    let own = std::env::current_exe().unwrap();
    for leave in ["launch::leave_a_child", "launch::leave_an_orphan"] {
        let bench = project();
        let test = ["--", own.to_str().unwrap(), "--ignored", "--exact", leave];
        let finished = launch(&bench, "--clients 1 --deny-leaks", &test)
            .finish()
            .expect(103);
        let events = finished.events();
        let leaks = named(&events, "leak");
        assert_eq!(leaks.len(), 1, "{}", finished.stdout);
        assert_eq!(leaks[0]["started_by"], "the test");
        assert!(
            leaks[0]["process"]["command"]
                .as_str()
                .unwrap()
                .contains("--life 85s")
        );
        let (guardian, clients, ports) = cast(&events);
        let leak = tests::identity(&leaks[0]["process"]["identity"]);
        assert_ended(&[&[guardian, leak], &clients[..]].concat(), &ports);
    }
}

#[test]
fn a_server_whose_parent_has_left_is_its_clients() {
    let bench = project();
    // What starts the server leaves at once, and the client itself stays.
    let script = "@start /b \"\" \"%~1\" --stand-in-port=%2\r\n@\"%~1\"\r\n";
    std::fs::write(bench.root().join("serve.bat"), script).unwrap();
    let server = binary("stand-in");
    let config = format!(
        "[launch]\nprofile = \"own\"\n[profile.own]\nprogram = \"./serve.bat\"\nargs = [{:?}, \"{{port}}\"]\nready = \
         {{ path = \"/\", timeout = \"60s\" }}\nshutdown = {{ grace = \"0s\" }}\n",
        server.to_str().unwrap(),
    );
    std::fs::write(bench.root().join("xtask.toml"), config).unwrap();
    let launch = launch(&bench, "--clients 2", &PASS);
    assert_over(&launch.finish().expect(0).events());
}
