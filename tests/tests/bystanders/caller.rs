//! Calling the tool as a loop script does: from below a line of scripts of the project.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};

use serde_json::{Value, json};
use tests::{PATIENCE, Running, poll, wait_for};

use crate::actor::Actor;
use crate::fixture::{Fixture, enrolled};

/// The loop script, and the processes above it.
#[derive(Debug)]
pub(crate) struct Caller {
    told: ChildStdin,
    folder: PathBuf,
    calls: usize,
    /// The leader of the session.
    _leader: Running,
}

/// What a call has come to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) document: Value,
}

impl Caller {
    /// Starts the line, and returns the processes in it.
    pub(crate) fn start(fixture: &Fixture) -> (Self, Vec<Actor>) {
        let script = fixture.scope().join("loop_iteration.py");
        fs::write(&script, include_str!("caller.py")).unwrap();
        let folder = fixture.out("calls");
        fs::create_dir(&folder).unwrap();
        let mut command = fixture.bench.command("setsid");
        command.arg(&fixture.python).arg("loop_iteration.py");
        command.env("ROLL", &folder).stdin(Stdio::piped());
        let mut leader = fixture.bench.start(command);
        let mut line = Vec::new();
        wait_for(PATIENCE, "the callers", || {
            line = enrolled(&folder);
            line.len() == 6
        });
        let disguise = "the caller's ancestors, and the leader of its session";
        let actors = line.iter().map(|(_, pid)| Actor::of(disguise, *pid, false));
        let actors = actors.collect();
        let caller = Self {
            told: leader.child.stdin.take().unwrap(),
            folder,
            calls: 0,
            _leader: leader,
        };
        (caller, actors)
    }

    /// Calls `xtask` with these arguments.
    pub(crate) fn call(&mut self, arguments: &[&str]) -> Answer {
        self.calls += 1;
        let path = |name: &str| self.folder.join(format!("{name}-{}", self.calls));
        let [output, errors, done] = ["output", "errors", "done"].map(path);
        let command = [&["xtask"], arguments, &["--format", "json"]].concat();
        let line = json!({ "command": command, "output": output, "errors": errors, "done": done });
        writeln!(self.told, "{line}").unwrap();
        let code = poll(PATIENCE, || fs::read_to_string(&done).ok());
        let errors = fs::read_to_string(&errors).unwrap_or_default();
        let code = code.unwrap_or_else(|| panic!("{arguments:?} does not end: {errors}"));
        let output = fs::read_to_string(&output).unwrap();
        Answer {
            code: code.parse().unwrap(),
            document: serde_json::from_str(&output)
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output}{errors}")),
        }
    }
}
