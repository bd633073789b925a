//! What every end-to-end test needs: the real binaries, a project of its own, and a witness that counts survivors.
//!
//! The witness is a descriptor that everything inherits which is started below a command of a bench: the write end of
//! a named pipe. As long as one process holds it, the pipe has no end of file. A process can change its name, its
//! session and its environment, and still holds it.
//!
//! A test that fails leaves nothing either: a bench ends whatever holds its witness when it is dropped.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives real programs, and polls them"
)]

pub mod cgroup;
pub mod namespace;
pub mod schema;
pub mod terminal;

mod witness;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use serde_json::Value;
use wait_timeout::ChildExt;

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

/// What a command has come to.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
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
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("a file can be made executable");
        path
    }

    /// Lets other users into the project, and make a state folder beside it.
    pub fn open_to_everybody(&self) {
        use std::os::unix::fs::PermissionsExt;
        for folder in [self.folder.path().to_owned(), self.root()] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
                .expect("an own folder can be opened to others");
        }
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
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 9>\"$0\"; exec \"$@\""])
            .arg(self.witness.path())
            .arg(program)
            .current_dir(self.root())
            .env("XTASK_STATE_DIR", self.state())
            .env_remove("XTASK_RUN_ID")
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

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    /// The PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The events that it has printed so far.
    pub fn events(&self) -> Vec<Value> {
        parse_lines(&self.stdout())
    }

    /// Waits for its first event of this kind.
    #[track_caller]
    pub fn wait_for_event(&mut self, name: &str) -> Value {
        let found = poll(PATIENCE, || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            let event = self
                .events()
                .into_iter()
                .find(|event| event["event"] == name);
            match (event, ended) {
                (Some(event), _) => Some(Ok(event)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        match found {
            Some(Ok(event)) => event,
            Some(Err(status)) => panic!(
                "ended with {status} without {name}: {}{}",
                self.stdout(),
                self.stderr()
            ),
            None => panic!("no {name}: {}{}", self.stdout(), self.stderr()),
        }
    }

    /// Sends it a signal, by its own PID.
    pub fn signal(&self, signal: rustix::process::Signal) {
        self::signal(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = self
            .child
            .wait_timeout(PATIENCE)
            .expect("a child can be waited for");
        let Some(status) = status else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            panic!(
                "still running after {PATIENCE:?}: {}{}",
                self.stdout(),
                self.stderr()
            );
        };
        Finished {
            code: code(status),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that has failed; one that passes has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Fails unless it ended with this code.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the code may be all that is asked for"
    )]
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Its standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Its standard output as JSON, one object a line.
    pub fn events(&self) -> Vec<Value> {
        parse_lines(&self.stdout)
    }

    /// The kinds of its events, in order.
    pub fn event_names(&self) -> Vec<String> {
        let name = |event: Value| {
            event["event"]
                .as_str()
                .expect("an event has a kind")
                .to_owned()
        };
        self.events().into_iter().map(name).collect()
    }

    /// All events of this kind.
    pub fn events_of(&self, name: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == name);
        events
    }

    /// The only event of this kind.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let mut events = self.events_of(name);
        let count = events.len();
        assert_eq!(count, 1, "of {name}: {}{}", self.stdout, self.stderr);
        events.remove(0)
    }

    /// How each client has ended, by the last event: `graceful`, `killed`, `already_exited`, or `null`.
    #[track_caller]
    pub fn ends(&self) -> Vec<Value> {
        let finished = self.event("run_finished");
        let clients = finished["clients"].as_array().expect("a list of clients");
        clients
            .iter()
            .map(|client| client["end"]["ended"].clone())
            .collect()
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

/// Ports that nobody uses at this moment, and that no other call of this process gives.
///
/// They lie below those that the system and `--base-port auto` choose from.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const ROOM: u16 = 10_000;
    // Two test programs at the same time begin in different places, also with the same PID in two PID namespaces.
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino());
    let seed = u64::from(std::process::id()).wrapping_add(namespace.wrapping_mul(997));
    let start = u16::try_from(seed % u64::from(ROOM)).expect("it is less than the room");
    let mut ports = Vec::new();
    while ports.len() < count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < ROOM, "no port is free");
        let port = FIRST + (start + step) % ROOM;
        if is_free(port) {
            ports.push(port);
        }
    }
    ports
}

/// Whether nobody has this port at any address.
///
/// It is bound, but never listened on: another thread may be starting a program at this moment, which holds all
/// descriptors of this process for an instant, and a listener among them would be in the way of the next look.
pub fn is_free(port: u16) -> bool {
    let v4 = [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].map(IpAddr::V4);
    let v6 = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED].map(IpAddr::V6);
    v4.into_iter()
        .chain(v6)
        .all(|host| can_bind(SocketAddr::new(host, port)))
}

fn can_bind(address: SocketAddr) -> bool {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let Ok(socket) = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None) else {
        // A machine without IPv6 has nobody there.
        return true;
    };
    // As servers do it, so that the remains of closed connections are not in the way.
    set_socket_reuseaddr(&socket, true).expect("an option can be set");
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true).expect("an option can be set");
    }
    !matches!(bind(&socket, &address), Err(Errno::ADDRINUSE))
}

/// Says why a test is not run.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Sends a signal to a process that the test has started.
#[track_caller]
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a PID");
    rustix::process::kill_process(process, signal).expect("the process is there");
}

/// Whether a process stands still because it was stopped.
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// Whether a process is there that is no zombie. One whose first thread has exited lives on in the others.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The name may hold anything, so the fields are counted from behind it: the state is the third, threads the 20th.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let has_exited = matches!(fields.first(), None | Some(&("Z" | "X")));
    let threads: u32 = fields
        .get(17)
        .and_then(|threads| threads.parse().ok())
        .unwrap_or(0);
    !has_exited || threads > 1
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn parse_lines(text: &str) -> Vec<Value> {
    // The last line may still be being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn path_with_binaries() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binaries().to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("PATH can be put together")
}
