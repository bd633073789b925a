//! A run from its start to its end.

use std::net::{Ipv4Addr, TcpListener};

use crate::bench::{Bench, cast, expect_gone, named};

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
    let finished = bench.run(
        &[
            &LAUNCH[..],
            &["--clients", "1", "--", "cmd", "/c", "exit 7"],
        ]
        .concat(),
    );
    assert_eq!(finished.code, 7, "{}{}", finished.stdout, finished.stderr);
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[guardian, clients[0]], &ports);
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
