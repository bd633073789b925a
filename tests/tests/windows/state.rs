//! State: where it lies, and that it can be read while it is written.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use wait_timeout::ChildExt;

use crate::support::{launch, project};
use tests::{PATIENCE, assert_ended, binary, cast, named};

#[test]
fn state_lies_where_it_stays_on_this_machine() {
    let bench = project();
    let local = tempfile::tempdir().unwrap();
    let mut child = Command::new(binary("xtask"))
        .arg("cleanup")
        .current_dir(bench.root())
        .env_remove("XTASK_STATE_DIR")
        .env("LOCALAPPDATA", local.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = child.wait_timeout(PATIENCE).unwrap().unwrap();
    assert!(status.success(), "{status}");
    let scopes = fs::read_dir(local.path().join("clean-slate/scopes")).unwrap();
    assert_eq!(scopes.count(), 1);
}

#[test]
fn state_may_lie_deeper_than_a_plain_path_reaches() {
    let bench = project();
    let above = tempfile::tempdir().unwrap();
    let deep = above.path().join("x".repeat(120)).join("y".repeat(120));
    for _ in 0..2 {
        let mut child = Command::new(binary("xtask"))
            .arg("cleanup")
            .current_dir(bench.root())
            .env("XTASK_STATE_DIR", &deep)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = child.wait_timeout(PATIENCE).unwrap().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(fs::read_dir(deep.join("scopes")).unwrap().count(), 1);
    }
}

/// As a full disk leaves it.
#[test]
fn a_scope_that_has_not_noted_its_root_keeps_no_other_from_cleaning() {
    let bench = project();
    let other = bench.state().join("scopes/other-0123456789abcdef");
    fs::create_dir_all(&other).unwrap();
    for note in ["", "C:", "my g"] {
        fs::write(other.join("root"), note).unwrap();
        bench.run(["cleanup"]).expect(0);
        bench.run(["postflight"]).expect(0);
    }
}

#[test]
fn ledger_and_logs_of_a_live_run_can_be_read_and_a_reader_does_not_keep_it_from_ending() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 1", &[]);
    launch.wait_for_events("client_ready", 1);
    let started = named(&launch.events(), "run_started");
    let folder = started[0]["folder"].as_str().unwrap().to_owned();
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let is_log = |path: &&std::path::PathBuf| path.ends_with("demo-1.log");
    let log = files.iter().find(is_log).unwrap();
    assert!(!fs::read(log).unwrap().is_empty());
    let ledger = files.iter().find(|path| path.ends_with("ledger")).unwrap();
    assert!(!fs::read(ledger).unwrap().is_empty());

    // A person who follows a log.
    let readers = [log, ledger].map(|path| File::open(path).unwrap());
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"].as_array().unwrap().len(), 1, "{status}");
    let (guardian, clients, ports) = cast(&launch.events());
    launch.kill();
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
    bench.run(["preflight", "--base-port", "auto"]).expect(0);
    bench.assert_no_runs();
    drop(readers);
}
