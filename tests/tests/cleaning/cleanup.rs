//! `cleanup`: what is ended, what is not, and how wrong calls are refused.

use std::collections::BTreeSet;

use serde_json::json;
use tests::Bench;
use tests::namespace::alone;
use tests::user::{become_ordinary, can_become_ordinary};

use crate::support::{
    PARENT_SCRIPT, SCRIPT, STUBBORN_SCRIPT, assert_alive, assert_gone, count, here, identities,
    outside, python, report, script, xtask,
};

#[test]
fn each_group_is_cleaned_by_itself() {
    alone(|| {
        let bench =
            Bench::with_config("[group.server]\nname = [\"python*\"]\nscript = [\"srv/*.py\"]\n");
        let server = script(&bench, "srv/one.py", SCRIPT);
        let monitor = script(&bench, "monitor.py", SCRIPT);
        let other = script(&bench, "other.py", SCRIPT);

        let cleaned = xtask(&bench, 0, &["cleanup", "--group", "server"]);
        assert_eq!(report(&cleaned, server.pid()).unwrap()["action"], "ended");
        assert_gone(&[("the server", &server)]);
        assert_alive(&[("the monitor", &monitor), ("the other", &other)]);

        xtask(&bench, 0, &["cleanup", "--python", "--unreal"]);
        assert_gone(&[("the other", &other)]);
        assert_alive(&[("the monitor", &monitor)]);

        let cleaned = xtask(&bench, 0, &["cleanup", "--group", "monitor"]);
        assert_eq!(here(&cleaned, "monitor"), 0);
        assert_gone(&[("the monitor", &monitor)]);
    });
}

#[test]
fn a_dry_run_says_exactly_what_the_real_call_does() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        std::fs::write(outside.path().join("test.py"), SCRIPT).unwrap();
        let guilty = [
            script(&bench, "one.py", SCRIPT),
            script(&bench, "monitor.py", STUBBORN_SCRIPT),
            script(&bench, "parent.py", PARENT_SCRIPT),
        ];
        let innocent = python(&bench, [outside.path().join("test.py")]);
        let detached = ["launch", "--clients=2", "--base-port=auto", "--detach"];
        bench.run(detached).expect(0);

        for arguments in [
            &["cleanup", "--group", "monitor"][..],
            &["cleanup", "--all", "--grace", "500ms"],
        ] {
            let dry = xtask(&bench, 0, &[arguments, &["--dry-run"]].concat());
            assert_eq!(dry["dry_run"], true);
            assert_alive(&[("the innocent", &innocent)]);
            let real = xtask(&bench, 0, arguments);
            let ended = identities(&real, &["ended", "killed"]);
            assert_eq!(identities(&dry, &["would_end"]), ended);
            assert_eq!(
                dry["runs"].as_array().unwrap().len(),
                real["runs"].as_array().unwrap().len()
            );
            assert_eq!(of_runs(&dry, "would_end"), of_runs(&real, "ended"));
            assert_eq!(spared(&dry), spared(&real));
        }
        assert!(guilty.iter().all(|guilty| !tests::is_alive(guilty.pid())));
        assert_alive(&[("the innocent", &innocent)]);
    });
}

/// The identities of those that were spared, the callers excepted: each call is a process of its own.
fn spared(document: &serde_json::Value) -> BTreeSet<String> {
    let processes = document["processes"].as_array().unwrap();
    processes
        .iter()
        .filter(|process| process["action"] == "spared" && process["name"] != "xtask")
        .map(|process| process["identity"].to_string())
        .collect()
}

/// The identities of processes of runs that were dealt with in this way.
fn of_runs(document: &serde_json::Value, action: &str) -> BTreeSet<String> {
    let runs = document["runs"].as_array().unwrap();
    runs.iter()
        .filter(|run| run["action"] == action)
        .flat_map(|run| run["processes"].as_array().unwrap())
        .map(|process| process["identity"].to_string())
        .collect()
}

#[test]
fn only_machine_reaches_what_is_elsewhere_and_says_so() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        std::fs::write(outside.path().join("test.py"), SCRIPT).unwrap();
        let elsewhere = python(&bench, [outside.path().join("test.py")]);
        let cleaned = xtask(&bench, 0, &["cleanup", "--all"]);
        assert_eq!(count(&cleaned, "counts", "python", "elsewhere"), 1);
        let spared = report(&cleaned, elsewhere.pid()).unwrap();
        assert_eq!(
            spared["reason"],
            "is of group python, but not of this scope"
        );
        assert_alive(&[("a script elsewhere", &elsewhere)]);

        let cleaned = bench.run(["cleanup", "--python", "--machine"]).expect(0);
        assert!(
            cleaned.stderr.contains("outside this project too"),
            "{}",
            cleaned.stderr
        );
        assert_gone(&[("a script elsewhere", &elsewhere)]);
    });
}

#[test]
fn another_users_process_is_never_touched() {
    alone(|| {
        if !can_become_ordinary() {
            tests::skip("only root can start a process of another user");
            return;
        }
        let bench = Bench::new();
        bench.open_to_everybody();
        bench.write("test.py", SCRIPT);
        let mut command = bench.command("env");
        command.args(become_ordinary());
        command.args(["/usr/bin/python3", "test.py"]);
        let theirs = crate::support::start(&bench, command);
        let mine = python(&bench, ["test.py"]);
        for arguments in [
            &["cleanup", "--all"][..],
            &["cleanup", "--all", "--machine", "--editors"],
            &["preflight", "--strict", "--base-port", "auto"],
            &["postflight"],
        ] {
            let document = xtask(&bench, 0, arguments);
            let spared = report(&document, theirs.pid()).unwrap();
            assert_eq!(spared["reason"], "belongs to another user");
            assert_eq!(here(&document, "python"), 0);
        }
        assert_gone(&[("my own", &mine)]);
        assert_alive(&[("another user's", &theirs)]);
        // Unless it is asked for.
        xtask(&bench, 0, &["cleanup", "--python", "--all-users"]);
        assert_gone(&[("another user's", &theirs)]);
    });
}

#[test]
fn a_process_that_cannot_be_ended_is_named() {
    alone(|| {
        if !can_become_ordinary() {
            tests::skip("only root can give a process of a run to another user");
            return;
        }
        let bench = Bench::new();
        bench.open_to_everybody();
        let program = bench.programs();
        let ordinary = |arguments: &[&str]| {
            let mut command = bench.command("env");
            command.args(become_ordinary()).arg(&program);
            command.args(arguments).args(["--format", "json"]);
            bench.finish(command)
        };
        let launch = ["launch", "--clients=1", "--base-port=auto", "--detach"];
        let launched = ordinary(&launch).expect(0);
        // A process of the run that has become root's.
        let client = tests::pid_of(&launched.event("client_started")["identity"]);
        let limits = std::fs::read_to_string(format!("/proc/{client}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max realtime timeout"));
        let mark = line.unwrap().split_whitespace().nth(4).unwrap();
        let mut command = bench.command("prlimit");
        command.arg(format!("--rttime={mark}:{mark}"));
        command.args([
            "python3",
            &bench.write("roots.py", SCRIPT).to_string_lossy(),
        ]);
        let roots = crate::support::start(&bench, command);
        for arguments in [&["cleanup", "--all"][..], &["postflight"]] {
            let refused = ordinary(&[arguments, &["--grace", "1s"]].concat()).expect(104);
            let problem = refused.json()["problems"][0].as_str().unwrap().to_owned();
            let named = format!("not clean: could not end PID {} (", roots.pid());
            assert!(problem.starts_with(&named), "{problem}");
            assert!(problem.ends_with("): access denied"), "{problem}");
        }
        assert_alive(&[("root's process", &roots)]);
        drop(roots);
        ordinary(&["cleanup", "--all"]).expect(0);
    });
}

#[test]
fn what_children_a_target_starts_meanwhile_goes_with_it() {
    alone(|| {
        let bench = Bench::new();
        // On SIGTERM it starts another process, and goes on.
        let respawning = "import signal, subprocess, time\n\
            signal.signal(signal.SIGTERM, lambda *_: subprocess.Popen(['sleep', '80']))\n\
            print('up', flush=True)\n\
            for _ in range(80): time.sleep(1)\n";
        let stubborn = script(&bench, "stubborn.py", respawning);
        xtask(&bench, 0, &["cleanup", "--all", "--grace", "300ms"]);
        assert_gone(&[("the stubborn script", &stubborn)]);
    });
}

#[test]
fn a_stopped_script_is_asked_too() {
    alone(|| {
        let bench = Bench::new();
        let graceful = "import signal, sys, time\n\
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(open('asked', 'w').write('yes') and 0))\n\
            print('up', flush=True)\ntime.sleep(80)\n";
        let stopped = script(&bench, "stopped.py", graceful);
        stopped.signal(rustix::process::Signal::STOP);
        let cleaned = xtask(&bench, 0, &["cleanup", "--python"]);
        assert_eq!(report(&cleaned, stopped.pid()).unwrap()["action"], "ended");
        assert!(bench.root().join("asked").exists());
    });
}

#[test]
fn force_kills_the_whole_tree_immediately() {
    alone(|| {
        let bench = Bench::new();
        let parent = script(&bench, "parent.py", PARENT_SCRIPT);
        let stubborn = script(&bench, "stubborn.py", STUBBORN_SCRIPT);
        let cleaned = xtask(&bench, 0, &["cleanup", "--python", "--force"]);
        // With the two children of the one.
        assert_eq!(identities(&cleaned, &["killed"]).len(), 4, "{cleaned:#}");
        assert_gone(&[("the stubborn script", &stubborn)]);
        // One that is asked ends by the request.
        let killed = 128 + rustix::process::Signal::KILL.as_raw();
        parent.finish().expect(killed);
    });
}

#[test]
fn an_explanation_names_facts_and_verdict_and_touches_nothing() {
    alone(|| {
        let bench = Bench::new();
        let one = script(&bench, "one.py", SCRIPT);
        let pid = one.pid().to_string();
        let explained = xtask(&bench, 0, &["cleanup", "--explain", &pid]);
        let explanation = &explained["explanation"];
        assert_eq!(
            explanation["text"],
            "belongs to group python: runs a script of this scope"
        );
        assert_eq!(explanation["verdict"]["verdict"], "group");
        assert_eq!(
            explanation["rule"],
            json!({ "group": "python", "pattern": "python*" })
        );
        assert_eq!(explanation["decision"]["decision"], "target");
        assert_eq!(explanation["facts"]["sees_scope"], true);
        let told = bench.run(["cleanup", "--explain", &pid]).expect(0).stdout;
        assert!(
            told.contains("rule: group python names it (python*)\n`cleanup --all` would end it"),
            "{told}"
        );
        assert_alive(&[("what was explained", &one)]);
        let missing = xtask(&bench, 106, &["cleanup", "--explain", "4000000"]);
        assert_eq!(missing["message"], "there is no process 4000000");
    });
}

#[test]
fn what_is_said_of_a_process_fits_into_a_terminal_and_does_nothing_to_it() {
    alone(|| {
        let bench = Bench::new();
        bench.write("one.py", SCRIPT);
        let forged = "\u{1b}[2J\nended           1  everything";
        let one = python(&bench, ["one.py", forged, &"x".repeat(200)]);
        let told = bench
            .run(["cleanup", "--all", "--dry-run"])
            .expect(0)
            .stdout;
        let lines: Vec<&str> = told.lines().take(2).collect();
        let start = format!("would end  {:>7}  ", one.pid());
        assert!(lines[0].starts_with(&start), "{told}");
        let reason = "belongs to group python: runs a script of this scope";
        assert_eq!(lines[1].trim(), reason);
        let is_plain = |line: &str| line.chars().count() <= 80 && !line.contains(char::is_control);
        assert!(told.lines().all(is_plain), "{told}");
        assert!(!told.contains("\nended"), "{told}");
    });
}

#[test]
fn wrong_calls_end_nothing() {
    alone(|| {
        let bench = Bench::new();
        let one = script(&bench, "one.py", SCRIPT);
        for (arguments, code, message) in [
            (&["cleanup", "--al"][..], 2, "--all"),
            (&["cleanup", "--pyhton"], 2, "--python"),
            (&["clenup", "--all"], 2, "cleanup"),
            (&["cleanup", "--machine"], 2, "needs something to clean"),
            (&["cleanup", "--editors"], 2, "needs something to clean"),
            (&["cleanup", "--dry-run"], 2, "needs something to clean"),
            (&["cleanup", "--all-users"], 2, "needs something to clean"),
            (&["cleanup", "--grace", "1s"], 2, "needs something to clean"),
            (&["cleanup", "--force"], 2, "needs something to clean"),
            (&["cleanup", "--all", "--force", "--grace=1s"], 2, "--grace"),
            (&["cleanup", "--grace", "10"], 2, "10s"),
            (&["launch", "--keep-on-failure"], 2, "TEST"),
            (&["launch", "--deny-leaks"], 2, "TEST"),
            (&["cleanup", "--explain", "x"], 2, "x"),
            (&["cleanup", "--all", "--run", "x"], 2, "--run"),
            (
                &["cleanup", "--group", "pyhton"],
                106,
                "did you mean `python`?",
            ),
            (
                &["cleanup", "--python", "--group", "x"],
                106,
                "unknown group `x`",
            ),
            (
                &["cleanup", "--run", "x"],
                106,
                "this project has no run `x`",
            ),
            (&["postflight", "--all"], 2, "--all"),
            (&["preflight", "--clients", "0"], 2, "0"),
            (&["preflight", "--ports", "80800"], 2, "80800"),
            (
                &["preflight", "--profile", "dmo"],
                106,
                "did you mean `demo`?",
            ),
            (&["status", "--wach"], 2, "--watch"),
        ] {
            let refused = bench.run(arguments).expect(code);
            assert!(
                refused.stderr.contains(message),
                "{arguments:?}: {}",
                refused.stderr
            );
        }
        assert_alive(&[("the script", &one)]);
        // The same as a document.
        let refused = xtask(&bench, 106, &["cleanup", "--group", "pyhton"]);
        assert_eq!(refused["exit"]["name"], "config");
        xtask(&bench, 2, &["cleanup", "--machine"]);
        let machine = ["cleanup", "--unreal", "--machine", "--dry-run", "--quiet"];
        let said = bench.run(machine).expect(0).stderr;
        assert!(said.contains("outside this project too"), "{said}");
    });
}
