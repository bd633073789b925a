//! What the tests of cleaning have in common: programs that look guilty or innocent, and reading documents.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Bench, Finished, PATIENCE, Running, assert_documented, is_alive, wait_for};

/// A script that says that it is up, and ends by itself.
pub(crate) const SCRIPT: &str = "import time\nprint('up', flush=True)\ntime.sleep(80)\n";

/// The same, but it takes no notice of SIGTERM.
pub(crate) const STUBBORN_SCRIPT: &str = "import signal, time\n\
     signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
     print('up', flush=True)\ntime.sleep(80)\n";

/// A profile whose clients are scripts of the project: [`CLIENT`] has to be there as `client.py`.
pub(crate) const SCRIPT_PROFILE: &str = "[profile.script]\nprogram = \"python3\"\n\
     args = [\"client.py\", \"{port}\"]\nready = { path = \"/\" }\n";

/// A client that is a script.
pub(crate) const CLIENT: &str = "import signal, sys, http.server as h\nsignal.alarm(80)\n\
     h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()\n";

/// A script with children, one of which leaves its session.
pub(crate) const PARENT_SCRIPT: &str = "import subprocess, time\n\
     subprocess.Popen(['sleep', '80'])\n\
     subprocess.Popen(['sleep', '80'], start_new_session=True)\n\
     print('up', flush=True)\ntime.sleep(80)\n";

/// Runs `xtask` with these arguments, expects this exit code, and returns the document that it has printed.
#[track_caller]
pub(crate) fn xtask(bench: &Bench, code: i32, arguments: &[&str]) -> Value {
    let finished = bench.run([arguments, &["--format", "json"]].concat());
    document(&finished.expect(code))
}

/// The document that a command has printed, held against its schema.
#[track_caller]
pub(crate) fn document(finished: &Finished) -> Value {
    let document = finished.json();
    assert_documented(&document);
    assert_eq!(document["exit"]["code"], finished.code, "{document:#}");
    document
}

/// A folder outside the project. Its name is no hidden one, because rules do not reach into such folders.
pub(crate) fn outside() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("outside-").tempdir();
    folder.unwrap()
}

/// How many processes a group has in the scope.
#[track_caller]
pub(crate) fn here(document: &Value, group: &str) -> u64 {
    count(document, "counts", group, "here")
}

/// One number of one group.
#[track_caller]
pub(crate) fn count(document: &Value, list: &str, group: &str, key: &str) -> u64 {
    let counts = document[list].as_array().unwrap();
    let count = counts.iter().find(|count| count["group"] == group).unwrap();
    count[key].as_u64().unwrap()
}

/// What a document says of the process with this PID.
pub(crate) fn report(document: &Value, pid: u32) -> Option<&Value> {
    let processes = document["processes"].as_array().unwrap();
    processes
        .iter()
        .find(|process| process["identity"]["pid"] == pid)
}

/// The identities with one of these actions, each as text.
pub(crate) fn identities(document: &Value, actions: &[&str]) -> BTreeSet<String> {
    let processes = document["processes"].as_array().unwrap();
    processes
        .iter()
        .filter(|process| actions.iter().any(|action| process["action"] == *action))
        .map(|process| process["identity"].to_string())
        .collect()
}

/// Starts a command, and waits until it says that it is up.
#[track_caller]
pub(crate) fn start(bench: &Bench, command: Command) -> Running {
    let running = bench.start(command);
    wait_for(PATIENCE, "a program to be up", || {
        running.stdout().starts_with("up")
    });
    running
}

/// Starts a Python script with these arguments, given as they would be typed in the project's root.
#[track_caller]
pub(crate) fn python<S: AsRef<OsStr>>(
    bench: &Bench,
    arguments: impl IntoIterator<Item = S>,
) -> Running {
    let mut command = bench.command("python3");
    command.args(arguments);
    start(bench, command)
}

/// Writes a script into the project and starts it.
#[track_caller]
pub(crate) fn script(bench: &Bench, name: &str, text: &str) -> Running {
    bench.write(name, text);
    python(bench, [name])
}

/// Makes a program of this name that is a shell, so that it can be given any arguments.
pub(crate) fn program(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::copy("/bin/sh", path).unwrap();
}

/// Starts such a program with arguments that it takes no notice of.
#[track_caller]
pub(crate) fn pretend<S: AsRef<OsStr>>(
    bench: &Bench,
    path: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Running {
    let mut command = bench.command(path);
    command
        .args(["-c", "echo up; read line; :"])
        .args(arguments)
        .stdin(std::process::Stdio::piped());
    start(bench, command)
}

/// Kills a process by its PID. Only for processes of the test's own namespace.
#[track_caller]
pub(crate) fn kill(pid: u32) {
    let raw = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(raw, Signal::KILL).unwrap();
    wait_for(PATIENCE, "a killed process to be gone", || !is_alive(pid));
}

/// Fails unless all of these are alive.
#[track_caller]
pub(crate) fn assert_alive(all: &[(&str, &Running)]) {
    for (name, running) in all {
        assert!(is_alive(running.pid()), "{name} was ended");
    }
}

/// Fails unless all of these are gone.
#[track_caller]
pub(crate) fn assert_gone(all: &[(&str, &Running)]) {
    for (name, running) in all {
        assert!(!is_alive(running.pid()), "{name} is still there");
    }
}
