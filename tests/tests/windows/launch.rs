//! A run from its start to its end.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::bench::{Bench, binaries, cast, expect_gone, named};

const LAUNCH: [&str; 5] = ["launch", "--base-port", "auto", "--format", "json"];

#[test]
fn three_clients_are_ready_tested_and_ended() {
    let bench = Bench::new();
    let test = ["--clients", "3", "--", "demo-client", "consensus"];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
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
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn the_code_of_the_test_is_passed_on() {
    let bench = Bench::new();
    // What does not fit is a failure all the same, and the last is that of a program that was ended by Ctrl+C.
    for (own, code) in [(7, 7), (300, 1), (-1, 1), (-1_073_741_510, 130)] {
        let test = ["--clients", "1", "--", "cmd", "/c", &format!("exit {own}")];
        let finished = bench.run(&[&LAUNCH[..], &test].concat());
        assert_eq!(
            finished.code, code,
            "{}{}",
            finished.stdout, finished.stderr
        );
        let events = finished.events();
        let status = &named(&events, "test_exited")[0]["status"];
        assert_eq!(status["code"], own);
        let (guardian, clients, ports) = cast(&events);
        expect_gone(&[guardian, clients[0]], &ports);
    }
}

#[test]
fn a_test_knows_its_clients_and_its_arguments_arrive_to_the_letter() {
    let bench = Bench::new();
    let script = "@echo off\r\n\
        echo count=%XTASK_CLIENTS%> \"%~dp0seen.txt\"\r\n\
        echo first=%~1>> \"%~dp0seen.txt\"\r\n\
        echo second=%~2>> \"%~dp0seen.txt\"\r\n";
    std::fs::write(bench.root().join("the test.bat"), script).unwrap();
    let test = [
        "--clients",
        "2",
        "--",
        "./the test.bat",
        "two words",
        "a\\b",
    ];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let seen = std::fs::read_to_string(bench.root().join("seen.txt")).unwrap();
    let seen: Vec<&str> = seen.lines().map(str::trim_end).collect();
    assert_eq!(seen, ["count=2", "first=two words", "second=a\\b"]);
}

#[test]
fn a_client_that_dies_ends_the_run() {
    let bench = Bench::with_demo(&["--crash-after", "1s", "--crash-code", "9"]);
    let finished = bench.run(&[&LAUNCH[..], &["--clients", "2"]].concat());
    assert_eq!(finished.code, 101, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let codes: Vec<_> = named(&events, "client_exited")
        .iter()
        .map(|event| event["status"]["code"].clone())
        .collect();
    assert!(codes.contains(&9.into()), "{codes:?}");
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn whoever_holds_a_port_is_named() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Wine tells the owner of a socket only of one that its process has worked with itself.
    holder.set_ttl(64).unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let bench = Bench::new();
    let finished = bench.run(&["launch", "--clients", "1", "--base-port", &port]);
    assert_eq!(finished.code, 102, "{}{}", finished.stdout, finished.stderr);
    let own = format!("PID {}", std::process::id());
    assert!(finished.stderr.contains(&own), "{}", finished.stderr);
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);
}

#[test]
#[ignore = "it is what the next test launches as its test command"]
#[expect(clippy::zombie_processes, reason = "to leave it is what this is for")]
fn leave_a_child() {
    Command::new(binaries().join("demo-client.exe"))
        .args(["serve", "--port", "0", "--life", "85s"])
        .spawn()
        .unwrap();
}

#[test]
fn what_a_test_leaves_is_told_and_ended() {
    let bench = Bench::new();
    let own = std::env::current_exe().unwrap();
    let test = [
        "--clients",
        "1",
        "--deny-leaks",
        "--",
        own.to_str().unwrap(),
        "--ignored",
        "--exact",
        "launch::leave_a_child",
    ];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 103, "{}{}", finished.stdout, finished.stderr);
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
    let leak = crate::bench::identity(&leaks[0]["process"]["identity"]);
    expect_gone(&[&[guardian, leak], &clients[..]].concat(), &ports);
}
