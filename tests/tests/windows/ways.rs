//! Ways to launch: staggered, in roles, with an owner, kept after a failure; and clients that are not ready.

use std::process::{Command, Stdio};

use crate::support::{PASS, launch, project, project_with_demo};
use tests::{assert_ended, assert_over, binary, cast, living, named};

#[test]
fn staggered_starts_lie_that_far_apart() {
    let bench = project();
    let finished = launch(&bench, "--clients 3 --stagger 500ms", &PASS)
        .finish()
        .expect(0);
    let (guardian, clients, ports) = cast(&finished.events());
    // Units of 100 ns, and the clock of processes may tick in steps of 16 ms.
    let apart = |pair: &[proc_core::identity::Identity]| pair[1].start - pair[0].start >= 4_840_000;
    assert!(clients.windows(2).all(apart), "{clients:?}");
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn each_role_is_ready_before_the_next_one_starts() {
    let bench = project();
    let profile = |name: &str, further: &str| {
        let program = binary("demo-client");
        let program = program.to_str().unwrap();
        format!(
            "[profile.{name}]\nprogram = {program:?}\nargs = [\"serve\", \"--port\", \"{{port}}\", \"--number\", \
             \"{{number}}\", \"--life\", \"85s\"{further}]\n[[launch.role]]\nname = {name:?}\nclients = 1\nbase_port = \
             \"auto\"\n"
        )
    };
    let config = profile("server", ", \"--ready-after\", \"300ms\"") + &profile("player", "");
    std::fs::write(bench.root().join("xtask.toml"), config).unwrap();
    let finished = bench
        .run([&["launch", "--format", "json"], &PASS[..]].concat())
        .expect(0);
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
    assert_over(&events);
}

#[test]
fn a_failed_test_can_leave_its_clients_to_be_looked_at() {
    let bench = project();
    let flags = "--clients 2 --keep-on-failure";
    let fail = ["--", "cmd", "/c", "exit 4"];
    let finished = launch(&bench, flags, &fail).finish().expect(4);
    let (guardian, clients, ports) = cast(&finished.events());
    let all = [&[guardian], &clients[..]].concat();
    assert_eq!(living(&all), all);
    bench.run(["postflight"]).expect(0);
    assert_ended(&all, &ports);

    let finished = launch(&bench, flags, &PASS).finish().expect(0);
    assert_over(&finished.events());
}

#[test]
fn a_run_ends_when_its_owner_ends() {
    for is_detached in [false, true] {
        let bench = project();
        let mut owner = Command::new(binary("stand-in"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let detach = if is_detached { " --detach" } else { "" };
        let flags = format!("--clients 2 --owner-pid {}{detach}", owner.id());
        let mut launch = launch(&bench, &flags, &[]);
        launch.wait_for_events("client_ready", 2);
        let (guardian, clients, ports) = cast(&launch.events());
        let all = [&[guardian], &clients[..]].concat();
        if is_detached {
            assert_eq!(launch.finish().code, 0);
            assert_eq!(living(&all), all);
            owner.kill().unwrap();
        } else {
            owner.kill().unwrap();
            let finished = launch.finish().expect(143);
            assert_eq!(
                named(&finished.events(), "terminating")[0]["reason"],
                "the owner of the run has ended"
            );
        }
        owner.wait().unwrap();
        assert_ended(&all, &ports);
    }
}

#[test]
fn a_client_that_is_never_ready_is_given_up_and_what_was_seen_is_said() {
    for (how, seen) in [
        ("--ready-after", "nothing listens"),
        ("--unavailable-for", "it answers with status 503"),
    ] {
        let bench = project_with_demo(&[how, "60s"]);
        let finished = launch(&bench, "--clients 1 --ready-timeout 10s", &PASS)
            .finish()
            .expect(100);
        let events = finished.events();
        let end = finished.event("run_finished");
        let message = end["message"].as_str().unwrap();
        assert!(message.contains(seen), "{message}");
        // Where there is more to be read.
        let log = named(&events, "client_started")[0]["log"].clone();
        assert!(message.ends_with(log.as_str().unwrap()), "{message}");
        assert_eq!(named(&events, "test_started").len(), 0);
        assert_over(&events);
    }
}

#[test]
fn a_test_that_is_not_there_is_a_mistake_before_anything_starts() {
    let bench = project();
    let finished = launch(&bench, "--clients 1", &["--", "no-such-program"])
        .finish()
        .expect(106);
    assert_eq!(named(&finished.events(), "client_started").len(), 0);
}

#[test]
fn a_program_is_found_by_its_extensions_before_what_is_no_program() {
    let bench = project();
    std::fs::write(bench.root().join("tool"), "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::write(bench.root().join("tool.cmd"), "@exit 7\r\n").unwrap();
    let launch = launch(&bench, "--clients 1", &["--", "./tool"]);
    assert_over(&launch.finish().expect(7).events());
}
