//! `doctor`: what it observes, that it can fail, and that it leaves nothing.
//!
//! It is given more time than it takes by itself, because a machine that runs tests has other things to do.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::namespace::{alone, others};
use tests::user::{become_ordinary, can_become_ordinary};
use tests::{Bench, PATIENCE, Running, assert_documented, poll, wait_for};

use crate::support::document;

/// The most that it takes.
const WITHIN: &str = "--within=25s";

/// A guardian's program that speaks as a guardian should, and ends nothing.
const FAITHLESS: &str = r"#!/usr/bin/env python3
import json, os, signal, socket, subprocess, sys, threading
if os.fork():
    os._exit(0)
os.setsid()
signal.alarm(60)
stat = open('/proc/self/stat').read().rsplit(')', 1)[1].split()
own = {'pid': os.getpid(), 'start': int(stat[19]), 'boot': open('/proc/sys/kernel/random/boot_id').read().strip()}
link = socket.socket(fileno=0)
for _ in range(link.recvmsg(1, 4096)[0][0]):
    link.recvmsg(1, 4096)
lock = threading.Lock()
def say(**notice):
    with lock:
        link.sendall(json.dumps(notice).encode() + b'\n')
def text(word):
    return bytes(word['Unix'])
def watch(member, identity, child):
    code = child.wait()
    say(notice='exited', member=member, identity=identity, status={'code': abs(code)}, asked=False, killed=False)
for line in link.makefile():
    said = json.loads(line)
    if said['request'] == 'open':
        say(notice='opened', guardian=own, mark=None, mechanism='subreaper', unavailable=[])
    elif said['request'] == 'start':
        how = said['line']
        environment = dict(os.environb)
        environment.update((text(name), text(value)) for name, value in how['environment'])
        child = subprocess.Popen([text(word) for word in [how['program']] + how['arguments']],
            env=environment, cwd=text(how['directory']),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stat = open(f'/proc/{child.pid}/stat').read().rsplit(')', 1)[1].split()
        identity = {'pid': child.pid, 'start': int(stat[19]), 'boot': own['boot']}
        say(notice='started', member=said['member'], identity=identity, pid_inside=child.pid)
        threading.Thread(target=watch, args=(said['member'], identity, child), daemon=True).start()
    elif said['request'] == 'end':
        say(notice='finished')
        break
os._exit(0)
";

/// `doctor` in a bench, whose temporary folder is one of the bench.
fn doctor(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.xtask(["doctor", WITHIN]);
    command.args(arguments).env("TMPDIR", temporary(bench));
    command
}

fn temporary(bench: &Bench) -> PathBuf {
    let folder = bench.root().join("tmp");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What it prints as a document, and that it has left nothing: no process, no file, no state.
#[track_caller]
fn observe(bench: &Bench, code: i32, mut command: Command) -> Value {
    command.args(["--format", "json"]);
    let document = document(&bench.finish(command).expect(code));
    assert_nothing_left(bench);
    document
}

#[track_caller]
fn assert_nothing_left(bench: &Bench) {
    let gone = poll(Duration::from_secs(5), || others().is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", others());
    let left: Vec<_> = fs::read_dir(temporary(bench)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(bench.runs(), Vec::<PathBuf>::new());
}

/// `doctor` with another program in place of the guardian's. What it does not end is waited for until the time is up.
fn doctor_with_guardian(bench: &Bench, guardian: &str, arguments: &[&str]) -> Command {
    bench.write_program("proc-guardian", guardian);
    let mut command = bench.command(bench.program("xtask"));
    command.args(["doctor", "--within=10s"]).args(arguments);
    command.env("TMPDIR", temporary(bench));
    command
}

fn mechanism<'a>(document: &'a Value, name: &str) -> &'a Value {
    let mechanisms = document["mechanisms"].as_array().unwrap();
    let found = mechanisms.iter().find(|one| one["mechanism"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {document:#}"))
}

fn cases(mechanism: &Value) -> &[Value] {
    mechanism["cases"].as_array().unwrap()
}

/// Fails unless everything that was promised was observed, wherever a way of containment is available.
#[track_caller]
fn assert_promises_kept(document: &Value) {
    for mechanism in document["mechanisms"].as_array().unwrap() {
        if mechanism["available"] == false {
            assert!(mechanism["why_not"].is_string(), "{mechanism:#}");
            assert_eq!(mechanism["cases"], json!([]));
            continue;
        }
        assert_eq!(mechanism["kept"], true, "{mechanism:#}");
        assert_eq!(cases(mechanism).len(), 16, "{mechanism:#}");
        for case in cases(mechanism) {
            assert_eq!(case["staged"], 2, "{case}");
            assert!(case["left"] == 0 || case["promised"] == false, "{case}");
            assert_eq!(case["left"] == 0, case["took_ms"].is_u64(), "{case}");
            let is_swept = case["ending"] == "both_killed" && mechanism["level"] == "whole-tree";
            assert_eq!(case["after"] == "cleanup", is_swept, "{case}");
        }
    }
}

#[test]
fn what_is_promised_is_observed() {
    alone(|| {
        let bench = Bench::new();
        let document = observe(&bench, 0, doctor(&bench, &[]));
        assert_promises_kept(&document);
        assert_eq!(document["problems"], json!([]));
        assert_eq!(document["asked_for"], false);
        let chosen = mechanism(&document, document["chosen"].as_str().unwrap());
        assert_eq!(chosen["available"], true);
        for (way, lets_live_on) in [("cgroup", true), ("pidns", false), ("subreaper", true)] {
            assert_eq!(mechanism(&document, way)["lets_live_on"], lets_live_on);
        }
        let subreaper = mechanism(&document, "subreaper");
        assert_eq!(subreaper["available"], true);
        // What is not promised is observed as well: no command finds such a process when its guardian is gone.
        let unpromised: Vec<&Value> = cases(subreaper)
            .iter()
            .filter(|case| case["promised"] == false)
            .collect();
        assert_eq!(unpromised.len(), 2);
        for case in unpromised {
            assert_eq!(
                (&case["escape"], &case["left"]),
                (&json!("unmarked"), &json!(2))
            );
        }
    });
}

#[test]
fn a_user_who_is_not_root_observes_the_same() {
    if !can_become_ordinary() {
        return tests::skip("becoming another user takes root");
    }
    alone(|| {
        let bench = Bench::new();
        bench.open_to_everybody();
        let program = bench.programs();
        let folder = temporary(&bench);
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let doctor = |arguments: &[&str]| {
            let mut command = bench.command("env");
            command.args(become_ordinary()).arg(&program);
            command.args(["doctor", WITHIN]).args(arguments);
            command.env("TMPDIR", &folder);
            command
        };
        let document = observe(&bench, 0, doctor(&[]));
        assert_promises_kept(&document);
        assert_eq!(mechanism(&document, "subreaper")["available"], true);
        // This user was not given a part of the tree of cgroups.
        assert_eq!(mechanism(&document, "cgroup")["available"], false);
        let why = mechanism(&document, "cgroup")["why_not"].as_str().unwrap();
        let refused = observe(&bench, 105, doctor(&["--contain", "cgroup"]));
        assert_eq!(
            refused["problems"],
            json!([format!("cgroup is not available here: {why}")])
        );
        assert_eq!(refused["chosen"], Value::Null);
        // A launch is refused for the same reason, and says so to scripts as well.
        let mut launch = bench.command("env");
        launch.args(become_ordinary()).arg(&program);
        launch.args(["launch", "--format=json"]);
        launch.args(["--contain=cgroup", "--base-port=auto", "--", "true"]);
        launch.env("XTASK_STATE_DIR", folder.join("state"));
        let finished = bench.finish(launch).expect(105).event("run_finished");
        assert_documented(&finished);
        let unavailable = json!([{"mechanism": "cgroup", "why": why}]);
        assert_eq!(finished["unavailable"], unavailable);
    });
}

#[test]
fn people_see_a_row_for_each_way_of_containment() {
    alone(|| {
        let bench = Bench::new();
        let finished = bench.finish(doctor(&bench, &[])).expect(0);
        assert_nothing_left(&bench);
        assert_eq!(finished.stderr, "");
        let lines: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(
            lines[0],
            "mechanism  promises    normal end  launcher killed  guardian killed  both killed"
        );
        assert_eq!(
            lines[1],
            "subreaper  whole-tree  gone        gone             LEFT 2           LEFT 2"
        );
        assert!(lines[2].starts_with("cgroup     whole-tree  "), "{lines:?}");
        assert!(lines[3].starts_with("pidns      kernel      "), "{lines:?}");
        assert!(
            lines.contains(
                &"subreaper, both killed: left 2 daemons without the mark (not promised)"
            ),
            "{lines:?}"
        );
        assert!(
            lines.contains(
                &"pidns lets nothing live on: `survive` of a profile has no effect there"
            ),
            "{lines:?}"
        );
        let starts = |start: &str| lines.iter().any(|line| line.starts_with(start));
        assert!(starts("`--contain auto` takes "), "{lines:?}");
        assert!(starts("8 escape probes in each run; took "), "{lines:?}");
        // Reasons come from the system, and are as long as they are.
        let own = lines
            .iter()
            .filter(|line| !line.contains("is not available: "));
        for line in own {
            assert!(line.chars().count() <= 80, "{line}");
        }
    });
}

#[test]
fn a_level_that_is_required_has_to_be_observed() {
    alone(|| {
        let bench = Bench::new();
        let enough = ["--contain", "subreaper", "--require", "whole-tree"];
        let document = observe(&bench, 0, doctor(&bench, &enough));
        assert_eq!(document["mechanisms"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&document["chosen"], &document["asked_for"]),
            (&json!("subreaper"), &json!(true))
        );
        assert_promises_kept(&document);
        // No way that changes nothing for the clients promises as much.
        let document = observe(&bench, 105, doctor(&bench, &["--require", "kernel"]));
        assert_eq!(document["required"], "kernel");
        assert_promises_kept(&document);
        let problems = document["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1);
        let problem = problems[0].as_str().unwrap();
        assert!(problem.starts_with("kernel is required, and "), "{problem}");
    });
}

#[test]
fn what_a_file_says_of_containment_counts_as_for_a_launch() {
    alone(|| {
        let bench = Bench::with_config("[launch]\ncontain = 'subreaper'\nrequire = 'kernel'\n");
        let document = observe(&bench, 105, doctor(&bench, &[]));
        assert_eq!(document["chosen"], "subreaper");
        assert_eq!(document["required"], "kernel");
        let problem = "kernel is required, and subreaper promises whole-tree";
        assert_eq!(document["problems"], json!([problem]));
        // All probes are run all the same, and a flag has the last word.
        mechanism(&document, "pidns");
        let lesser = doctor(&bench, &["--require", "whole-tree"]);
        assert_eq!(observe(&bench, 0, lesser)["required"], "whole-tree");

        let mistaken = Bench::with_config("[launch]\ncontains = 'subreaper'\n");
        let document = observe(&mistaken, 106, doctor(&mistaken, &[]));
        let message = document["message"].as_str().unwrap();
        assert!(message.contains("`contain`"), "{message}");
    });
}

#[test]
fn a_guardian_that_ends_nothing_is_noticed() {
    alone(|| {
        let bench = Bench::new();
        let command = doctor_with_guardian(&bench, FAITHLESS, &["--contain", "subreaper"]);
        let document = observe(&bench, 105, command);
        let subreaper = mechanism(&document, "subreaper");
        assert_eq!(
            (&subreaper["available"], &subreaper["kept"]),
            (&json!(true), &json!(false))
        );
        for case in cases(subreaper) {
            // A test that passes is gone whatever its guardian does.
            let ended = case["escape"] == "member" && case["ending"] == "normal";
            assert_eq!(case["left"], if ended { 1 } else { 2 }, "{case}");
        }
        assert_eq!(
            document["problems"][1],
            "subreaper promises whole-tree, but after the launcher was killed 8 processes were left: \
             2 client and test, 2 children, 2 daemons, 2 daemons without the mark"
        );
        assert_eq!(document["problems"].as_array().unwrap().len(), 4);
    });
}

#[test]
fn without_a_guardian_nothing_is_claimed() {
    alone(|| {
        let bench = Bench::new();
        // One that does not even start, and one that starts what it is told to and cannot be understood then.
        let broken = "#!/bin/sh\nexit 1\n";
        let document = observe(&bench, 110, doctor_with_guardian(&bench, broken, &[]));
        assert_nothing_claimed(&document);
        let bench = Bench::new();
        let strange = FAITHLESS.replace("pid_inside", "pid_within");
        let command = doctor_with_guardian(&bench, &strange, &["--contain", "subreaper"]);
        assert_nothing_claimed(&observe(&bench, 110, command));
    });
}

#[track_caller]
fn assert_nothing_claimed(document: &Value) {
    for mechanism in document["mechanisms"].as_array().unwrap() {
        assert_eq!(
            (&mechanism["available"], &mechanism["kept"]),
            (&json!(false), &json!(false))
        );
        assert!(cases(mechanism).iter().all(|case| case["left"].is_null()));
    }
    let problem = document["problems"][0].as_str().unwrap();
    assert!(problem.contains("the guardian failed"), "{problem}");
}

/// Starts it, and waits until the probes of at least one run are there.
fn start(bench: &Bench) -> Running {
    let running = bench.start(doctor(bench, &["--format", "json"]));
    wait_for(PATIENCE, "a test that is a probe", || {
        let is_test = |command: &str| command.contains("escape-probe test member probes");
        others().iter().any(|one| is_test(&one.command))
    });
    running
}

#[test]
fn an_interrupted_doctor_leaves_nothing() {
    alone(|| {
        let bench = Bench::new();
        let running = start(&bench);
        running.signal(Signal::INT);
        let document = document(&running.finish().expect(130));
        assert_eq!(document["schema"], "clean-slate/error/1");
        assert_nothing_left(&bench);
        bench.assert_nothing_left();
    });
}

#[test]
fn a_killed_doctor_leaves_no_process() {
    alone(|| {
        let bench = Bench::new();
        let running = start(&bench);
        running.signal(Signal::KILL);
        running.finish().expect(137);
        // A probe ends by itself after a minute; this is sooner.
        let gone = poll(Duration::from_secs(15), || {
            others().is_empty().then_some(())
        });
        assert!(gone.is_some(), "{:?}", others());
        bench.assert_nothing_left();
    });
}

#[test]
fn escape_probes_are_not_for_people() {
    let bench = Bench::new();
    let help = bench.run(["--help"]).expect(0).stdout;
    assert!(help.contains("\n  doctor "), "{help}");
    assert!(!help.contains("\n  escape-probe "), "{help}");
    let refused = bench.run(["escape-probe", "client", "member"]).expect(106);
    assert!(refused.stderr.contains("`doctor`"), "{}", refused.stderr);
    for within in ["500ms", "1m"] {
        let refused = bench.run(["doctor", "--within", within]).expect(2);
        assert!(
            refused.stderr.contains("between 1 s and 55 s"),
            "{}",
            refused.stderr
        );
    }
    assert!(!bench.state().exists());
    bench.assert_nothing_left();
}
