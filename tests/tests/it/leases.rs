//! Which ports a launch has leased, which only Linux shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use tests::{Bench, HOLD, PATIENCE};

/// Another launch of the same project may keep it waiting between its choice and its guardian.
#[test]
fn ports_that_are_chosen_stay_leased_until_their_clients_run() {
    let bench = Bench::with_demo(&[]);
    bench
        .finish(bench.launch(["--clients", "1", "--", "true"]))
        .expect(0);
    let scope = bench.runs()[0].ancestors().nth(2).unwrap().to_owned();
    let lock = File::open(scope.join("lock")).unwrap();
    lock.lock().unwrap();

    let mut running = bench.start(bench.launch(["--clients", "2", "--"].iter().chain(&HOLD)));
    let chosen = tests::poll(PATIENCE, || {
        let leased = ports_leased_by(running.pid());
        (leased.len() == 2).then_some(leased)
    });
    drop(lock);
    let guardian = running.wait_for_event("run_started")["guardian"]["pid"].as_u64();
    running.wait_for_event("test_started");
    let leases = leases_of(u32::try_from(guardian.unwrap()).unwrap());
    let held: BTreeSet<u16> = leases.keys().copied().collect();
    assert_eq!(chosen.expect("two ports are leased"), held);
    assert!(ports_leased_by(running.pid()).is_empty());
    let events = running.events().into_iter();
    let started = events.filter(|event| event["event"] == "client_started");
    let ports = started.map(|event| u16::try_from(event["port"].as_u64().unwrap()).unwrap());
    assert_eq!(ports.collect::<BTreeSet<u16>>(), held);
    assert_goes_on(&bench, running);
    // Another test may have leased the same ports by now.
    let left = all_leases();
    assert!(
        leases
            .iter()
            .all(|(port, socket)| left.get(port) != Some(socket))
    );
}

/// The ports on which a process has a lease.
fn ports_leased_by(pid: u32) -> BTreeSet<u16> {
    leases_of(pid).into_keys().collect()
}

/// The leases of a process, with the numbers of their sockets.
fn leases_of(pid: u32) -> BTreeMap<u16, String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let open: BTreeSet<String> = targets.map(|target| target.display().to_string()).collect();
    let mut leases = all_leases();
    leases.retain(|_, inode| open.contains(&format!("socket:[{inode}]")));
    leases
}

/// All leases of this machine.
fn all_leases() -> BTreeMap<u16, String> {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let lease = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(7)?.strip_prefix("@clean-slate/port/")?;
        Some((port.parse().ok()?, fields[6].to_owned()))
    };
    table.lines().filter_map(lease).collect()
}

/// Lets a run with a test that holds it go on to its good end.
fn assert_goes_on(bench: &Bench, run: tests::Running) {
    bench.go();
    let finished = run.finish().expect(0);
    bench.assert_nothing_left();
    assert!(
        finished.ends().iter().all(|end| end == "graceful"),
        "{}",
        finished.stdout
    );
}
