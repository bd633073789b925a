//! Ways to launch: staggered, in roles, with an owner, kept after a failure; and clients that are not ready, ports that
//! are taken.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use crate::bench::{Bench, binaries, cast, expect_gone, living, named};

const LAUNCH: [&str; 5] = ["launch", "--base-port", "auto", "--format", "json"];
const PASS: [&str; 4] = ["--", "cmd", "/c", "exit 0"];

#[test]
fn staggered_starts_lie_that_far_apart() {
    let bench = Bench::new();
    let stagger = ["--clients", "3", "--stagger", "500ms"];
    let finished = bench.run(&[&LAUNCH[..], &stagger, &PASS].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let (guardian, clients, ports) = cast(&finished.events());
    // Units of 100 ns, and the clock of processes may tick in steps of 16 ms.
    let apart = |pair: &[proc_core::identity::Identity]| pair[1].start - pair[0].start >= 4_840_000;
    assert!(clients.windows(2).all(apart), "{clients:?}");
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn each_role_is_ready_before_the_next_one_starts() {
    let bench = Bench::new();
    let profile = |name: &str, further: &str| {
        let program = binaries().join("demo-client.exe");
        let program = program.to_str().unwrap();
        format!(
            "[profile.{name}]\nprogram = {program:?}\nargs = [\"serve\", \"--port\", \"{{port}}\", \"--number\", \
             \"{{number}}\", \"--life\", \"85s\"{further}]\n[[launch.role]]\nname = {name:?}\nclients = 1\nbase_port = \
             \"auto\"\n"
        )
    };
    let config = profile("server", ", \"--ready-after\", \"300ms\"") + &profile("player", "");
    std::fs::write(bench.root().join("xtask.toml"), config).unwrap();
    let finished = bench.run(&[&["launch", "--format", "json"], &PASS[..]].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let order = [
        "run_started",
        "client_started",
        "client_ready",
        "client_started",
        "client_ready",
        "test_started",
    ];
    assert_eq!(names[..6], order);
    assert_eq!(
        [&events[1]["role"], &events[3]["role"]],
        ["server", "player"]
    );
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn a_failed_test_can_leave_its_clients_to_be_looked_at() {
    let bench = Bench::new();
    let fail = [
        "--clients",
        "2",
        "--keep-on-failure",
        "--",
        "cmd",
        "/c",
        "exit 4",
    ];
    let finished = bench.run(&[&LAUNCH[..], &fail].concat());
    assert_eq!(finished.code, 4, "{}{}", finished.stdout, finished.stderr);
    let (guardian, clients, ports) = cast(&finished.events());
    let all = [&[guardian], &clients[..]].concat();
    assert_eq!(living(&all), all);
    let ended = bench.run(&["postflight"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    expect_gone(&all, &ports);

    let pass = ["--clients", "2", "--keep-on-failure"];
    let finished = bench.run(&[&LAUNCH[..], &pass, &PASS].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn a_run_ends_when_its_owner_ends() {
    for is_detached in [false, true] {
        let bench = Bench::new();
        let mut owner = Command::new(binaries().join("stand-in.exe"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = owner.id().to_string();
        let further = ["--clients", "2", "--owner-pid", &pid];
        let how: &[&str] = if is_detached { &["--detach"] } else { &[] };
        let mut launch = bench.start(&[&LAUNCH[..], &further, how].concat());
        launch.wait_for("client_ready", 2);
        let (guardian, clients, ports) = cast(&launch.events());
        let all = [&[guardian], &clients[..]].concat();
        if is_detached {
            assert_eq!(launch.finish().code, 0);
            assert_eq!(living(&all), all);
            owner.kill().unwrap();
        } else {
            owner.kill().unwrap();
            let finished = launch.finish();
            assert_eq!(finished.code, 143, "{}{}", finished.stdout, finished.stderr);
            assert_eq!(
                named(&finished.events(), "terminating")[0]["reason"],
                "the owner of the run has ended"
            );
        }
        owner.wait().unwrap();
        expect_gone(&all, &ports);
    }
}

#[test]
fn a_client_that_is_never_ready_is_given_up_and_what_was_seen_is_said() {
    for (how, seen) in [
        ("--ready-after", "nothing listens"),
        ("--unavailable-for", "it answers with status 503"),
    ] {
        let bench = Bench::with_demo(&[how, "60s"]);
        let late = ["--clients", "1", "--ready-timeout", "3s"];
        let finished = bench.run(&[&LAUNCH[..], &late, &PASS].concat());
        assert_eq!(finished.code, 100, "{}{}", finished.stdout, finished.stderr);
        let events = finished.events();
        let end = &named(&events, "run_finished")[0];
        assert!(end["message"].as_str().unwrap().contains(seen), "{end}");
        assert_eq!(named(&events, "test_started").len(), 0);
        let (guardian, clients, ports) = cast(&events);
        expect_gone(&[guardian, clients[0]], &ports);
    }
}

#[test]
fn a_port_of_a_live_run_of_the_same_project_is_busy() {
    let bench = Bench::new();
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port().to_string()
    };
    let launch = ["launch", "--ports", &port, "--format", "json"];
    let first = bench.run(&[&launch[..], &["--detach"]].concat());
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    let (guardian, clients, ports) = cast(&first.events());
    let run = named(&first.events(), "run_started")[0]["run"].clone();

    let second = bench.run(&[&launch[..], &PASS].concat());
    assert_eq!(second.code, 107, "{}{}", second.stdout, second.stderr);
    let end = &named(&second.events(), "run_finished")[0];
    assert_eq!(end["exit"]["name"], "busy", "{end}");
    let message = end["message"].as_str().unwrap();
    assert!(message.contains(run.as_str().unwrap()), "{message}");

    let all = [guardian, clients[0]];
    assert_eq!(living(&all), all);
    let ended = bench.run(&["cleanup", "--run", run.as_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    expect_gone(&all, &ports);
}

#[test]
fn a_test_that_is_not_there_is_a_mistake_before_anything_starts() {
    let bench = Bench::new();
    let finished = bench.run(&[&LAUNCH[..], &["--clients", "1", "--", "no-such-program"]].concat());
    assert_eq!(finished.code, 106, "{}{}", finished.stdout, finished.stderr);
    assert_eq!(named(&finished.events(), "client_started").len(), 0);
}

#[test]
fn a_program_is_found_by_its_extensions_before_what_is_no_program() {
    let bench = Bench::new();
    std::fs::write(bench.root().join("tool"), "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::write(bench.root().join("tool.cmd"), "@exit 7\r\n").unwrap();
    let test = ["--clients", "1", "--", "./tool"];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 7, "{}{}", finished.stdout, finished.stderr);
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[guardian, clients[0]], &ports);
}
