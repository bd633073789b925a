//! A guardian that is kept busy by those whom it guards.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tests::{Bench, binary, free_ports, poll};

use crate::case::answers;

/// Far more than a guardian needs, and far less than its besiegers would take.
const DESCRIPTORS: &str = "--nofile=256";

/// Lets a species of the zoo be the test of a run, and kills the launcher.
pub(crate) fn withstand(species: &str) {
    let bench = Bench::new();
    let mut command = bench.command("prlimit");
    command.arg(DESCRIPTORS).arg(binary("xtask"));
    command.args(["launch", "--format=json", "--clients=1", "--base-port=auto"]);
    command.args(["--grace=300ms", "--"]).arg(binary("zoo"));
    let port = free_ports(1)[0];
    command.arg(species).arg(format!("--port={port}"));
    command.arg(format!("--witness={}", bench.witness().display()));
    let mut running = bench.start(command);
    let guardian = running.wait_for_event("run_started")["guardian"]["pid"].clone();
    running.wait_for_event("test_started");
    tests::wait_for(tests::PATIENCE, "the test to be set up", || answers(port));
    let status = fs::read_to_string(format!("/proc/{guardian}/status")).unwrap();
    let resident = status.lines().find_map(|line| {
        let size = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        size.parse::<u64>().ok()
    });
    assert!(resident.unwrap() < 50_000, "{status}");
    running.signal(Signal::KILL);
    running.finish();
    let gone = poll(Duration::from_secs(10), || {
        (!bench.has_survivors()).then_some(())
    });
    assert!(gone.is_some(), "left: {}", bench.describe_survivors());
}
