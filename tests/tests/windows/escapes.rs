//! What is of a run and not in its job, because a process outside of the job has started it for the run.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};

use proc_core::identity::Identity;

use crate::stand_in::{StandIn, assert_alive, assert_gone, start};
use crate::support::{kill, launch, project, project_with_demo, start_naming};
use tests::{
    Bench, PATIENCE, assert_ended, assert_over, binary, cast, free_port, living, named, poll,
};

/// Two stand-ins, and what they are.
type Pair = [(&'static str, StandIn); 2];

/// What is started outside of the run's job, after it began: of the run, and of another one.
fn outside(run: &str, folder: &Path) -> (Pair, Pair) {
    let program = binary("stand-in");
    let child = format!("--stand-in-child={}", program.display());
    let with = |value: &str, arguments: &[&str]| {
        start(&program, folder, arguments, &[("XTASK_RUN_ID", value)])
    };
    (
        [
            ("one that names the run", with(run, &[])),
            ("one with a child", with(run, &[&child])),
        ],
        [
            (
                "one that names another run",
                with("20200101-000000-00000000", &[]),
            ),
            (
                "one that names none",
                start::<&str>(&program, folder, [], &[]),
            ),
        ],
    )
}

fn children(parent: &StandIn) -> Vec<Identity> {
    let table = proc_core::table::Table::read().unwrap();
    let pids = table.descendants(&[parent.pid()].into());
    let found = pids.iter().filter_map(|pid| table.get(*pid));
    found.map(proc_core::table::Process::identity).collect()
}

#[test]
fn the_end_of_a_run_reaches_what_names_it() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 1", &[]);
    launch.wait_for_events("client_ready", 1);
    let run = named(&launch.events(), "run_started")[0]["run"].clone();
    let (escaped, innocent) = outside(run.as_str().unwrap(), &bench.root());
    let child = children(&escaped[1].1);
    assert_eq!(child.len(), 1);
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    let all = [&[guardian], &clients[..], &child, &identities(&escaped)].concat();
    assert_ended(&all, &ports);
    assert_gone(&escaped);
    assert_alive(&innocent);
}

#[test]
fn the_next_command_reaches_what_names_a_run_whose_guardian_was_killed() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 1", &[]);
    launch.wait_for_events("client_ready", 1);
    let run = named(&launch.events(), "run_started")[0]["run"].clone();
    let (escaped, innocent) = outside(run.as_str().unwrap(), &bench.root());
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill_with_guardian(guardian.pid);
    bench.run(["preflight", "--base-port", "auto"]).expect(0);
    assert_ended(
        &[&[guardian], &clients[..], &identities(&escaped)].concat(),
        &ports,
    );
    assert_alive(&innocent);
    bench.assert_no_runs();
}

/// A detached run: its id, its guardian and clients, and the ports of these.
fn detached(bench: &Bench) -> (String, Vec<Identity>, Vec<u16>) {
    let launched = launch(bench, "--clients 1 --detach", &[])
        .finish()
        .expect(0);
    let events = launched.events();
    let run = named(&events, "run_started")[0]["run"].clone();
    let (guardian, clients, ports) = cast(&events);
    let all = [&[guardian], &clients[..]].concat();
    (run.as_str().unwrap().to_owned(), all, ports)
}

#[test]
fn a_command_that_ends_a_run_that_its_environment_names_is_left_alone() {
    let bench = project();
    let (run, all, ports) = detached(&bench);
    let asked = start_naming(&bench, &run, &["cleanup", "--run", &run]);
    let asked = asked.finish().expect(107);
    let said = format!("run {run} goes on: this command is part of it");
    assert!(asked.stderr.contains(&said), "{}", asked.stderr);
    assert_eq!(living(&all), all);
    bench.run(["cleanup", "--run", &run]).expect(0);
    assert_ended(&all, &ports);
}

#[test]
fn a_run_goes_on_that_was_launched_where_the_environment_names_another() {
    let bench = project();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("xtask.toml");
    fs::copy(bench.root().join("xtask.toml"), &config).unwrap();
    let launch = "launch --base-port auto --clients 1 --format json --config";
    let launch: Vec<&str> = launch.split(' ').chain(config.to_str()).collect();
    for kills_guardian in [false, true] {
        let (run, first, ports) = detached(&bench);
        let mut other = start_naming(&bench, &run, &launch);
        other.wait_for_events("client_ready", 1);
        let (guardian, clients, _) = cast(&other.events());
        let others = [&[guardian], &clients[..]].concat();
        if kills_guardian {
            kill(&first[0]);
        }
        bench.run(["cleanup", "--all"]).expect(0);
        if !kills_guardian {
            bench.run(["cleanup", "--run", &run]).expect(0);
        }
        assert_ended(&first, &ports);
        assert_eq!(living(&others), others, "{kills_guardian}");
        assert!(!other.has_ended());
        other.kill();
        assert_over(&other.events());
    }
}

/// A program with a window that was started outside of the run's job. It ends when it is asked to, and is killed when
/// it is dropped.
struct Escaped(Child);

impl Escaped {
    /// Returns when it serves, and with that has its window.
    fn of(run: &str) -> Self {
        let port = free_port();
        let child = Command::new(binary("window"))
            .arg(port.to_string())
            .env("XTASK_RUN_ID", run)
            .spawn()
            .unwrap();
        let escaped = Self(child);
        let is_up = poll(PATIENCE, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        assert!(is_up.is_some());
        escaped
    }
}

impl Drop for Escaped {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_run_is_over_as_soon_as_what_has_got_out_has_ended() {
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    // Longer than this test waits for anything.
    let mut launch = launch(&bench, "--clients 1 --grace 10m", &[]);
    launch.wait_for_events("client_ready", 1);
    let run = named(&launch.events(), "run_started")[0]["run"].clone();
    let mut escaped = Escaped::of(run.as_str().unwrap());
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
    // It has done so in its own way.
    let status = escaped.0.try_wait().unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

fn identities(all: &[(&str, StandIn)]) -> Vec<Identity> {
    all.iter().map(|(_, one)| one.identity).collect()
}
