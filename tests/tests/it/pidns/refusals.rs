//! Hosts on which no PID namespace is available.

use proc_core::ledger::RunState;
use serde_json::json;

use super::{User, bench, launch_by, state_of_the_run};

/// Launches in a way in which no namespace is available, and returns the reason that is given.
fn refusal(user: User, way: &[&str]) -> String {
    let bench = bench("tame");
    let finished = bench.finish(launch_by(
        &bench,
        user,
        way,
        &["--clients=1", "--", "touch", "started"],
    ));
    let finished = finished.expect(105);
    bench.assert_nothing_left();
    assert!(!bench.root().join("started").exists());
    let last = finished.event("run_finished");
    assert_eq!(last["exit"], json!({"code": 105, "name": "guarantee"}));
    // Refused is not the same as dead: no later command has anything to do.
    assert_eq!(state_of_the_run(&bench), RunState::Closed);
    last["message"].as_str().unwrap().to_owned()
}

#[test]
fn without_privileges_and_user_namespaces_a_launch_is_refused() {
    if User::able().is_empty() {
        return;
    }
    let script =
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \"$@\"";
    let way = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let reason = refusal(User::Own, &way);
    assert!(reason.contains("cannot make a user namespace"), "{reason}");
    assert!(reason.contains("os error 28"), "{reason}");
    assert!(reason.contains("user.max_user_namespaces is 0"), "{reason}");
}

#[test]
fn without_room_for_a_pid_namespace_a_launch_is_refused() {
    if User::able().is_empty() {
        return;
    }
    let script = "echo 0 > /proc/sys/user/max_pid_namespaces && exec \"$@\"";
    let way = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let reason = refusal(User::Own, &way);
    assert!(
        reason.contains("cannot make a PID namespace: No space left on device"),
        "{reason}"
    );
}

/// As in many containers: the kernel lets no process see behind what is mounted over parts of `/proc`.
#[test]
fn where_parts_of_proc_are_hidden_a_launch_is_refused() {
    if !User::able().contains(&User::Ordinary) {
        return tests::skip("only root can hide parts of /proc from another user");
    }
    let script = "mount --bind /dev/null /proc/version && exec \"$@\"";
    let way = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let reason = refusal(User::Ordinary, &way);
    assert!(
        reason.contains("cannot mount /proc in the PID namespace: Operation not permitted"),
        "{reason}"
    );
}
