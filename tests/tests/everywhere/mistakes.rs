//! Bad input: each mistake is a clear error with its own exit code, and nothing has been started.

use std::env::consts::EXE_SUFFIX;
use std::fs;

use serde_json::{Value, json};
use tests::{Bench, PASS, assert_documented, demo_profile};

/// Launches a test that passes with these flags, and holds the error against what it must say.
#[track_caller]
fn refuse_launch(bench: &Bench, code: i32, flags: &str, parts: &[&str]) {
    let flags = flags.split(' ').filter(|flag| !flag.is_empty());
    let launch = ["launch"].into_iter().chain(flags).chain(["--"]);
    bench.assert_refused(launch.chain(PASS.iter().copied()), code, parts);
}

#[test]
fn numbers_and_flags_that_cannot_be() {
    let bench = Bench::with_demo(&[]);
    let refused = |code, flags: &str, parts: &[&str]| refuse_launch(&bench, code, flags, parts);
    refused(2, "--clients 0", &["0", "--clients"]);
    refused(2, "--clients -1", &["-1"]);
    refused(2, "--clients three", &["three", "--clients"]);
    refused(2, "--clients 99999999999", &["99999999999"]);
    refused(106, "--clients 65535 --base-port 1", &["clients"]);
    refused(2, "--base-port 65536", &["65536", "1 to 65535"]);
    refused(2, "--base-port 0", &["1 to 65535"]);
    refused(2, "--base-port http", &["http", "1 to 65535"]);
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
    refused(2, "--ports 9000,70000", &["70000", "1 to 65535"]);
    refused(
        2,
        "--ports 9000 --base-port 9000",
        &["--ports", "--base-port"],
    );
    refused(2, "--grace 10", &["--grace", "10"]);
    refused(2, "--stagger soon", &["--stagger", "soon"]);
    refused(2, "--ready-timeout=-3s", &["-3s"]);
    refused(106, "--owner-pid 0", &["--owner-pid 0"]);
    refused(2, "--detach", &["--detach"]);
    refused(2, "--quiet --verbose", &["--quiet", "--verbose"]);
    refused(106, "--config other.toml", &["other.toml", "cannot read"]);
}

#[test]
fn a_typo_in_a_flag_is_answered_with_the_right_one() {
    let bench = Bench::with_demo(&[]);
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
        bench.assert_refused([command, typo], 2, &[typo, right]);
    }
    bench.assert_refused(["lanch"], 2, &["launch"]);
}

#[test]
fn a_profile_that_is_not_there() {
    let bench = Bench::with_demo(&[]);
    refuse_launch(
        &bench,
        106,
        "--profile dmeo",
        &["unknown profile `dmeo`", "did you mean `demo`?"],
    );
    let known = [
        "unknown profile `browser`",
        "`demo`",
        "`python-http`",
        "`unreal`",
    ];
    refuse_launch(&bench, 106, "--profile browser", &known);
    refuse_launch(
        &bench,
        106,
        "--profile unreal",
        &["`unreal`", "program", "init"],
    );
}

#[test]
fn mistakes_in_the_file_are_told_with_their_places() {
    let bench = Bench::new();
    let cases: [(&str, &[&str]); 10] = [
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
            "[launch]\r\nclints = 3\r\n",
            &["xtask.toml:2:1:", "did you mean `clients`?"],
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
        // All of them at once.
        (
            "[launch]\nclints = 3\nstagger = 'soon'\n[group.unreal]\nlimmit = 3\n",
            &[
                "xtask.toml:2:1:",
                "xtask.toml:3:11:",
                "xtask.toml:5:1:",
                "did you mean `limit`?",
            ],
        ),
    ];
    for (text, parts) in cases {
        bench.write("xtask.toml", text);
        refuse_launch(&bench, 106, "", parts);
    }
    // As every command does.
    for command in ["preflight", "cleanup", "postflight", "status"] {
        bench.assert_refused([command], 106, &["xtask.toml:2:1:"]);
    }
}

#[test]
fn programs_that_cannot_be_started() {
    let bench = Bench::new();
    fs::create_dir(bench.root().join("folder")).unwrap();
    for program in [
        "no-such-program",
        "./no-such-program",
        "./folder",
        "/no/such/place",
    ] {
        let parts = match program {
            "no-such-program" => ["\"no-such-program\" is not there", "in PATH"],
            "./no-such-program" => ["no-such-program", "is not there: looked at "],
            "./folder" => ["folder", "is not a file"],
            _ => ["place", "is not there"],
        };
        bench.write(
            "xtask.toml",
            &format!("[profile.demo]\nprogram = '{program}'\nargs = ['{{port}}']\n"),
        );
        refuse_launch(&bench, 106, "", &parts);
        bench.write("xtask.toml", &demo_profile("demo", &[]));
        let launch = ["launch", "--clients", "1", "--base-port", "auto", "--"];
        bench.assert_refused(launch.iter().chain(&[program]), 106, &parts);
    }
}

/// What the launch can see is refused before anything starts; this only the system finds out.
#[test]
fn a_program_that_the_system_refuses() {
    let bench = Bench::with_demo(&[]);
    let broken = format!("./broken{EXE_SUFFIX}");
    bench.write_program(&broken, "#!/no/such/interpreter\n");
    let launch = bench.launch(["--clients", "1", "--", &broken]);
    let end = bench.finish(launch).expect(106).event("run_finished");
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("the test could not be started"),
        "{message}"
    );
    bench.assert_no_runs();

    let config = format!("[profile.demo]\nprogram = '{broken}'\nargs = ['{{port}}']\n");
    bench.write("xtask.toml", &config);
    let launch = bench.launch(["--clients", "2", "--"].iter().chain(PASS));
    let finished = bench.finish(launch).expect(106);
    let end = finished.event("run_finished");
    let message = end["message"].as_str().unwrap();
    assert!(
        message.contains("client 1 could not be started"),
        "{message}"
    );
    assert_eq!(finished.ends(), [Value::Null, Value::Null]);
    bench.assert_no_runs();
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let bench = Bench::with_demo(&[]);
    fs::write(bench.state(), "a file").unwrap();
    refuse_launch(&bench, 106, "", &["cannot create ", "XTASK_STATE_DIR"]);
}

#[test]
fn for_scripts_every_mistake_is_a_document() {
    let bench = Bench::with_config("[launch]\nclints = 3\n");
    let usage = json!({"code": 2, "name": "usage"});
    let config = json!({"code": 106, "name": "config"});
    let refused = |arguments: &[&str], exit: &Value| {
        let document = bench.document(arguments);
        assert_documented(&document);
        assert_eq!(&document["exit"], exit, "{arguments:?}");
        document
    };
    let refused_launch = |arguments: &[&str], exit: &Value| {
        // The last event, and the only one.
        let event = refused(arguments, exit);
        assert_eq!(event["event"], "run_finished");
        assert_eq!(event["run"], Value::Null);
        event["message"].as_str().unwrap().to_owned()
    };
    let refused_command = |arguments: &[&str], exit: &Value| {
        let document = refused(arguments, exit);
        assert_eq!(document["schema"], "clean-slate/error/1");
        document["message"].as_str().unwrap().to_owned()
    };
    refused_launch(&["launch", "--clients", "0"], &usage);
    let message = refused_launch(&["launch"], &config);
    assert!(message.contains("xtask.toml:2:1:"), "{message}");
    for command in [
        "preflight",
        "cleanup",
        "postflight",
        "status",
        "doctor",
        "init",
    ] {
        let message = refused_command(&[command, "--no-such-flag"], &usage);
        assert!(message.contains("--no-such-flag"), "{message}");
    }
    for command in ["preflight", "cleanup", "postflight", "status"] {
        refused_command(&[command], &config);
    }
    bench.assert_nothing_started();
}
