//! A project of its own, and the commands that are driven in it.

use std::env::consts::EXE_SUFFIX;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Finished, Running, binaries, binary, system};

/// A test command that passes.
#[cfg(unix)]
pub const PASS: &[&str] = &["true"];
/// A test command that passes.
#[cfg(windows)]
pub const PASS: &[&str] = &["cmd", "/c", "exit 0"];

/// A project folder of its own with a state folder of its own.
#[derive(Debug)]
pub struct Bench {
    // Dropped first: what it ends may be writing into the folder.
    pub(super) witness: system::Witness,
    folder: tempfile::TempDir,
}

impl Bench {
    /// An empty project. Its folder has a space and a letter beyond ASCII in its name.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let witness = system::Witness::new(&folder.path().join("witness"));
        let bench = Self { witness, folder };
        fs::create_dir(bench.root()).expect("a folder can be made");
        bench
    }

    /// An empty project with this `xtask.toml`.
    pub fn with_config(text: &str) -> Self {
        let bench = Self::new();
        bench.write("xtask.toml", text);
        bench
    }

    /// An empty project in which the built-in client has these further arguments.
    pub fn with_demo(arguments: &[&str]) -> Self {
        Self::with_config(&demo_profile("demo", arguments))
    }

    /// The folder in which the project and the state lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The project's root.
    pub fn root(&self) -> PathBuf {
        self.folder().join("my gäme")
    }

    /// The folder with the tool's state.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// Writes a file of the project, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("a folder can be made");
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes a file of the project that may be executed, and returns its path.
    pub fn write_program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .expect("a file can be made executable");
        }
        path
    }

    /// The folders of all runs of this project that have a ledger, the oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let Ok(scopes) = fs::read_dir(self.state().join("scopes")) else {
            return Vec::new();
        };
        let mut runs: Vec<PathBuf> = scopes
            .flat_map(|scope| {
                fs::read_dir(scope.expect("a folder can be read").path().join("runs"))
            })
            .flatten()
            .map(|run| run.expect("a folder can be read").path())
            .filter(|run| run.join("ledger").exists())
            .collect();
        runs.sort();
        runs
    }

    /// A command in the project's root. On Linux everything below it holds the witness.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.witness.command(program.as_ref());
        command.current_dir(self.root());
        // What is set around the tests is not meant for what they start.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"XTASK_") {
                command.env_remove(name);
            }
        }
        command
            .env("XTASK_STATE_DIR", self.state())
            .env("PATH", path_with_binaries())
            .stdin(Stdio::null());
        command
    }

    /// `xtask` with these arguments.
    pub fn xtask<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(binary("xtask"));
        command.args(arguments);
        command
    }

    /// `xtask launch` with these arguments, printing events, on ports that the system chooses.
    pub fn launch<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.launch_on_default_ports(["--base-port", "auto"]);
        command.args(arguments);
        command
    }

    /// `xtask launch` with these arguments, printing events.
    pub fn launch_on_default_ports<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = self.xtask(["launch", "--format", "json"]);
        command.args(arguments);
        command
    }

    /// Starts a command.
    pub fn start(&self, mut command: Command) -> Running {
        // To files, not to pipes: what keeps a pipe open keeps its reader waiting.
        let stderr = self.new_path("stderr");
        command.stderr(File::create(&stderr).expect("a file can be made"));
        self.start_with(command, stderr)
    }

    /// Starts a command whose standard error is set already, and can be read from this file.
    pub(super) fn start_with(&self, mut command: Command, stderr: PathBuf) -> Running {
        let stdout = self.new_path("stdout");
        command.stdout(File::create(&stdout).expect("a file can be made"));
        Running::spawn(command, stdout, stderr)
    }

    /// The path of a file beside the project that no other call names.
    pub(super) fn new_path(&self, name: &str) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        self.folder().join(format!("{name}-{number}"))
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: Command) -> Finished {
        self.start(command).finish()
    }

    /// Runs `xtask` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.finish(self.xtask(arguments))
    }

    /// The document that a command prints.
    #[track_caller]
    pub fn document(&self, arguments: &[&str]) -> Value {
        self.run(arguments.iter().chain(&["--format", "json"]))
            .json()
    }

    /// Fails unless every run is over, as far as ledgers tell, and, on Linux, nothing is left that holds the witness.
    #[track_caller]
    pub fn assert_no_runs(&self) {
        #[cfg(target_os = "linux")]
        self.assert_nothing_left();
        let status = self.document(&["status"]);
        assert_eq!(status["runs"], json!([]), "{status}");
    }

    /// Calls `xtask`, and fails unless it refuses with this exit code and an error that has all of these parts, and starts
    /// nothing.
    #[track_caller]
    pub fn assert_refused<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        code: i32,
        parts: &[&str],
    ) {
        let finished = self.run(arguments).expect(code);
        self.assert_nothing_started();
        assert_eq!(finished.stdout, "");
        for part in parts {
            let error = &finished.stderr;
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
    }

    /// Fails unless nothing was started below this bench's commands, not even a run, and nothing is left of them.
    #[track_caller]
    pub fn assert_nothing_started(&self) {
        assert_eq!(self.runs(), Vec::<PathBuf>::new());
        #[cfg(target_os = "linux")]
        self.assert_nothing_left();
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// A profile of this name that is the built-in client with these further arguments. It ends by itself after a minute.
pub fn demo_profile(name: &str, arguments: &[&str]) -> String {
    let mut all = vec![
        "serve", "--port", "{port}", "--number", "{number}", "--life", "60s",
    ];
    all.extend(arguments);
    format!("[profile.{name}]\nprogram = \"demo-client{EXE_SUFFIX}\"\nargs = {all:?}\n")
}

fn path_with_binaries() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binaries().to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("PATH can be put together")
}
