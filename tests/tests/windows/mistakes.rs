//! Bad input: each mistake is a clear error with its own exit code, and nothing has been started.

use std::fs;

use serde_json::json;

use crate::bench::{Bench, PASS};
use crate::documents::check;

/// Calls a command, and holds the error against what it must say.
#[track_caller]
fn refuse(bench: &Bench, code: i32, arguments: &[&str], parts: &[&str]) {
    let finished = bench.run(arguments).expect(code);
    bench.expect_nothing_started();
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
fn a_typo_in_a_flag_is_answered_with_the_right_one() {
    let bench = Bench::new();
    for (command, typo, right) in [
        ("launch", "--client", "--clients"),
        ("launch", "--profil", "--profile"),
        ("launch", "--base-prot", "--base-port"),
        ("launch", "--prots", "--ports"),
        ("launch", "--stager", "--stagger"),
        ("launch", "--graze", "--grace"),
        ("launch", "--ready-timeot", "--ready-timeout"),
        ("launch", "--detatch", "--detach"),
        ("launch", "--owner-pd", "--owner-pid"),
        ("launch", "--keep-on-failur", "--keep-on-failure"),
        ("launch", "--deny-leak", "--deny-leaks"),
        ("launch", "--fromat", "--format"),
        ("launch", "--confg", "--config"),
        ("launch", "--quite", "--quiet"),
        ("launch", "--verbos", "--verbose"),
        ("preflight", "--chek", "--check"),
        ("preflight", "--strickt", "--strict"),
        ("cleanup", "--pyton", "--python"),
        ("cleanup", "--unreel", "--unreal"),
        ("cleanup", "--dryrun", "--dry-run"),
        ("cleanup", "--explan", "--explain"),
        ("postflight", "--fromat", "--format"),
        ("status", "--fromat", "--format"),
        ("doctor", "--requir", "--require"),
        ("init", "--fromat", "--format"),
    ] {
        refuse(&bench, 2, &[command, typo], &[typo, right]);
    }
    refuse(&bench, 2, &["lanch"], &["launch"]);
}

#[test]
fn numbers_and_flags_that_cannot_be() {
    let bench = Bench::new();
    let refused = |code, flags: &str, parts: &[&str]| {
        let launch: Vec<&str> = ["launch"]
            .into_iter()
            .chain(flags.split(' '))
            .chain(PASS)
            .collect();
        refuse(&bench, code, &launch, parts);
    };
    refused(2, "--clients 0", &["0", "--clients"]);
    refused(2, "--clients three", &["three", "--clients"]);
    refused(2, "--base-port 65536", &["65536", "1 to 65535"]);
    refused(
        106,
        "--clients 3 --base-port 65534",
        &["3 clients from port 65534", "past 65535"],
    );
    refused(
        106,
        "--clients 3 --ports 9000,9001",
        &["2 ports for 3 clients"],
    );
    refused(2, "--ports 9000,9000", &["port 9000 is given twice"]);
    refused(
        2,
        "--ports 9000 --base-port 9000",
        &["--ports", "--base-port"],
    );
    refused(2, "--grace 10", &["--grace", "10"]);
    refused(106, "--owner-pid 0", &["--owner-pid 0"]);
    refused(2, "--detach", &["--detach"]);
    refused(2, "--quiet --verbose", &["--quiet", "--verbose"]);
    refused(
        106,
        "--profile dmeo",
        &["unknown profile `dmeo`", "did you mean `demo`?"],
    );
    refused(106, "--config other.toml", &["other.toml", "cannot read"]);
}

#[test]
fn mistakes_in_the_file_are_told_with_their_places() {
    let bench = Bench::new();
    let cases: [(&str, &[&str]); 7] = [
        (
            "[launch]\r\nclints = 3\r\n",
            &[
                "xtask.toml:2:1:",
                "unknown key `clints` in [launch]",
                "did you mean `clients`?",
            ],
        ),
        (
            "[launch]\nclients = 0\n",
            &["xtask.toml:2:11:", "from 1 to"],
        ),
        (
            "[launch]\nclients = = 3\n",
            &["xtask.toml:2:", "not valid TOML"],
        ),
        // What everybody writes once who copies a path of Windows.
        (
            "[profile.demo]\nprogram = \"C:\\Users\\me\\game.exe\"\n",
            &["xtask.toml:2:", "not valid TOML"],
        ),
        (
            "[profile.demo]\nprogram = 'C:game.exe'\n",
            &["xtask.toml:2:11:", "drive C:", r"write `C:\game.exe`"],
        ),
        (
            "[profile.demo]\nargs = ['{prot}']\n",
            &["xtask.toml:2:9:", "did you mean `{port}`?"],
        ),
        (
            "[launch]\nclints = 3\nstagger = 'soon'\n[group.unreal]\nlimmit = 3\n",
            &["xtask.toml:2:1:", "xtask.toml:3:11:", "xtask.toml:5:1:"],
        ),
    ];
    for (text, parts) in cases {
        fs::write(bench.root().join("xtask.toml"), text).unwrap();
        refuse(&bench, 106, &[&["launch"], &PASS[..]].concat(), parts);
    }
    // As every command does.
    for command in ["preflight", "cleanup", "postflight", "status"] {
        refuse(&bench, 106, &[command], &["xtask.toml:2:1:"]);
    }
}

#[test]
fn programs_that_cannot_be_started() {
    let bench = Bench::new();
    let config = bench.root().join("xtask.toml");
    let demo = fs::read_to_string(&config).unwrap();
    fs::create_dir(bench.root().join("folder")).unwrap();
    for (program, parts) in [
        (
            "no-such-program",
            ["\"no-such-program\" is not there", "in PATH"],
        ),
        (
            r".\no-such-program.exe",
            ["no-such-program.exe\" is not there", "looked at "],
        ),
        ("./folder", ["folder", "is not a file"]),
        (
            r"Z:\no\such\place.exe",
            [r"Z:\no\such\place.exe", "is not there"],
        ),
    ] {
        let own = format!("[profile.demo]\nprogram = '{program}'\nargs = ['{{port}}']\n");
        fs::write(&config, own).unwrap();
        refuse(&bench, 106, &[&["launch"], &PASS[..]].concat(), &parts);
        fs::write(&config, &demo).unwrap();
        let launch = ["launch", "--clients", "1", "--base-port", "auto", "--"];
        refuse(&bench, 106, &[&launch[..], &[program]].concat(), &parts);
    }
}

/// What the launch can see is refused before anything starts; this only the system finds out.
#[test]
fn a_program_that_the_system_refuses() {
    let bench = Bench::new();
    fs::write(bench.root().join("broken.exe"), "no program").unwrap();
    let end = bench
        .launch("--clients 1", &["--", "./broken.exe"])
        .finish()
        .expect(106)
        .end();
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("the test could not be started"),
        "{message}"
    );
    bench.expect_no_runs();

    let config = "[profile.demo]\nprogram = './broken.exe'\nargs = ['{port}']\n";
    fs::write(bench.root().join("xtask.toml"), config).unwrap();
    let end = bench
        .launch("--clients 2", &PASS)
        .finish()
        .expect(106)
        .end();
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("client 1 could not be started"),
        "{message}"
    );
    bench.expect_no_runs();
}

#[test]
fn for_scripts_every_mistake_is_a_document() {
    let bench = Bench::new();
    let launch = ["launch", "--format", "json", "--clients", "0"];
    let end = bench.run(&launch).expect(2).end();
    check(&end);
    assert_eq!(end["exit"], json!({"code": 2, "name": "usage"}));
    fs::write(bench.root().join("xtask.toml"), "[launch]\nclints = 3\n").unwrap();
    let end = bench.run(&["launch", "--format", "json"]).expect(106).end();
    check(&end);
    assert!(
        end["message"].as_str().unwrap().contains("xtask.toml:2:1:"),
        "{end}"
    );
    for command in [
        "preflight",
        "cleanup",
        "postflight",
        "status",
        "doctor",
        "init",
    ] {
        let document = bench.document(&[command, "--no-such-flag"]);
        check(&document);
        assert_eq!(
            document["exit"],
            json!({"code": 2, "name": "usage"}),
            "{command}"
        );
    }
    for command in ["preflight", "cleanup", "postflight", "status"] {
        let document = bench.document(&[command]);
        check(&document);
        assert_eq!(
            document["exit"],
            json!({"code": 106, "name": "config"}),
            "{command}"
        );
    }
    bench.expect_nothing_started();
}
