//! What the processes of the bench need: the scope, a folder outside, programs to stand in for others, and
//! `starter.py`, which starts them.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::{Bench, PATIENCE, wait_for};

use crate::actor::Actor;
use crate::part::Part;

/// A script that only has to be there.
pub(crate) const SCRIPT: &str = "import time\ntime.sleep(85)\n";

/// The modules and scripts that lie in the scope, and under the same names in the other project.
const SCRIPTS: [&str; 7] = [
    "client.py",
    "monitor.py",
    "tools/watch_clients.py",
    "pkg/__main__.py",
    "pkg/server.py",
    "a folder/a script.py",
    "test_consensus.py",
];

/// The folders and programs of the processes of the bench.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) bench: Bench,
    outside: tempfile::TempDir,
    pub(crate) python: PathBuf,
}

impl Fixture {
    /// A scope with scripts and an Unreal project, and another project that looks the same.
    pub(crate) fn new(config: &str) -> Self {
        let bench = Bench::with_config(config);
        bench.open_to_everybody();
        // Its name is no hidden one, because rules do not reach into such folders.
        let outside = tempfile::Builder::new()
            .prefix("outside-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let fixture = Self {
            bench,
            outside,
            python: python(),
        };
        for folder in [fixture.scope(), fixture.other(), fixture.worktree()] {
            for script in SCRIPTS {
                write(&folder.join(script), SCRIPT);
            }
        }
        write(&fixture.scope().join("Game.uproject"), "{}");
        write(&fixture.other().join("Other.uproject"), "{}");
        fixture
    }

    /// The root of the scope.
    pub(crate) fn scope(&self) -> PathBuf {
        self.bench.root()
    }

    /// The root of another project.
    pub(crate) fn other(&self) -> PathBuf {
        self.outside.path().join("other")
    }

    /// A scope of its own that lies below the scope.
    pub(crate) fn worktree(&self) -> PathBuf {
        self.scope().join("worktrees/feature")
    }

    /// A path outside of both.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// A program of this name that does nothing, outside.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.stand_in(&self.out("bin").join(name))
    }

    /// All of these so many times. Only the first of each is played by Python itself, which takes much longer to begin
    /// than a program of that name.
    pub(crate) fn repeat(&self, times: usize, parts: &[Part]) -> Vec<Part> {
        let stand_in = self.tool("python3");
        let play = |part: &Part| part.clone().played_by(&stand_in, &self.python);
        let others = (1..times).flat_map(|_| parts.iter().map(play));
        parts.iter().cloned().chain(others).collect()
    }

    /// A program at this place that does nothing.
    pub(crate) fn stand_in(&self, path: &Path) -> PathBuf {
        let original = self.out("stand-in");
        if !original.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_stand-in"), &original).unwrap();
        }
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            // The same file under another name: a process is known by the one that it was started with.
            std::fs::hard_link(&original, path)
                .or_else(|_| std::fs::copy(&original, path).map(drop))
                .unwrap();
        }
        path.to_owned()
    }

    /// Starts all of these, with their children, and waits until they are what they are to be.
    pub(crate) fn start(&self, parts: &[Part]) -> Vec<Actor> {
        let path = std::env::var("PATH").unwrap_or_default();
        let pythons = self.python.parent().unwrap().display();
        let environment = json!({ "PATH": format!("{pythons}:{path}"), "LANG": "C.UTF-8" });
        let outside = self.outside.path();
        let mut next = 0;
        let described: Vec<Value> = parts
            .iter()
            .map(|part| part.describe(&mut next, outside, &environment))
            .collect();
        let pids = self.run_starter(&json!(described));
        let parts = parts.iter().flat_map(Part::all).enumerate();
        parts
            .map(|(number, part)| {
                let actor = Actor::of(part.disguise, pids[&number], part.is_zombie);
                if let Some(sign) = &part.sign {
                    wait_for(PATIENCE, "a process to be what it is to be", || {
                        sign.exists()
                    });
                    std::fs::remove_file(sign).unwrap();
                }
                actor
            })
            .collect()
    }

    fn run_starter(&self, described: &Value) -> BTreeMap<usize, u32> {
        let mut command = self.bench.command(&self.python);
        command
            .args(["-c", include_str!("starter.py")])
            .current_dir(self.outside.path())
            .stdin(Stdio::piped());
        let mut running = self.bench.start(command);
        let mut input = running.child.stdin.take().unwrap();
        input.write_all(described.to_string().as_bytes()).unwrap();
        drop(input);
        let finished = running.finish().expect(0);
        let mut lines: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(lines.pop(), Some("started"), "{}", finished.stderr);
        let pairs = lines.iter().map(|line| line.split_once(' ').unwrap());
        pairs
            .map(|(number, pid)| (number.parse().unwrap(), pid.parse().unwrap()))
            .collect()
    }
}

/// Writes a file, and returns its path as text.
pub(crate) fn file(path: &Path, text: &str) -> String {
    write(path, text);
    path.to_str().unwrap().to_owned()
}

/// The program itself, of which what `PATH` names may be only a wrapper.
#[expect(clippy::disallowed_methods, reason = "a test drives real programs")]
fn python() -> PathBuf {
    let mut command = Command::new("python3");
    command.args([
        "-c",
        "import os, sys; print(os.path.realpath(sys.executable))",
    ]);
    let output = command.output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The processes that have left a file `NAME.PID` in a folder, by name.
pub(crate) fn enrolled(folder: &Path) -> Vec<(String, u32)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut all: Vec<(String, u32)> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().ok()?;
            let (name, pid) = name.rsplit_once('.')?;
            Some((name.to_owned(), pid.parse().ok()?))
        })
        .collect();
    all.sort();
    all
}
