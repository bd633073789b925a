//! Processes that end, are replaced, or multiply while they are being cleaned.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tests::namespace::alone;
use tests::{Bench, PATIENCE, skip, wait_for};

use crate::bench::{can_choose_pids, end_all_others};
use crate::calls::pids;
use crate::fixture::Fixture;
use crate::guilty;
use crate::part::Part;

/// How many scripts end at a time.
const CROWD: usize = 20;

/// The numbers of the system calls by which a process is pinned and signalled, the same on every architecture.
const PIDFD_OPEN: u32 = 434;
const PIDFD_SEND_SIGNAL: u32 = 424;

/// A target ends when it is asked to, and another process has its PID before the cleaning is over.
#[test]
fn a_newcomer_takes_the_place_of_a_target() {
    alone(|| {
        if !can_choose_pids() {
            return;
        }
        let fixture = Fixture::new("");
        let mut parts = vec![guilty::script(&fixture)];
        // It keeps the command waiting until the newcomer is there.
        parts.push(guilty::deaf(&fixture).1);
        let actors = fixture.start(&parts);
        let mut cleaning = fixture.bench.start(
            fixture
                .bench
                .xtask(["cleanup", "--python", "--grace", "50s", "--format", "json"]),
        );
        let target = actors[0].pid;
        wait_for(PATIENCE, "the target to end", || {
            !Path::new(&format!("/proc/{target}")).exists()
        });
        // In another project, so that it is of the group, and none of ours.
        let newcomer = Part::new("newcomer", &fixture.python, &["python3", "client.py"])
            .at(&fixture.other())
            .pid(target)
            .watched();
        let newcomer = fixture.start(&[newcomer]).remove(0);
        assert_eq!(newcomer.pid, target);
        let ended = cleaning.child.try_wait().unwrap();
        assert!(ended.is_none(), "the command did not wait for the deaf one");
        for deaf in &actors[1..] {
            deaf.signal(Signal::KILL);
        }
        let document = cleaning.finish().expect(0).json();
        assert!(
            pids(&document, &["ended"]).contains(&target),
            "{document:#}"
        );
        assert_eq!(newcomer.harm(), None);
        end_all_others();
    });
}

/// Targets end, and strangers take their PIDs, between the snapshot and the moment at which a process is pinned.
#[test]
fn newcomers_take_the_places_of_targets_before_they_are_pinned() {
    alone(|| swap_at(PIDFD_OPEN));
}

/// The same, between the moment at which the first process is pinned and the signal to it.
#[test]
fn newcomers_take_the_places_of_targets_before_they_are_signalled() {
    alone(|| swap_at(PIDFD_SEND_SIGNAL));
}

fn swap_at(call: u32) {
    if !can_choose_pids() {
        return;
    }
    let fixture = Fixture::new("");
    let mut command = fixture.bench.command(&fixture.python);
    command
        .args(["-c", include_str!("swap.py")])
        .args([call.to_string(), CROWD.to_string()])
        .args([
            fixture.scope(),
            fixture.tool("python3"),
            fixture.tool("sshd"),
        ])
        .args(["xtask", "cleanup", "--python", "--format", "json"]);
    let finished = fixture.bench.finish(command).expect(0);
    let mut lines = finished.stdout.lines();
    let printed = lines.next().unwrap_or_default();
    if printed == "not traced" {
        skip("processes may not be traced here, so none can be held between two calls");
        return;
    }
    let document = serde_json::from_str(printed).unwrap();
    assert_eq!(pids(&document, &["ended"]).len(), CROWD, "{document:#}");
    assert_eq!(lines.collect::<Vec<&str>>(), ["ok"; CROWD]);
}

/// A script that starts a helper in another session when it is asked to end, and ends itself some time later.
const LATE_PARENT: &str = "import os, signal, subprocess, sys, time\n\
    def end(*_):\n\
    \x20   helper = subprocess.Popen(['sleep', '85'], start_new_session=True)\n\
    \x20   open('helper.new', 'w').write(str(helper.pid))\n\
    \x20   os.rename('helper.new', 'helper')\n\
    \x20   time.sleep(2)\n\
    \x20   os._exit(0)\n\
    signal.signal(signal.SIGTERM, end)\n\
    print('up', flush=True)\n\
    time.sleep(85)\n";

/// A target starts something when it is asked to end, and is gone itself when the next snapshot would find its lineage.
#[test]
fn what_a_target_starts_while_it_is_ending_goes_too() {
    alone(|| {
        let bench = Bench::new();
        bench.write("late.py", LATE_PARENT);
        let mut command = bench.command("python3");
        command.arg("late.py");
        let late = bench.start(command);
        wait_for(PATIENCE, "the script to be up", || late.stdout() == "up\n");
        let cleanup = ["cleanup", "--python", "--grace", "30s", "--format", "json"];
        let document = bench.run(cleanup).expect(0).json();
        let helper = fs::read_to_string(bench.root().join("helper")).unwrap();
        let helper: u32 = helper.parse().unwrap();
        let ended = pids(&document, &["ended", "killed"]);
        assert!(ended.contains(&helper), "{document:#}");
        assert!(!tests::is_alive(helper));
    });
}
