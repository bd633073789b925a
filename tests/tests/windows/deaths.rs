//! Whatever is killed, nothing is left.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{STAY, kill, launch, project};
use tests::{assert_ended, assert_over, binary, cast, named};

#[test]
fn the_run_ends_when_the_launcher_is_killed() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
    // The guardian has done its work to the end.
    bench.assert_no_runs();
}

#[test]
fn everything_ends_with_the_guardian() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    kill(&guardian);
    let finished = launch.finish().expect(110);
    assert_eq!(
        named(&finished.events(), "survivor").len(),
        0,
        "{}",
        finished.stdout
    );
    assert_ended(&clients, &ports);
}

#[test]
fn everything_ends_with_launcher_and_guardian_and_the_next_command_closes_the_ledger() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill_with_guardian(guardian.pid);
    assert_ended(&clients, &ports);
    bench.run(["preflight"]).expect(0);
    bench.assert_no_runs();
}

#[test]
fn the_run_ends_with_its_test_when_its_launcher_is_killed_meanwhile() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &STAY);
    let started = launch.wait_for_events("test_started", 1);
    let (guardian, clients, ports) = cast(&launch.events());
    let test = tests::identity(&started[0]["identity"]);
    launch.kill();
    assert_ended(&[&[guardian, test], &clients[..]].concat(), &ports);
}

/// A process that holds copies of all handles of another. It is killed when it is dropped.
struct Thief(Child);

impl Thief {
    /// Returns when it has the copies, and of how many handles. `None`: it may have none.
    fn of(pid: u32) -> Option<(Self, usize)> {
        let mut child = Command::new(binary("thief"))
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut said).unwrap();
        let thief = Self(child);
        Some((thief, said.trim().parse().ok()?))
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_copy_of_the_launchers_end_of_the_link_keeps_no_run_alive() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (mut thief, count) = Thief::of(launch.pid()).unwrap();
    assert!(count > 0);
    launch.kill();
    assert_over(&launch.events());
    bench.assert_no_runs();
    assert!(thief.0.try_wait().unwrap().is_none());
}

/// With a copy of its job's handle nothing would end when the guardian is killed.
#[test]
fn no_process_takes_anything_out_of_a_guardian() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    launch.wait_for_events("client_ready", 2);
    let (guardian, _, _) = cast(&launch.events());
    assert!(Thief::of(guardian.pid).is_none());
    launch.kill_with_guardian(guardian.pid);
    assert_over(&launch.events());
}
