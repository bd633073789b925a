//! Several launches at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Bench, HOLD, PATIENCE, free_ports};

const ASK_ALL: &str = "sleep 0.3; for url in $(echo $XTASK_CLIENT_URLS | tr , ' '); do \
                       curl --silent --fail --max-time 10 $url/status || exit 1; done";

#[test]
fn launches_of_one_project_on_distinct_ports_do_not_meet() {
    let bench = Bench::with_demo(&[]);
    let launch = || bench.start(bench.launch(["--clients", "2", "--", "sh", "-c", ASK_ALL]));
    let running: Vec<_> = (0..4).map(|_| launch()).collect();
    for running in running {
        let finished = running.finish().expect(0);
        assert_eq!(finished.ends(), ["graceful", "graceful"]);
    }
    bench.assert_nothing_left();
    assert_eq!(bench.runs().len(), 4);
}

#[test]
fn a_port_of_a_live_run_of_the_same_project_is_busy() {
    let bench = Bench::with_demo(&[]);
    let port = free_ports(1)[0].to_string();
    let mut first =
        bench.start(bench.launch_on_default_ports(["--ports", &port, "--"].iter().chain(&HOLD)));
    let run = first.wait_for_event("run_started")["run"].clone();
    first.wait_for_event("test_started");
    let second = bench
        .finish(bench.launch_on_default_ports(["--ports", &port, "--", "true"]))
        .expect(107);
    let end = second.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 107, "name": "busy"}));
    assert!(
        end["message"]
            .as_str()
            .unwrap()
            .contains(run.as_str().unwrap()),
        "{end}"
    );
    assert_goes_on(&bench, first);
}

#[test]
fn a_port_of_another_projects_run_is_unavailable() {
    let (bench, other) = (Bench::with_demo(&[]), Bench::with_demo(&[]));
    let port = free_ports(1)[0].to_string();
    let mut first =
        bench.start(bench.launch_on_default_ports(["--ports", &port, "--"].iter().chain(&HOLD)));
    let client = first.wait_for_event("client_started")["identity"]["pid"].clone();
    first.wait_for_event("test_started");
    let second = other
        .run(["launch", "--ports", &port, "--", "true"])
        .expect(102);
    assert!(
        second.stderr.contains(&client.to_string()),
        "{}",
        second.stderr
    );
    other.assert_nothing_started();
    assert_goes_on(&bench, first);
}

/// A client that does not listen yet has its port all the same.
#[test]
fn a_port_is_claimed_before_its_client_listens() {
    let (bench, other) = (
        Bench::with_demo(&["--ready-after", "60s"]),
        Bench::with_demo(&[]),
    );
    let port = free_ports(1)[0].to_string();
    for ports in [["--ports", &port], ["--base-port", "auto"]] {
        let launch = ports.iter().chain(&["--clients", "1", "--", "true"]);
        let mut first = bench.start(bench.launch_on_default_ports(launch));
        let guardian = first.wait_for_event("run_started")["guardian"]["pid"].to_string();
        let port = first.wait_for_event("client_started")["port"].to_string();
        let same = ["--ports", &port, "--", "true"];
        bench
            .finish(bench.launch_on_default_ports(same))
            .expect(107);
        let second = other
            .finish(other.launch_on_default_ports(same))
            .expect(102);
        assert!(second.stdout.contains(&guardian), "{}", second.stdout);
        first.signal(Signal::INT);
        first.finish().expect(130);
    }
    bench.assert_nothing_left();
    other.assert_nothing_started();
}

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

#[test]
fn of_launches_that_race_for_a_port_one_wins_and_the_others_say_why() {
    let bench = Bench::with_demo(&[]);
    let port = free_ports(1)[0].to_string();
    let launch = ["--ports", &port, "--"];
    let racers: Vec<_> = (0..4)
        .map(|_| bench.start(bench.launch_on_default_ports(launch.iter().chain(&HOLD))))
        .collect();
    let mut held = Vec::new();
    for mut racer in racers {
        let ended = tests::poll(PATIENCE, || {
            let ended = racer.child.try_wait().unwrap().is_some();
            let runs = racer
                .events()
                .iter()
                .any(|event| event["event"] == "test_started");
            (ended || runs).then_some(ended)
        });
        match ended {
            Some(false) => held.push(racer),
            Some(true) => {
                let finished = racer.finish();
                let code = finished.event("run_finished")["exit"]["code"].clone();
                assert!(
                    [102, 107].map(Value::from).contains(&code),
                    "{}",
                    finished.stdout
                );
            }
            None => panic!("neither ended nor running: {}", racer.stdout()),
        }
    }
    assert_eq!(held.len(), 1);
    assert_goes_on(&bench, held.remove(0));
}

/// As in a loop whose iterations are themselves started by a launch.
#[test]
fn a_launch_may_be_the_test_of_another_one() {
    let bench = Bench::with_demo(&[]);
    let xtask = tests::binary("xtask");
    let inner = "\"$0\" launch --clients 2 --base-port auto -- demo-client consensus";
    let launch = ["--clients", "2", "--deny-leaks", "--", "sh", "-c", inner];
    let mut command = bench.launch(launch);
    command.arg(&xtask);
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    assert!(
        finished.stderr.contains("ok: the test passed"),
        "{}",
        finished.stderr
    );
    assert_eq!(bench.runs().len(), 2);
    assert_eq!(finished.ends(), ["graceful", "graceful"]);
}

/// It goes on under its own guardian, which is something that the outer test leaves behind.
#[test]
fn a_run_that_is_detached_within_a_test_ends_with_the_outer_one() {
    let bench = Bench::with_demo(&[]);
    let xtask = tests::binary("xtask");
    let mut command = bench.launch(["--clients", "1", "--"]);
    command
        .arg(&xtask)
        .args(["launch", "--clients=2", "--base-port=auto", "--detach"]);
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    assert!(
        !finished.events_of("leak").is_empty(),
        "{}",
        finished.stdout
    );
    assert_eq!(finished.event("run_finished")["survivors"], 0);
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
