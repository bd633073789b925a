//! Runs in a PID namespace of their own, which ends with its guardian, whatever has ended that.

mod deaths;
mod refusals;

use std::fs;
use std::process::Command;

use proc_core::ledger::{RunState, Runs};
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::user::{ORDINARY, become_ordinary, can_become_ordinary};
use tests::{Bench, PATIENCE, is_alive, pid_of};

/// Whose runs they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Own,
    /// One that is not root, where this is root.
    Ordinary,
}

impl User {
    /// The users for which this host has PID namespaces; the others are named.
    fn able() -> Vec<Self> {
        let mut users = vec![Self::Own];
        if can_become_ordinary() {
            users.push(Self::Ordinary);
        }
        users.retain(|user| {
            let is_able = user.is_able();
            if !is_able {
                tests::skip(&format!("no PID namespace is available here for {user:?}"));
            }
            is_able
        });
        users
    }

    #[expect(clippy::disallowed_methods, reason = "it ends at once")]
    fn is_able(self) -> bool {
        let mut command = Command::new("env");
        command.args(self.become_it());
        command.arg("unshare");
        if self == Self::Ordinary || !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-current-user"]);
        }
        command.args(["--pid", "--fork", "--mount-proc", "true"]);
        command.output().unwrap().status.success()
    }

    fn become_it(self) -> Vec<String> {
        match self {
            Self::Own => Vec::new(),
            Self::Ordinary => become_ordinary().into(),
        }
    }

    fn id(self) -> u32 {
        match self {
            Self::Own => rustix::process::geteuid().as_raw(),
            Self::Ordinary => ORDINARY,
        }
    }
}

/// A project that every user can use, with programs that every user can run and clients of this species of the zoo.
fn bench(species: &str) -> Bench {
    let bench = Bench::new();
    bench.open_to_everybody();
    let profiles = tests::demo_profile("demo", &[]) + &bench.zoo_profile("zoo", species);
    bench.write("xtask.toml", &profiles);
    bench
}

/// `xtask` with these arguments, for this user, by way of this command.
fn xtask_by(bench: &Bench, user: User, way: &[&str], arguments: &[&str]) -> Command {
    let mut command = bench.command("env");
    command
        .args(way)
        .args(user.become_it())
        .arg(bench.programs())
        .args(arguments);
    command
}

fn launch_by(bench: &Bench, user: User, way: &[&str], arguments: &[&str]) -> Command {
    let launch = [
        "launch",
        "--format=json",
        "--base-port=auto",
        "--contain=pidns",
    ];
    xtask_by(bench, user, way, &[&launch, arguments].concat())
}

fn launch(bench: &Bench, user: User, arguments: &[&str]) -> Command {
    launch_by(bench, user, &[], arguments)
}

/// The first process of the run's namespace: the child of the guardian with the PID 1 inside.
fn init_of(guardian: u32) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{guardian}/task")).unwrap();
    let children = tasks.flatten().filter_map(|task| {
        let list = fs::read_to_string(task.path().join("children")).ok()?;
        Some(
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    });
    let init = children.flatten().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut lines = status.lines();
        lines.any(|line| line.starts_with("NSpid:") && line.split_whitespace().last() == Some("1"))
    });
    init.expect("a first process").parse().unwrap()
}

fn state_of_the_run(bench: &Bench) -> RunState {
    let runs = bench.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    Runs::read_one(&runs[0]).unwrap().unwrap().state
}

#[test]
fn clients_and_test_are_alone_in_a_namespace() {
    for user in User::able() {
        let bench = bench("tame");
        let script = "ls /proc | grep '^[0-9]' | sort -n > processes; id -u > user; pwd > directory; \
             for pid in $XTASK_CLIENT_1_PID $XTASK_CLIENT_2_PID $XTASK_CLIENT_3_PID; do \
             tr '\\0' ' ' < /proc/$pid/cmdline; echo; done > clients; \
             echo $$ > pid; demo-client consensus";
        let clients = ["--clients=3", "--", "sh", "-c", script];
        let finished = bench.finish(launch(&bench, user, &clients)).expect(0);
        bench.assert_nothing_left();
        let read = |name: &str| fs::read_to_string(bench.root().join(name)).unwrap();
        assert_eq!(read("user").trim(), user.id().to_string());
        assert_eq!(read("directory").trim(), bench.root().to_str().unwrap());
        // The first process, three clients, the test, and what of the test makes the list.
        let processes: Vec<u32> = read("processes")
            .lines()
            .map(|pid| pid.parse().unwrap())
            .collect();
        assert_eq!(processes[0], 1);
        assert!((5..=8).contains(&processes.len()), "{processes:?}");
        assert!(processes.contains(&read("pid").trim().parse().unwrap()));
        for (number, command) in (1..).zip(read("clients").lines()) {
            assert!(command.contains("demo-client serve"), "{command}");
            assert!(
                command.ends_with(&format!("--number {number} --life 60s ")),
                "{command}"
            );
        }
        let started = finished.event("run_started");
        assert_eq!(
            (&started["level"], &started["mechanism"]),
            (&json!("kernel"), &json!("pidns"))
        );
        assert!(finished.ends().iter().all(|end| *end == "graceful"));
        let finished = finished.event("run_finished");
        assert_eq!(
            (&finished["leaks"], &finished["survivors"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(state_of_the_run(&bench), RunState::Closed);
    }
}

#[test]
fn a_leak_is_named_with_what_has_started_it() {
    for user in User::able() {
        let bench = bench("tame");
        let script = "setsid sleep 60.25 < /dev/null > /dev/null 2>&1 & \
                      until read name < /proc/$!/comm && [ $name = sleep ]; do :; done";
        let arguments = ["--clients=1", "--deny-leaks", "--", "sh", "-c", script];
        let finished = bench.finish(launch(&bench, user, &arguments)).expect(103);
        bench.assert_nothing_left();
        let leak = finished.event("leak");
        assert_eq!(leak["process"]["command"], "sleep 60.25");
        assert_eq!(leak["started_by"], "the test");
    }
}

/// One that takes its time and one that was stopped are given the grace, and what does not take the hint is killed.
#[test]
fn the_grace_is_kept() {
    for user in User::able() {
        for (species, end) in [("slow-to-end", "graceful"), ("ignores-term", "killed")] {
            let bench = bench(species);
            let grace = if end == "graceful" {
                "--grace=50s"
            } else {
                "--grace=300ms"
            };
            let script = "kill -STOP $XTASK_CLIENT_1_PID";
            let arguments = [
                "--profile=zoo",
                "--clients=1",
                grace,
                "--",
                "sh",
                "-c",
                script,
            ];
            let finished = bench.finish(launch(&bench, user, &arguments)).expect(0);
            bench.assert_nothing_left();
            assert_eq!(finished.ends(), [json!(end)]);
        }
    }
}

/// An orphan is the child of the namespace's first process by the time at which it is asked.
#[test]
fn orphans_are_asked_too() {
    for user in User::able() {
        let bench = bench("tame");
        let script = "(setsid sh -c 'trap \"echo asked > asked; exit\" TERM; echo > up; \
                      for i in $(seq 600); do sleep 0.1; done' &); while [ ! -e up ]; do sleep 0.01; done";
        let arguments = ["--clients=1", "--grace=50s", "--", "sh", "-c", script];
        let finished = bench.finish(launch(&bench, user, &arguments)).expect(0);
        bench.assert_nothing_left();
        assert!(bench.root().join("asked").exists(), "{}", finished.stdout);
        assert_eq!(finished.events_of("killed"), [] as [Value; 0]);
    }
}

#[test]
fn a_detached_run_leaves_when_only_its_first_process_is_left() {
    for user in User::able() {
        let bench = bench("tame");
        let finished = bench
            .finish(launch(&bench, user, &["--clients=2", "--detach"]))
            .expect(0);
        let guardian = pid_of(&finished.event("run_started")["guardian"]);
        assert!(is_alive(init_of(guardian)));
        for client in finished.events_of("client_started") {
            tests::signal(pid_of(&client["identity"]), Signal::KILL);
        }
        bench.assert_nothing_left_within(PATIENCE);
        assert_eq!(state_of_the_run(&bench), RunState::Closed);
    }
}

/// Another one inside another one: each is a run like any other.
#[test]
fn a_run_in_a_run_has_a_namespace_in_a_namespace() {
    for user in User::able() {
        let bench = bench("tame");
        let inner = "xtask launch --contain=pidns --clients=1 --base-port=auto -- \
                     sh -c 'grep ^NSpid /proc/self/status; test $PPID = 0 && test -d /proc/$XTASK_CLIENT_1_PID'";
        let arguments = ["--clients=1", "--", "sh", "-c", inner];
        bench.finish(launch(&bench, user, &arguments)).expect(0);
        bench.assert_nothing_left();
    }
}

#[test]
fn the_level_kernel_is_had_by_name_only() {
    for user in User::able() {
        let bench = bench("tame");
        let arguments = ["--require=kernel", "--clients=1", "--", "true"];
        bench.finish(launch(&bench, user, &arguments)).expect(0);
        bench.assert_nothing_left();
        let auto = [&["launch", "--contain=auto"], &arguments[..]].concat();
        let finished = bench.finish(xtask_by(&bench, user, &[], &auto)).expect(105);
        assert!(
            finished.stderr.contains("--contain pidns"),
            "{}",
            finished.stderr
        );
        bench.assert_nothing_left();
    }
}
