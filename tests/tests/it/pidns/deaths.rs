//! What is killed: launcher, guardian, both, the namespace, a process in it.

use std::time::Duration;

use proc_core::ledger::{RunState, Runs};
use rustix::process::Signal;
use tests::{Bench, HOLD, PATIENCE, Running, is_alive, pid_of, wait_for};

use super::{User, bench, init_of, launch, state_of_the_run};

/// Launches clients of the bench's species, with a test that goes on.
fn hold(bench: &Bench, user: User, flags: &[&str]) -> Running {
    let arguments = [&["--profile=zoo"], flags, &["--"], &HOLD].concat();
    bench.start(launch(bench, user, &arguments))
}

/// Nothing is left by which a command could find these processes: no tree, no session, no environment, no descriptor,
/// no mark.
#[test]
fn everything_goes_with_launcher_and_guardian_and_without_any_command() {
    for user in User::able() {
        for (species, is_stopped) in [("clears-everything", false), ("daemon-ignores-term", true)] {
            let bench = bench(species);
            let mut running = hold(&bench, user, &["--clients=2"]);
            let guardian = pid_of(&running.wait_for_event("run_started")["guardian"]);
            running.wait_for_event("test_started");
            let init = init_of(guardian);
            if is_stopped {
                // It cannot notice anything then, and the kernel does not ask it.
                tests::signal(init, Signal::STOP);
            }
            assert!(is_alive(init) && bench.has_survivors());
            running.kill_with_guardian(guardian);
            bench.assert_nothing_left_within(PATIENCE);
            wait_for(PATIENCE, "the first process to be gone", || !is_alive(init));
            // The ledger knows nothing of it, until a command reads the process table.
            wait_for(PATIENCE, "the run to be dead", || {
                state_of_the_run(&bench) == RunState::Dead
            });
            let run = Runs::read_one(&bench.runs()[0]).unwrap().unwrap();
            let recovery = proc_core::recover::finish(&run, Duration::ZERO).unwrap();
            assert!(recovery.leftovers.is_empty(), "{recovery:?}");
            assert_eq!(state_of_the_run(&bench), RunState::Closed);
        }
    }
}

#[test]
fn a_killed_guardian_fails_the_launch_and_leaves_nothing() {
    for user in User::able() {
        let bench = bench("daemon");
        let mut running = hold(&bench, user, &["--clients=1", "--grace=10m"]);
        let guardian = pid_of(&running.wait_for_event("run_started")["guardian"]);
        running.wait_for_event("test_started");
        tests::signal(guardian, Signal::KILL);
        running.finish().expect(110);
        bench.assert_nothing_left();
        assert_eq!(state_of_the_run(&bench), RunState::Closed);
    }
}

#[test]
fn a_killed_launcher_ends_the_run() {
    for user in User::able() {
        let bench = bench("daemon-ignores-term");
        let mut running = hold(&bench, user, &["--clients=2", "--grace=500ms"]);
        running.wait_for_event("test_started");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        bench.assert_nothing_left_within(PATIENCE);
        assert_eq!(state_of_the_run(&bench), RunState::Closed);
    }
}

#[test]
fn a_client_that_dies_in_there_is_told_by_its_pid_outside() {
    for user in User::able() {
        let bench = bench("ready-then-crash");
        let finished = hold(&bench, user, &["--clients=1"]).finish().expect(101);
        bench.assert_nothing_left();
        let started = finished.event("client_started");
        assert_eq!(
            finished.event("client_exited")["identity"],
            started["identity"]
        );
    }
}

/// The first process of the namespace takes no signal from a process in there.
#[test]
fn no_process_inside_can_end_the_namespace() {
    for user in User::able() {
        let bench = bench("tame");
        let script = "kill -TERM 1; kill -KILL 1; kill -STOP 1; setsid sleep 60 > /dev/null 2>&1 & \
                      sleep 0 & wait $!; kill -0 $XTASK_CLIENT_1_PID";
        let arguments = ["--clients=1", "--", "sh", "-c", script];
        bench.finish(launch(&bench, user, &arguments)).expect(0);
        bench.assert_nothing_left();
    }
}

#[test]
fn ending_the_namespace_from_outside_ends_the_clients() {
    for user in User::able() {
        let bench = bench("daemon-ignores-term");
        let mut running = hold(&bench, user, &["--clients=2"]);
        let guardian = pid_of(&running.wait_for_event("run_started")["guardian"]);
        running.wait_for_event("test_started");
        tests::signal(init_of(guardian), Signal::KILL);
        // The kernel kills clients and test at the same moment. The one that is collected first is what the run
        // came to: a client that has died, or a test that SIGKILL has ended.
        let code = running.finish().code;
        assert!([101, 128 + 9].contains(&code), "{code}");
        bench.assert_nothing_left();
        assert_eq!(state_of_the_run(&bench), RunState::Closed);
    }
}
