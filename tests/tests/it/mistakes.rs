//! Bad input: each mistake is a clear error with its own exit code, and nothing has been started.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use tests::user::{become_ordinary, can_become_ordinary};
use tests::{Bench, demo_profile};

/// Launches with these arguments, and holds the error against what it must say.
#[track_caller]
fn assert_refused<S: AsRef<OsStr>>(
    bench: &Bench,
    arguments: impl IntoIterator<Item = S>,
    code: i32,
    parts: &[&str],
) {
    let mut command = bench.xtask(["launch"]);
    command.args(arguments);
    let finished = bench.finish(command).expect(code);
    bench.assert_nothing_started();
    assert_eq!(finished.stdout, "");
    for part in parts {
        assert!(
            finished.stderr.contains(part),
            "no {part:?} in: {}",
            finished.stderr
        );
    }
}

#[test]
fn numbers_that_cannot_be() {
    let bench = Bench::with_demo(&[]);
    let refused = |arguments: &[&str], code, parts: &[&str]| {
        assert_refused(&bench, arguments.iter().chain(&["--", "true"]), code, parts);
    };
    refused(&["--clients", "0"], 2, &["0", "--clients"]);
    refused(&["--clients", "-1"], 2, &["-1"]);
    refused(&["--clients", "three"], 2, &["three", "--clients"]);
    refused(&["--clients", "99999999999"], 2, &["99999999999"]);
    refused(
        &["--clients", "65535", "--base-port", "1"],
        106,
        &["clients"],
    );
    refused(&["--base-port", "65536"], 2, &["65536", "1 to 65535"]);
    refused(&["--base-port", "0"], 2, &["1 to 65535"]);
    refused(&["--base-port", "http"], 2, &["http", "1 to 65535"]);
    refused(
        &["--clients", "3", "--base-port", "65534"],
        106,
        &["3 clients from port 65534", "past 65535"],
    );
    refused(
        &["--clients", "3", "--ports", "9000,9001"],
        106,
        &["2 ports for 3 clients"],
    );
    refused(&["--ports", "9000,9000"], 2, &["port 9000 is given twice"]);
    refused(&["--ports", "9000,70000"], 2, &["70000", "1 to 65535"]);
    refused(
        &["--ports", "9000", "--base-port", "9000"],
        2,
        &["--ports", "--base-port"],
    );
    refused(&["--grace", "10"], 2, &["--grace", "10"]);
    refused(&["--stagger", "soon"], 2, &["--stagger", "soon"]);
    refused(&["--ready-timeout=-3s"], 2, &["-3s"]);
    refused(&["--owner-pid", "0"], 106, &["--owner-pid 0"]);
}

#[test]
fn flags_that_do_not_go_together() {
    let bench = Bench::with_demo(&[]);
    assert_refused(&bench, ["--detach", "--", "true"], 2, &["--detach"]);
    assert_refused(
        &bench,
        ["--quiet", "--verbose", "--", "true"],
        2,
        &["--quiet", "--verbose"],
    );
}

#[test]
fn a_typo_in_a_flag_is_answered_with_the_right_one() {
    let bench = Bench::with_demo(&[]);
    for (typo, right) in [
        ("--client", "--clients"),
        ("--profil", "--profile"),
        ("--base-prot", "--base-port"),
        ("--prots", "--ports"),
        ("--stager", "--stagger"),
        ("--graze", "--grace"),
        ("--ready-timeot", "--ready-timeout"),
        ("--detatch", "--detach"),
        ("--owner-pd", "--owner-pid"),
        ("--keep-on-failur", "--keep-on-failure"),
        ("--deny-leak", "--deny-leaks"),
        ("--fromat", "--format"),
        ("--confg", "--config"),
        ("--quite", "--quiet"),
        ("--verbos", "--verbose"),
    ] {
        assert_refused(&bench, [typo, "--", "true"], 2, &[typo, right]);
    }
    let finished = bench.run(["lanch"]).expect(2);
    assert!(finished.stderr.contains("launch"), "{}", finished.stderr);
}

#[test]
fn a_profile_that_is_not_there() {
    let bench = Bench::with_demo(&[]);
    let did_you_mean = ["unknown profile `dmeo`", "did you mean `demo`?"];
    assert_refused(
        &bench,
        ["--profile", "dmeo", "--", "true"],
        106,
        &did_you_mean,
    );
    let known = [
        "unknown profile `browser`",
        "`demo`",
        "`python-http`",
        "`unreal`",
    ];
    assert_refused(&bench, ["--profile", "browser", "--", "true"], 106, &known);
    assert_refused(
        &bench,
        ["--profile", "unreal", "--", "true"],
        106,
        &["`unreal`", "program", "init"],
    );
}

#[test]
fn mistakes_in_the_file_are_told_with_their_places() {
    let cases: [(&str, &[&str]); 8] = [
        (
            "[launch]\nclints = 3\n",
            &[
                "xtask.toml:2:1:",
                "unknown key `clints` in [launch]",
                "did you mean `clients`?",
                "2 | clints = 3",
            ],
        ),
        (
            "[lunch]\nclients = 3\n",
            &[
                "xtask.toml:1:2:",
                "unknown key `lunch`",
                "did you mean `launch`?",
            ],
        ),
        (
            "[launch]\nclients = 0\n",
            &["xtask.toml:2:11:", "from 1 to"],
        ),
        (
            "[launch]\nclients = 'three'\n",
            &["xtask.toml:2:11:", "`clients` must be a whole number"],
        ),
        (
            "[launch]\nclients = = 3\n",
            &["xtask.toml:2:", "not valid TOML"],
        ),
        (
            "[launch]\nprofile = \"demo\n",
            &["xtask.toml:2:", "not valid TOML"],
        ),
        (
            "[launch]\nprofile = 'dmeo'\n",
            &["xtask.toml:2:11:", "did you mean `demo`?"],
        ),
        (
            "[profile.demo]\nargs = ['{prot}']\n",
            &["xtask.toml:2:9:", "`{prot}`", "did you mean `{port}`?"],
        ),
    ];
    for (text, parts) in cases {
        assert_refused(&Bench::with_config(text), ["--", "true"], 106, parts);
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let bench =
        Bench::with_config("[launch]\nclints = 3\nstagger = 'soon'\n[group.unreal]\nlimmit = 3\n");
    let parts = [
        "xtask.toml:2:1:",
        "xtask.toml:3:11:",
        "xtask.toml:5:1:",
        "did you mean `limit`?",
    ];
    assert_refused(&bench, ["--", "true"], 106, &parts);
}

#[test]
fn a_file_that_is_not_there() {
    let bench = Bench::with_demo(&[]);
    assert_refused(
        &bench,
        ["--config", "other.toml", "--", "true"],
        106,
        &["other.toml", "cannot read"],
    );
}

#[test]
fn programs_that_cannot_be_started() {
    let bench = Bench::new();
    bench.write("plain.sh", "#!/bin/sh\nexit 0\n");
    std::fs::create_dir(bench.root().join("folder")).unwrap();
    let cases: [(&str, &[&str]); 5] = [
        (
            "no-such-program",
            &["no-such-program", "is not there", "in PATH"],
        ),
        (
            "./no-such-program",
            &["no-such-program", "is not there: looked at "],
        ),
        (
            "./plain.sh",
            &["plain.sh may not be executed by this user", "chmod +x"],
        ),
        ("./folder", &["folder is not a file"]),
        ("/no/such/place", &["/no/such/place", "is not there"]),
    ];
    for (program, parts) in cases {
        bench.write(
            "xtask.toml",
            &format!("[profile.demo]\nprogram = '{program}'\nargs = ['{{port}}']\n"),
        );
        assert_refused(&bench, ["--", "true"], 106, parts);
        bench.write("xtask.toml", &demo_profile("demo", &[]));
        assert_refused(
            &bench,
            ["--clients", "1", "--base-port", "auto", "--", program],
            106,
            parts,
        );
    }
}

/// What the launch can see is refused before anything starts; this only the kernel finds out.
#[test]
fn a_program_that_the_system_refuses() {
    let bench = Bench::with_demo(&[]);
    bench.write_program("broken", "#!/no/such/interpreter\n");
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--", "./broken"]))
        .expect(106);
    bench.assert_nothing_left();
    let message = finished.event("run_finished")["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("the test could not be started"),
        "{message}"
    );

    bench.write(
        "xtask.toml",
        "[profile.demo]\nprogram = './broken'\nargs = ['{port}']\n",
    );
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "true"]))
        .expect(106);
    bench.assert_nothing_left();
    let message = finished.event("run_finished")["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("client 1 could not be started"),
        "{message}"
    );
    assert_eq!(finished.ends(), [Value::Null, Value::Null]);
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let bench = Bench::with_demo(&[]);
    std::fs::write(bench.state(), "a file").unwrap();
    assert_refused(
        &bench,
        ["--", "true"],
        106,
        &["cannot create ", "XTASK_STATE_DIR"],
    );
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

#[test]
fn for_scripts_an_error_is_the_last_event() {
    let bench = Bench::with_config("[launch]\nclints = 3\n");
    let finished = bench.finish(bench.launch(["--", "true"])).expect(106);
    bench.assert_nothing_started();
    let end = finished.event("run_finished");
    assert_eq!(finished.events().len(), 1);
    assert_eq!(end["exit"], json!({"code": 106, "name": "config"}));
    assert_eq!(end["run"], Value::Null);
    assert!(
        end["message"].as_str().unwrap().contains("xtask.toml:2:1:"),
        "{end}"
    );
}

#[test]
fn for_scripts_a_command_line_that_makes_no_sense_is_answered_in_json() {
    let bench = Bench::new();
    let finished = bench
        .run(["launch", "--format", "json", "--clients", "0"])
        .expect(2);
    let end = finished.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 2, "name": "usage"}));
    let finished = bench.run(["cleanup", "--format=json", "--al"]).expect(2);
    let document = finished.json();
    assert_eq!(document["schema"], "clean-slate/error/1");
    assert!(
        document["message"].as_str().unwrap().contains("--al"),
        "{document}"
    );
    bench.assert_nothing_started();
}
