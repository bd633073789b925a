//! A guardian and a launcher that are kept busy, or robbed, by what they guard.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tests::{Bench, Running, binary, free_ports, pid_of, poll};

use crate::case::answers;

/// Far more than a guardian needs, and far less than its besiegers would take.
const DESCRIPTORS: &str = "--nofile=256";

/// Far less than a species of the zoo lives.
const SOON: Duration = Duration::from_secs(10);

/// A run whose test is a species of the zoo, which is set up.
struct Siege {
    bench: Bench,
    running: Running,
    guardian: Value,
}

impl Siege {
    fn begin(species: &str) -> Self {
        let bench = Bench::new();
        let mut command = bench.command("prlimit");
        command.arg(DESCRIPTORS).arg(binary("xtask"));
        command.args(["launch", "--format=json", "--clients=1", "--base-port=auto"]);
        command.args(["--grace=300ms", "--"]).arg(binary("zoo"));
        let port = free_ports(1)[0];
        command.arg(species).arg(format!("--port={port}"));
        command.arg(format!("--witness={}", bench.witness().display()));
        let mut running = bench.start(command);
        let guardian = running.wait_for_event("run_started")["guardian"].clone();
        running.wait_for_event("test_started");
        tests::wait_for(tests::PATIENCE, "the test to be set up", || answers(port));
        Self {
            bench,
            running,
            guardian,
        }
    }

    fn expect_nothing_left(&self) {
        let gone = poll(SOON, || (!self.bench.has_survivors()).then_some(()));
        assert!(gone.is_some(), "left: {}", self.bench.describe_survivors());
    }

    /// Whether a thief has taken anything. Some systems let no process take what is another's.
    fn is_robbed(&self) -> bool {
        let said = self.running.stderr();
        let mut lines = said.lines();
        let taken = lines.find_map(|line| line.strip_prefix("taken: "));
        let is_robbed = taken.expect("the thief says what it has taken") != "0";
        if !is_robbed {
            println!("skipped: nothing can be taken from another process here");
        }
        is_robbed
    }
}

/// Lets a species of the zoo be the test of a run, and kills the launcher.
pub(crate) fn withstand(species: &str) {
    let mut siege = Siege::begin(species);
    let guardian = pid_of(&siege.guardian);
    let status = fs::read_to_string(format!("/proc/{guardian}/status")).unwrap();
    let resident = status.lines().find_map(|line| {
        let size = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        size.parse::<u64>().ok()
    });
    assert!(resident.unwrap() < 50_000, "{status}");
    siege.running.signal(Signal::KILL);
    siege.running.child.wait().unwrap();
    siege.expect_nothing_left();
}

/// Lets the test of a run take copies of what guardian and launcher have open, and kills either.
pub(crate) fn be_robbed() {
    let mut siege = Siege::begin("thief");
    if !siege.is_robbed() {
        return;
    }
    siege.running.signal(Signal::KILL);
    siege.running.child.wait().unwrap();
    siege.expect_nothing_left();

    let mut siege = Siege::begin("thief");
    tests::signal(pid_of(&siege.guardian), Signal::KILL);
    let status = poll(SOON, || siege.running.child.try_wait().unwrap());
    let status = status.expect("the launcher ends without its guardian");
    assert_eq!(status.code(), Some(110), "{}", siege.running.stderr());
    siege.expect_nothing_left();
}
