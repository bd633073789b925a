//! What happens in consoles and windows: how programs are asked to end, and how a launcher is.

use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};

use proc_core::escape_probes::KillTarget;
use proc_core::identity::Identity;
use proc_core::table::{Process, Table};

use crate::support::{
    PASS, STAY, assert_ends, is_wine, launch, launch_in_console, project, project_with_client,
    project_with_demo,
};
use tests::{PATIENCE, assert_ended, assert_over, binary, cast, identity, living, named, poll};

const SERVE: [&str; 5] = ["serve", "--port", "{port}", "--life", "85s"];

/// Does something in the console of another process.
fn console(action: &str, pid: u32) -> Output {
    Command::new(binary("console"))
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
fn a_client_that_is_asked_in_its_console_ends_in_its_own_way() {
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    let finished = launch(&bench, "--clients 2 --grace 30s", &PASS)
        .finish()
        .expect(0);
    let events = finished.events();
    assert_ends(&finished, 2, "graceful", 0);
    for client in named(&events, "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        // Asked once: twice means "at once" to many programs.
        assert_eq!(log.matches("Ctrl+C received").count(), 1, "{log}");
        assert!(!log.contains("again"), "{log}");
    }
    assert_over(&events);
}

#[test]
fn ctrl_c_ends_the_run() {
    let bench = project();
    let mut launch = launch_in_console(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    press_ctrl_c(launch.pid());
    let finished = launch.finish().expect(130);
    let events = finished.events();
    assert_eq!(
        finished.event("run_finished")["message"],
        "asked to end by Ctrl+C"
    );
    assert_over(&events);
}

#[test]
fn ctrl_c_ends_clients_that_are_still_waited_for() {
    let bench = project_with_demo(&["--ready-after", "60s"]);
    let mut launch = launch_in_console(&bench, "--clients 2", &PASS);
    launch.wait_for_events("client_started", 2);
    press_ctrl_c(launch.pid());
    let finished = launch.finish().expect(130);
    let events = finished.events();
    for never in ["client_ready", "test_started"] {
        assert_eq!(named(&events, never).len(), 0, "{}", finished.stdout);
    }
    assert_over(&events);
}

#[test]
fn a_detached_run_goes_on_without_the_console_in_which_it_was_launched() {
    let bench = project();
    let launch = launch_in_console(&bench, "--clients 2 --detach", &[]);
    // No process is left in the console, so it is closed.
    let finished = launch.finish().expect(0);
    let (guardian, clients, _) = cast(&finished.events());
    let all = [&[guardian], &clients[..]].concat();
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"][0]["state"], "detached", "{status}");
    assert_eq!(living(&all), all);
    bench.run(["postflight"]).expect(0);
    assert_over(&finished.events());
}

#[test]
fn to_close_the_window_ends_the_run() {
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    let mut launch = launch_in_console(&bench, "--clients 2 --grace 30s", &[]);
    launch.wait_for_events("client_ready", 2);
    let started = named(&launch.events(), "client_started");
    let (guardian, clients, ports) = cast(&launch.events());
    let closed = console("close", launch.pid());
    assert!(closed.status.success(), "{closed:?}");
    let finished = launch.finish();
    if is_wine() {
        eprintln!("not looked at: the exit code; Wine tells no process that its console is closed");
    } else {
        assert_eq!(finished.code, 129, "{}{}", finished.stdout, finished.stderr);
    }
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has asked them, and waited.
    for client in started {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_second_ctrl_c_waits_for_no_process() {
    let bench = project_with_demo(&["--ignore-term"]);
    // Longer than this test waits for anything.
    let mut launch = launch_in_console(&bench, "--clients 2 --grace 10m", &[]);
    launch.wait_for_events("client_ready", 2);
    let pid = launch.pid();
    press_ctrl_c(pid);
    launch.wait_for_events("terminating", 1);
    press_ctrl_c(pid);
    let finished = launch.finish().expect(130);
    let events = finished.events();
    assert_ends(&finished, 2, "killed", 1);
    assert_over(&events);
}

#[test]
fn a_test_shares_the_console_of_its_launcher_and_no_other_process_does() {
    let bench = project();
    let mut launch = launch_in_console(&bench, "--clients 2", &STAY);
    let started = launch.wait_for_events("test_started", 1);
    let test = identity(&started[0]["identity"]);
    let (guardian, clients, ports) = cast(&launch.events());
    // A process comes into its console by itself, and the guardian leaves when it has started the test.
    let present = poll(PATIENCE, || {
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
    launch.finish().expect(130);
    assert_ended(&[&[guardian, test], &clients[..]].concat(), &ports);
}

#[test]
fn a_client_can_have_a_console_of_its_own() {
    let serve = [&SERVE[..], &["--stop-after", "10ms"]].concat();
    let bench = project_with_client("demo-client", &serve, "new", "30s");
    let mut launch = launch_in_console(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
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
    let finished = launch.finish().expect(130);
    assert_ends(&finished, 2, "graceful", 0);
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
}

#[test]
fn a_console_stays_open_for_a_process_that_has_come_into_it_meanwhile() {
    if is_wine() {
        eprintln!("skipped: no console is closed under Wine");
        return;
    }
    let serve = [&SERVE[..], &["--ignore-term"]].concat();
    let bench = project_with_client("demo-client", &serve, "new", "6s");
    let mut launch = launch_in_console(&bench, "--clients 1", &[]);
    launch.wait_for_events("client_ready", 1);
    let (_, clients, _) = cast(&launch.events());
    press_ctrl_c(launch.pid());
    launch.wait_for_events("terminating", 1);
    // Whether the client is asked before or after that, in the first half of the grace nothing is closed.
    let mut visitor = Command::new(binary("console"))
        .args(["stay", &clients[0].pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut here = [0; 4];
    visitor
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut here)
        .unwrap();
    let finished = launch.finish().expect(130);
    assert_ends(&finished, 1, "killed", 1);
    drop(visitor.stdin.take());
    let visitor = visitor.wait_with_output().unwrap();
    assert!(visitor.status.success(), "{visitor:?}");
}

#[test]
fn a_client_with_a_window_is_asked_to_close_it() {
    let bench = project_with_client("window", &["{port}"], "new", "30s");
    let finished = launch(&bench, "--clients 2", &PASS).finish().expect(0);
    assert_ends(&finished, 2, "graceful", 0);
    // It has no use for a console, so its output has gone to the log.
    for client in named(&finished.events(), "client_started") {
        let log = fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log, "");
    }
    assert_over(&finished.events());
}

#[test]
fn a_client_that_asks_whether_to_save_is_ended_when_the_grace_is_over() {
    let bench = project_with_client("window", &["{port}", "ask"], "log", "1s");
    let finished = launch(&bench, "--clients 2", &PASS).finish().expect(0);
    assert_ends(&finished, 2, "killed", 1);
    assert_over(&finished.events());
}

#[test]
fn a_console_that_stands_still_keeps_no_run_alive() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (_, clients, _) = cast(&launch.events());
    // What serves a console is a child of the process that it was made for.
    let servers: Vec<Identity> = Table::read()
        .unwrap()
        .iter()
        .filter(|process| process.short_name().eq_ignore_ascii_case("conhost.exe"))
        .filter(|process| clients.iter().any(|client| client.pid == process.parent()))
        .map(Process::identity)
        .collect();
    assert_eq!(servers.len(), 2);
    let servers = servers.into_iter().map(KillTarget);
    servers.clone().for_each(KillTarget::stop);
    launch.kill();
    assert_over(&launch.events());
    bench.assert_no_runs();
    // Mostly they have ended with the rest.
    servers.for_each(KillTarget::kill);
}
