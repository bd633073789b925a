//! The session workflow: count, clean, launch, Ctrl+C, clean, called by a loop script that is itself a Python script of
//! the project.

use serde_json::{Value, json};
use tests::namespace::{alone, others};
use tests::{Bench, PATIENCE, assert_documented, pid_of, wait_for};

use crate::support::{
    PARENT_SCRIPT, SCRIPT, STUBBORN_SCRIPT, assert_alive, assert_gone, here, pretend, program,
    report, script,
};

/// Calls the tool as a person would in a session, and writes down what it says, a line each call.
const LOOP: &str = r#"
import json, os, signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl+C is for the launch
def say(step, code, output):
    print(json.dumps({"step": step, "code": code, "output": output}), flush=True)
def call(step, *arguments):
    command = ["cargo", "xtask", *arguments, "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    say(step, done.returncode, [json.loads(done.stdout)])
call("before", "cleanup")
call("clean", "cleanup", "--all", "--grace", "1s")
call("cleaned", "cleanup")
call("preflight", "preflight", "--clients", "3", "--base-port", "auto")
launch = ["cargo", "xtask", "launch", "--clients", "3", "--base-port", "auto", "--format", "json"]
events = []
with subprocess.Popen(launch, stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
        events.append(json.loads(line))
        if sum(event["event"] == "client_ready" for event in events) == 3 and not any(
            event["event"] == "terminating" for event in events
        ):
            os.killpg(0, signal.SIGINT)  # as a terminal does
say("launch", process.returncode, events)
call("postflight", "postflight")
call("after", "cleanup")
"#;

/// `cargo`, as far as `cargo xtask` goes, with the binaries that are being tested.
pub(crate) fn write_cargo(bench: &Bench) -> std::ffi::OsString {
    bench.write_program(".tools/cargo", "#!/bin/sh\nshift\nexec xtask \"$@\"\n");
    let path = std::env::var_os("PATH").unwrap();
    let folders = [bench.root().join(".tools"), tests::binaries().to_owned()];
    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap()
}

#[test]
fn a_session_begins_and_ends_with_a_clean_slate() {
    alone(|| {
        let bench = Bench::new();
        let orchestrator = script(&bench, "launch_consensus_test.py", SCRIPT);
        let parent = script(&bench, "tests/orchestrator.py", PARENT_SCRIPT);
        let stubborn = script(&bench, "test_stubborn.py", STUBBORN_SCRIPT);
        let monitor = script(&bench, "tools/client_monitor.py", SCRIPT);
        let project = bench.write("Game.uproject", "{}");
        let editor = bench.root().join("../engine/UnrealEditor");
        program(&editor);
        let game = pretend(&bench, &editor, [project.as_os_str(), "-game".as_ref()]);

        bench.write("loop_iteration_7.py", LOOP);
        // A session of its own, as in a terminal of its own.
        let mut command = bench.command("setsid");
        command
            .args(["python3", "loop_iteration_7.py"])
            .env("PATH", write_cargo(&bench));
        let mut caller = bench.start(command);
        wait_for(PATIENCE, "the session to end", || {
            caller.child.try_wait().unwrap().is_some()
        });
        let said = caller.stdout();
        let steps: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let codes: Vec<(&str, i64)> = steps
            .iter()
            .map(|step| {
                (
                    step["step"].as_str().unwrap(),
                    step["code"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            codes,
            [
                ("before", 0),
                ("clean", 0),
                ("cleaned", 0),
                ("preflight", 0),
                ("launch", 130),
                ("postflight", 0),
                ("after", 0)
            ],
            "{said}{}",
            caller.stderr()
        );
        let outputs: Vec<&Value> = steps.iter().map(|step| &step["output"]).collect();
        outputs
            .iter()
            .flat_map(|output| output.as_array().unwrap())
            .for_each(assert_documented);
        let [before, clean, cleaned, preflight, launch, postflight, after] = outputs[..] else {
            unreachable!()
        };
        let counts =
            |output: &Value| ["unreal", "python", "monitor"].map(|group| here(&output[0], group));
        assert_eq!(counts(before), [1, 3, 1]);
        for output in [clean, cleaned, preflight, postflight, after] {
            assert_eq!(counts(output), [0, 0, 0]);
        }

        let action = |pid| report(&clean[0], pid).unwrap()["action"].clone();
        for ended in [&orchestrator, &parent, &monitor, &game] {
            assert_eq!(action(ended.pid()), "ended");
        }
        assert_eq!(action(stubborn.pid()), "killed");
        // The caller is a Python script of the project as well.
        let spared = report(&clean[0], caller.pid()).unwrap();
        assert_eq!(spared["action"], "spared");
        assert_eq!(spared["reason"], "is an ancestor of the caller");
        assert_gone(&[
            ("the orchestrator", &orchestrator),
            ("the parent", &parent),
            ("the stubborn one", &stubborn),
            ("the monitor", &monitor),
            ("the game", &game),
        ]);
        let events = launch.as_array().unwrap();
        assert_eq!(
            events.last().unwrap()["exit"],
            json!({"code": 130, "name": "interrupted"})
        );
        assert_eq!(postflight[0]["runs"], json!([]));
        drop((orchestrator, parent, stubborn, monitor, game, caller));
        assert_eq!(others(), []);
    });
}

#[test]
fn a_terminal_that_counts_is_never_counted() {
    alone(|| {
        let bench = Bench::new();
        // The caller is a script of the project, as are its parent and its parent's parent.
        let inner = "import subprocess, sys\n\
                     sys.exit(subprocess.call(['xtask', 'cleanup', '--all', '--format', 'json']))\n";
        let outer =
            "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))\n";
        bench.write("loop.py", outer);
        bench.write("inner_monitor.py", inner);
        let sibling = script(&bench, "sibling.py", SCRIPT);
        let mut command = bench.command("python3");
        command.args(["loop.py", "loop.py", "inner_monitor.py"]);
        let cleaned = bench.finish(command).expect(0).json();
        assert_documented(&cleaned);
        let spared: Vec<&str> = cleaned["processes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|process| process["action"] == "spared")
            .filter_map(|process| process["command"].as_str())
            .filter(|command| command.contains(".py"))
            .collect();
        assert_eq!(spared.len(), 3, "{spared:?}");
        assert_gone(&[("the sibling", &sibling)]);
        assert_ne!(pid_of(&cleaned["processes"][0]["identity"]), 0);
    });
}

#[test]
fn what_reads_the_callers_output_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let reader = "import sys\nopen(sys.argv[1], 'w')\nsys.stdout.write(sys.stdin.read())\n";
        bench.write("tools/first.py", reader);
        bench.write("last.py", reader);
        let sibling = script(&bench, "sibling.py", SCRIPT);
        let mut command = bench.command("sh");
        let pipeline = "( for i in $(seq 600); do [ -e 1 ] && [ -e 2 ] && break; sleep 0.1; done
            exec xtask cleanup --all --format json
            ) | python3 tools/first.py 1 | cat | python3 last.py 2";
        command.args(["-c", pipeline]);
        let cleaned = bench.finish(command).expect(0).json();
        assert_documented(&cleaned);
        let reads = |process: &&Value| process["reason"] == "reads what the caller writes";
        let processes = cleaned["processes"].as_array().unwrap();
        assert_eq!(processes.iter().filter(reads).count(), 2, "{cleaned:#}");
        assert_gone(&[("the sibling", &sibling)]);
    });
}

/// The loop has nothing in common with its command but the pipe between them.
#[test]
fn what_reads_the_callers_output_from_another_session_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let reader = "import os, subprocess, sys\n\
             read, write = os.pipe()\n\
             call = ['setsid', '--fork', 'xtask', 'cleanup', '--all', '--format', 'json']\n\
             subprocess.run(call, stdout=write)\n\
             os.close(write)\n\
             sys.stdout.write(os.fdopen(read).read())\n";
        bench.write("loop.py", reader);
        let sibling = script(&bench, "sibling.py", SCRIPT);
        let mut command = bench.command("python3");
        command.arg("loop.py");
        let cleaned = bench.finish(command).expect(0).json();
        assert_documented(&cleaned);
        assert_gone(&[("the sibling", &sibling)]);
    });
}

#[test]
fn a_debugger_of_the_loop_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        // Its tracee dies with it.
        let debugger = "import ctypes, os, sys, time\n\
             seize, go_on, exit_kill = 0x4206, 7, 1 << 20\n\
             pid, ptrace = int(sys.argv[1]), ctypes.CDLL(None).ptrace\n\
             ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]\n\
             ptrace(seize, pid, None, exit_kill)\n\
             open('attached', 'w')\n\
             status = os.waitpid(pid, 0)[1]\n\
             while os.WIFSTOPPED(status):\n\
             \x20   ptrace(go_on, pid, None, os.WSTOPSIG(status))\n\
             \x20   status = os.waitpid(pid, 0)[1]\n\
             time.sleep(80)\n";
        let loop_script = "import os, subprocess, sys, time\n\
             deadline = time.monotonic() + 60\n\
             while not os.path.exists('attached') and time.monotonic() < deadline: time.sleep(0.02)\n\
             sys.exit(subprocess.call(['xtask', 'cleanup', '--all', '--format', 'json']))\n";
        bench.write("loop.py", loop_script);
        bench.write("debug.py", debugger);
        let mut command = bench.command("python3");
        command.arg("loop.py");
        let caller = bench.start(command);
        let mut command = bench.command("python3");
        command.args(["debug.py", &caller.pid().to_string()]);
        let debugger = bench.start(command);
        let cleaned = caller.finish().expect(0).json();
        assert_documented(&cleaned);
        let spared = report(&cleaned, debugger.pid()).unwrap();
        assert_eq!(spared["decision"]["why"]["kind"], "verdict");
        assert_eq!(spared["judgement"]["reason"]["kind"], "debugger");
        assert_alive(&[("the debugger", &debugger)]);
    });
}

#[test]
fn counting_touches_nothing() {
    alone(|| {
        let bench = Bench::new();
        let one = script(&bench, "one.py", SCRIPT);
        let monitor = script(&bench, "watch_clients.py", SCRIPT);
        let counted = bench.run(["cleanup"]).expect(0);
        let lines: Vec<Vec<&str>> = counted
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["group", "here", "elsewhere"],
                vec!["unreal", "0", "0"],
                vec!["monitor", "1", "0"],
                vec!["python", "1", "0"],
                vec!["runs", "0"],
            ]
        );
        assert_alive(&[("the script", &one), ("the monitor", &monitor)]);
    });
}
