//! What every end-to-end test needs: the real binaries, a project of its own, and a witness that counts survivors.
//!
//! The witness is a descriptor that everything inherits which is started below a command of a bench: the write end of
//! a named pipe. As long as one process holds it, the pipe has no end of file. A process can change its name, its
//! session and its environment, and still holds it.
//!
//! A test that fails leaves nothing either: a bench ends whatever holds its witness when it is dropped.
//!
//! Only on Linux: who holds the witness is found in `/proc` and ended through a pidfd, and the tests look at cgroups and
//! namespaces.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs, and polls them"
)]

pub mod cgroup;
pub mod namespace;
pub mod terminal;
pub mod user;

mod ports;
mod process;
mod running;
mod witness;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub use ports::{free_ports, is_free};
pub use process::{is_alive, is_stopped, pid_of, signal};
pub use running::{Finished, Running};

use proc_core::ledger::History;
use terminal::Terminal;
use witness::Witness;

/// How long anything in a test may take before the test gives up. Far longer than anything takes.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A test command that goes on until the project has a file `go`; see [`Bench::go`]. It gives up by itself.
pub const HOLD: [&str; 3] = [
    "sh",
    "-c",
    "for i in $(seq 600); do [ -e go ] && exit 0; sleep 0.1; done; exit 99",
];

/// The environment variable that names the folder with the binaries, where they are known to be built.
const BINARIES: &str = "XTASK_TEST_BINARIES";

/// A project folder of its own with a state folder of its own.
#[derive(Debug)]
pub struct Bench {
    // Dropped first: what it ends may be writing into the folder.
    witness: Witness,
    folder: tempfile::TempDir,
}

/// The folder with the binaries of this workspace, built anew if need be.
pub fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os(BINARIES) {
            return folder.into();
        }
        let test = std::env::current_exe().expect("a test has a path");
        // target/<profile>/deps/<test>
        let folder = test
            .ancestors()
            .nth(2)
            .expect("a test lies in a target folder")
            .to_owned();
        let target = folder
            .parent()
            .expect("a profile's folder lies in a target folder");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
            .arg(target);
        build.current_dir(workspace());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo can be started");
        assert!(status.success(), "the binaries do not build");
        folder
    })
}

/// The root of this workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
}

/// The path of a binary of this workspace.
pub fn binary(name: &str) -> PathBuf {
    binaries().join(name)
}

impl Bench {
    /// An empty project.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("project")).expect("a folder can be made");
        let witness = Witness::new(&folder.path().join("witness"));
        Self { witness, folder }
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

    /// The project's root.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The folder with the tool's state.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a file of the project, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("a folder can be made");
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Writes an executable file of the project, and returns its path.
    pub fn write_program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, Permissions::from_mode(0o755))
            .expect("a file can be made executable");
        path
    }

    /// Lets other users into the project, make a state folder beside it, and hold the witness.
    pub fn open_to_everybody(&self) {
        for path in [self.folder.path(), &self.root(), self.witness()] {
            fs::set_permissions(path, Permissions::from_mode(0o777))
                .expect("what is one's own can be opened to others");
        }
    }

    /// A program of this workspace in the project's root, where every user can reach it who is let in.
    pub fn program(&self, name: &str) -> PathBuf {
        let (program, link) = (binary(name), self.root().join(name));
        if !link.exists() {
            fs::hard_link(&program, &link)
                .or_else(|_| fs::copy(&program, &link).map(drop))
                .expect("a program can be copied");
        }
        link
    }

    /// `xtask` and all programs that it may have to start, in the project's root. Returns the path of `xtask`.
    pub fn programs(&self) -> PathBuf {
        for name in ["proc-guardian", "demo-client", "zoo"] {
            self.program(name);
        }
        self.program("xtask")
    }

    /// A profile of this name that is a species of the zoo, which holds the witness of its own accord.
    pub fn zoo_profile(&self, name: &str, species: &str) -> String {
        let witness = format!("--witness={}", self.witness().display());
        let all = [species, "--port={port}", &witness];
        format!("[profile.{name}]\nprogram = \"zoo\"\nargs = {all:?}\n")
    }

    /// Lets a test command go that is [`HOLD`].
    pub fn go(&self) {
        self.write("go", "");
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

    /// A command in the project's root; everything below it holds the witness.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // In the background of a script the keys of a terminal are ignored, and a shell cannot change that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT,QUIT", "sh"])
            .args(["-c", "exec 9>\"$0\"; exec \"$@\""])
            .arg(self.witness.path())
            .arg(program)
            .current_dir(self.root());
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
        // To files, not to pipes: whoever keeps a pipe open would keep its reader waiting.
        let stderr = self.new_path("stderr");
        command.stderr(File::create(&stderr).expect("a file can be made"));
        self.start_with(command, stderr)
    }

    /// Starts a command that has a terminal for its input and its standard error.
    pub fn start_at(&self, terminal: &Terminal, mut command: Command) -> Running {
        command.stdin(terminal.stream()).stderr(terminal.stream());
        self.start_with(command, terminal.output().to_owned())
    }

    /// Starts a command that has a terminal for all of its streams. What it says is on its standard error.
    pub fn start_all_at(&self, terminal: &Terminal, mut command: Command) -> Running {
        command.stdin(terminal.stream()).stderr(terminal.stream());
        command.stdout(terminal.stream());
        Self::spawn(
            command,
            self.new_path("stdout"),
            terminal.output().to_owned(),
        )
    }

    /// A terminal for commands of this bench.
    pub fn terminal(&self) -> Terminal {
        Terminal::open(self.new_path("terminal"))
    }

    fn start_with(&self, mut command: Command, stderr: PathBuf) -> Running {
        let stdout = self.new_path("stdout");
        command.stdout(File::create(&stdout).expect("a file can be made"));
        Self::spawn(command, stdout, stderr)
    }

    fn spawn(mut command: Command, stdout: PathBuf, stderr: PathBuf) -> Running {
        let child = command.spawn().expect("the command can be started");
        Running {
            child,
            stdout,
            stderr,
        }
    }

    fn new_path(&self, name: &str) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{name}-{number}"))
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: Command) -> Finished {
        self.start(command).finish()
    }

    /// Runs `xtask` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.finish(self.xtask(arguments))
    }

    /// The named pipe that everything holds open which is started below a command of this bench. A program that closes
    /// what it inherits is witnessed when it opens this for writing.
    pub fn witness(&self) -> &Path {
        self.witness.path()
    }

    /// Who is left of what was started below a command of this bench, for people.
    pub fn describe_survivors(&self) -> String {
        format!("{:?}", self.witness.holders())
    }

    /// The PIDs of those who are left, as far as this user may see.
    pub fn survivors(&self) -> Vec<u32> {
        let holders = self.witness.holders().into_iter();
        holders.map(|holder| holder.pid.cast_unsigned()).collect()
    }

    /// Whether a process is left that was started below a command of this bench.
    pub fn has_survivors(&self) -> bool {
        self.witness.is_held()
    }

    /// Fails unless everything that was started below this bench's commands is gone, or goes within the time.
    #[track_caller]
    pub fn assert_nothing_left_within(&self, time: Duration) {
        let gone = poll(time, || (!self.has_survivors()).then_some(()));
        assert!(
            gone.is_some(),
            "after {time:?} there is still: {:?}",
            self.witness.holders()
        );
    }

    /// Fails unless nothing was started below this bench's commands, not even a run, and nothing is left of them.
    #[track_caller]
    pub fn assert_nothing_started(&self) {
        assert_eq!(self.runs(), Vec::<PathBuf>::new());
        self.assert_nothing_left();
    }

    /// Fails unless everything that was started below this bench's commands is gone by now.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        // A process that was killed still holds its descriptors for the moment that the kernel takes to free them.
        self.assert_nothing_left_within(Duration::from_secs(2));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Some(place) = cgroup::root() else { return };
        for run in self.runs() {
            let is_over = History::read(&run).is_ok_and(|run| run.is_some_and(|run| run.closed));
            for folder in cgroup::left_of(std::slice::from_ref(&run), &place) {
                // Of a run that nobody was to finish it goes with the test.
                let removed = fs::remove_dir(&folder);
                assert!(
                    !is_over || std::thread::panicking(),
                    "a run that is over has left {}: {removed:?}",
                    folder.display()
                );
            }
        }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// Tries until there is an answer, or the time is up.
pub fn poll<T>(time: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + time;
    loop {
        let last = Instant::now() >= end;
        if let Some(answer) = attempt() {
            return Some(answer);
        }
        if last {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Fails unless this comes true in time.
#[track_caller]
pub fn wait_for(time: Duration, what: &str, mut is_true: impl FnMut() -> bool) {
    assert!(
        poll(time, || is_true().then_some(())).is_some(),
        "waited {time:?} for {what}"
    );
}

/// A profile of this name that is the built-in client with these further arguments. It ends by itself after a minute.
pub fn demo_profile(name: &str, arguments: &[&str]) -> String {
    let mut all = vec![
        "serve", "--port", "{port}", "--number", "{number}", "--life", "60s",
    ];
    all.extend(arguments);
    format!("[profile.{name}]\nprogram = \"demo-client\"\nargs = {all:?}\n")
}

/// Says why a test is not run.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

fn path_with_binaries() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binaries().to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("PATH can be put together")
}
