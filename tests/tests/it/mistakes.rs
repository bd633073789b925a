//! Bad input that only this system knows: each mistake is a clear error with its own exit code, and nothing has been started.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tests::user::{become_ordinary, can_become_ordinary};
use tests::{Bench, demo_profile};

#[test]
fn a_script_that_may_not_be_executed() {
    let bench = Bench::new();
    bench.write("plain.sh", "#!/bin/sh\nexit 0\n");
    let parts = ["plain.sh may not be executed by this user", "chmod +x"];
    bench.write(
        "xtask.toml",
        "[profile.demo]\nprogram = './plain.sh'\nargs = ['{port}']\n",
    );
    bench.assert_refused(["launch", "--", "true"], 106, &parts);
    bench.write("xtask.toml", &demo_profile("demo", &[]));
    let launch = [
        "launch",
        "--clients",
        "1",
        "--base-port",
        "auto",
        "--",
        "./plain.sh",
    ];
    bench.assert_refused(launch, 106, &parts);
}

#[test]
fn a_state_folder_that_this_user_may_not_write() {
    let bench = Bench::with_demo(&[]);
    std::fs::create_dir(bench.state()).unwrap();
    let read_only = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(bench.state(), read_only).unwrap();
    let finished = bench
        .finish(unprivileged(&bench, &["launch", "--", "true"]))
        .expect(106);
    bench.assert_nothing_started();
    assert!(
        finished.stderr.contains("XTASK_STATE_DIR"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_port_that_only_root_may_use() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u32>().unwrap() <= 81 {
        return tests::skip("this machine gives every user port 81");
    }
    let bench = Bench::with_demo(&[]);
    let launch = unprivileged(&bench, &["launch", "--ports", "81", "--", "true"]);
    let finished = bench.finish(launch).expect(102);
    bench.assert_nothing_started();
    let message = "port 81 may not be used by this user";
    assert!(finished.stderr.contains(message), "{}", finished.stderr);
}

/// `xtask` as a user that is not root. The binaries lie where that user may see them.
fn unprivileged(bench: &Bench, arguments: &[&str]) -> Command {
    if !can_become_ordinary() {
        return bench.xtask(arguments);
    }
    bench.open_to_everybody();
    let mut command = bench.command("env");
    command.args(become_ordinary());
    command.arg(bench.programs()).args(arguments);
    command
}
