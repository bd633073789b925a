//! What happens in consoles and windows: how programs are asked to end, and how a launcher is.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::bench::{Bench, binaries, cast, ends, expect_gone, identity, is_wine, named, poll};

const LAUNCH: [&str; 7] = [
    "launch",
    "--base-port",
    "auto",
    "--format",
    "json",
    "--clients",
    "2",
];

const SERVE: [&str; 5] = ["serve", "--port", "{port}", "--life", "85s"];

/// Does something in the console of another process.
fn console(action: &str, pid: u32) -> Output {
    Command::new(binaries().join("console.exe"))
        .args([action, &pid.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn press_ctrl_c(pid: u32) {
    let pressed = console("press", pid);
    assert!(pressed.status.success(), "{pressed:?}");
}

#[test]
fn who_is_asked_in_its_console_ends_in_its_own_way() {
    let bench = Bench::with_demo(&["--stop-after", "10ms"]);
    let test = ["--grace", "30s", "--", "cmd", "/c", "exit 0"];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let graceful = ("graceful".into(), 0.into());
    assert_eq!(
        ends(&events),
        [graceful.clone(), graceful],
        "{}",
        finished.stdout
    );
    for client in named(&events, "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        // Asked once: twice means "at once" to many programs.
        assert_eq!(log.matches("Ctrl+C received").count(), 1, "{log}");
        assert!(!log.contains("again"), "{log}");
    }
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn ctrl_c_ends_the_run() {
    let bench = Bench::new();
    let mut launch = bench.start_in_console(&LAUNCH);
    launch.wait_for("client_ready", 2);
    press_ctrl_c(launch.pid());
    let finished = launch.finish();
    assert_eq!(finished.code, 130, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let message = named(&events, "run_finished")[0]["message"].to_string();
    assert_eq!(message, "\"asked to end by Ctrl+C\"");
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn to_close_the_window_ends_the_run() {
    let bench = Bench::with_demo(&["--stop-after", "10ms"]);
    let mut launch = bench.start_in_console(&[&LAUNCH[..], &["--grace", "30s"]].concat());
    launch.wait_for("client_ready", 2);
    let started = named(&launch.events(), "client_started");
    let (guardian, clients, ports) = cast(&launch.events());
    let closed = console("close", launch.pid());
    assert!(closed.status.success(), "{closed:?}");
    let finished = launch.finish();
    if is_wine() {
        eprintln!("not looked at: the exit code; Wine tells nobody that its console is closed");
    } else {
        assert_eq!(finished.code, 129, "{}{}", finished.stdout, finished.stderr);
    }
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has asked them, and waited.
    for client in started {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_second_ctrl_c_waits_for_nobody() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    // Longer than this test waits for anything.
    let mut launch = bench.start_in_console(&[&LAUNCH[..], &["--grace", "10m"]].concat());
    launch.wait_for("client_ready", 2);
    let pid = launch.pid();
    press_ctrl_c(pid);
    launch.wait_for("terminating", 1);
    press_ctrl_c(pid);
    let finished = launch.finish();
    assert_eq!(finished.code, 130, "{}{}", finished.stdout, finished.stderr);
    let events = finished.events();
    let killed = ends(&events)
        .iter()
        .filter(|(ended, _)| ended == "killed")
        .count();
    assert_eq!(killed, 2, "{}", finished.stdout);
    let (guardian, clients, ports) = cast(&events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn a_test_shares_the_console_of_its_launcher_and_nobody_else_does() {
    let bench = Bench::new();
    let test = ["--", "demo-client", "serve", "--port", "0", "--life", "85s"];
    let mut launch = bench.start_in_console(&[&LAUNCH[..], &test].concat());
    let started = launch.wait_for("test_started", 1);
    let test = identity(&started[0]["identity"]);
    let (guardian, clients, ports) = cast(&launch.events());
    // A process comes into its console by itself, and the guardian leaves when it has started the test.
    let present = poll(|| {
        let listed = String::from_utf8(console("list", launch.pid()).stdout).unwrap();
        let pids: Vec<u32> = listed
            .lines()
            .filter_map(|pid| pid.trim().parse().ok())
            .collect();
        let is_settled = pids.contains(&test.pid) && !pids.contains(&guardian.pid);
        is_settled.then_some(pids)
    });
    let present = present.expect("the test in its launcher's console, without the guardian");
    assert!(present.contains(&launch.pid()), "{present:?}");
    for client in &clients {
        assert!(!present.contains(&client.pid), "{present:?} {client}");
    }
    press_ctrl_c(launch.pid());
    let finished = launch.finish();
    assert_eq!(finished.code, 130, "{}{}", finished.stdout, finished.stderr);
    expect_gone(&[&[guardian, test], &clients[..]].concat(), &ports);
}

#[test]
fn a_client_can_have_a_console_of_its_own() {
    let serve = [&SERVE[..], &["--stop-after", "10ms"]].concat();
    let bench = Bench::with_client("demo-client.exe", &serve, "new", "30s");
    let mut launch = bench.start_in_console(&LAUNCH);
    launch.wait_for("client_ready", 2);
    let events = launch.events();
    let run = named(&events, "run_started")[0]["run"].clone();
    let run = run.as_str().unwrap();
    let (guardian, clients, ports) = cast(&events);
    for (index, client) in named(&events, "client_started").iter().enumerate() {
        let title = format!("client {} (demo) port {} - {run}", index + 1, ports[index]);
        let seen = String::from_utf8(console("title", clients[index].pid).stdout).unwrap();
        assert_eq!(seen.trim(), title);
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log.trim(), format!("the output is in the window {title:?}"));
    }
    press_ctrl_c(launch.pid());
    let finished = launch.finish();
    assert_eq!(finished.code, 130, "{}{}", finished.stdout, finished.stderr);
    let graceful = ("graceful".into(), 0.into());
    assert_eq!(
        ends(&finished.events()),
        [graceful.clone(), graceful],
        "{}",
        finished.stdout
    );
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn whoever_has_a_window_is_asked_to_close_it() {
    let bench = Bench::with_client("window.exe", &["{port}"], "new", "30s");
    let test = ["--", "cmd", "/c", "exit 0"];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let graceful = ("graceful".into(), 0.into());
    assert_eq!(
        ends(&finished.events()),
        [graceful.clone(), graceful],
        "{}",
        finished.stdout
    );
    // It has no use for a console, so its output has gone to the log.
    for client in named(&finished.events(), "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log, "");
    }
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn who_asks_whether_to_save_is_ended_when_the_grace_is_over() {
    let bench = Bench::with_client("window.exe", &["{port}", "ask"], "log", "1s");
    let test = ["--", "cmd", "/c", "exit 0"];
    let finished = bench.run(&[&LAUNCH[..], &test].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let killed = ("killed".into(), 1.into());
    assert_eq!(
        ends(&finished.events()),
        [killed.clone(), killed],
        "{}",
        finished.stdout
    );
    let (guardian, clients, ports) = cast(&finished.events());
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}
