//! What a guardian costs while nothing happens.

use std::collections::BTreeMap;
use std::fs;

use tests::{Bench, HOLD, PATIENCE, wait_for};

/// In KiB, of a guardian that waits.
const LARGEST: u64 = 3 * 1024;

/// A line of a status file of `/proc` that holds a number.
fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("there is a line {name}: {status}"));
    let number = line.split_whitespace().next();
    number.unwrap_or_default().parse().unwrap()
}

/// How often each thread has been given a processor and lost it again, or left it. `None`: one runs at this moment.
fn switches(pid: u64) -> Option<BTreeMap<String, u64>> {
    let mut threads = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread = thread.unwrap();
        let status = fs::read_to_string(thread.path().join("status")).unwrap();
        if !status.contains("\nState:\tS") {
            return None;
        }
        let count = number(&status, "voluntary_ctxt_switches:")
            + number(&status, "nonvoluntary_ctxt_switches:");
        threads.insert(thread.file_name().into_string().unwrap(), count);
    }
    Some(threads)
}

#[test]
fn a_guardian_that_waits_is_small_and_does_nothing() {
    let bench = Bench::with_demo(&[]);
    let launch = ["--clients", "3", "--"].iter().chain(&HOLD);
    let mut running = bench.start(bench.launch(launch));
    running.wait_for_event("test_started");
    let guardian = running.events()[0]["guardian"]["pid"].as_u64().unwrap();
    let status = || fs::read_to_string(format!("/proc/{guardian}/status")).unwrap();
    let is_small = || number(&status(), "VmRSS:") < LARGEST;
    wait_for(PATIENCE, "the guardian to be small", is_small);
    wait_for(PATIENCE, "the guardian to wait", || {
        switches(guardian).is_some()
    });

    // It may have been on its way to its last wait.
    bench.run(["status"]).expect(0);
    let before = switches(guardian);
    bench.run(["status"]).expect(0);
    assert_eq!(switches(guardian), before);
    assert!(before.is_some_and(|threads| threads.len() > 1));
    assert!(is_small(), "{}", status());
    bench.go();
    running.finish().expect(0);
    bench.assert_nothing_left();
}
