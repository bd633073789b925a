//! A project of its own, the programs that are driven in it, and the count of what they leave.
//!
//! What is left is counted by two things that no process can change: the identities that the programs have told of, and
//! the ports on which a living client listens.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proc_core::escape_probes::KillTarget;
use proc_core::identity::Identity;
use proc_core::table::{COOKIE, Process, Table};
use serde_json::Value;
use wait_timeout::ChildExt;
use windows_sys::Win32::System::Threading::CREATE_NEW_CONSOLE;

/// How long anything may take before the test gives up. Far longer than anything takes, under Wine too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How long a client lives at the most, whatever becomes of the test.
const LIFE: &str = "85s";

/// A test command that passes.
pub(crate) const PASS: [&str; 4] = ["--", "cmd", "/c", "exit 0"];

/// A test command that goes on until it is ended.
pub(crate) const STAY: [&str; 7] = ["--", "demo-client", "serve", "--port", "0", "--life", LIFE];

/// Each command writes into files of its own.
static COMMANDS: AtomicUsize = AtomicUsize::new(0);

/// A project folder with a state folder.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// A command that runs. It is killed when it is dropped, and its guardian ends the run.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a command has come to.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where the programs are, which have to be built already.
pub(crate) fn binaries() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/…/<profile>/deps/<test>
    let folder = test.ancestors().nth(2).unwrap().to_owned();
    for name in [
        "xtask.exe",
        "proc-guardian.exe",
        "demo-client.exe",
        "zoo.exe",
        "console.exe",
        "desktop.exe",
        "thief.exe",
        "window.exe",
    ] {
        let path = folder.join(name);
        assert!(path.is_file(), "{} is not built", path.display());
    }
    folder
}

/// Whether this is Wine, which differs from Windows here and there.
pub(crate) fn is_wine() -> bool {
    Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_demo(&[])
    }

    /// A project in which the built-in client has these further arguments. Its folder has a space and a letter beyond
    /// ASCII in its name.
    pub(crate) fn with_demo(arguments: &[&str]) -> Self {
        let serve = [
            "serve", "--port", "{port}", "--number", "{number}", "--life", LIFE,
        ];
        Self::with_client(
            "demo-client.exe",
            &[&serve[..], arguments].concat(),
            "log",
            "1s",
        )
    }

    /// A project with another client, another console or another grace.
    pub(crate) fn with_client(
        program: &str,
        arguments: &[&str],
        console: &str,
        grace: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder };
        fs::create_dir(bench.root()).unwrap();
        let program = binaries().join(program);
        let program = program.to_str().unwrap();
        let config = format!(
            "[launch]\nprofile = \"demo\"\n[profile.demo]\nprogram = {program:?}\nargs = {arguments:?}\nconsole = \
             {console:?}\nready = {{ path = \"/status\", timeout = \"60s\" }}\nshutdown = {{ grace = {grace:?} }}\n",
        );
        fs::write(bench.root().join("xtask.toml"), config).unwrap();
        bench
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("my gäme")
    }

    /// The folder of the state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts a command of `xtask`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_as(&mut xtask(), arguments)
    }

    /// Starts a launch with these flags, and with a test or none. It prints events, and the system chooses the ports.
    pub(crate) fn launch(&self, flags: &str, test: &[&str]) -> Running {
        self.start(&launch(flags, test))
    }

    /// The same in a console of its own.
    pub(crate) fn launch_in_console(&self, flags: &str, test: &[&str]) -> Running {
        self.start_as(
            xtask().creation_flags(CREATE_NEW_CONSOLE),
            &launch(flags, test),
        )
    }

    /// The same without a test, on a desktop of its own.
    pub(crate) fn launch_on_desktop(&self, desktop: &str, flags: &str) -> Running {
        let mut command = Command::new(binaries().join("desktop.exe"));
        command.arg(desktop).arg(binaries().join("xtask.exe"));
        self.start_as(&mut command, &launch(flags, &[]))
    }

    /// Starts a command whose environment names a run, as that of a shell may.
    pub(crate) fn start_naming(&self, run: &str, arguments: &[&str]) -> Running {
        self.start_as(xtask().env(COOKIE, run), arguments)
    }

    fn start_as(&self, command: &mut Command, arguments: &[&str]) -> Running {
        let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| {
            let path = self.folder.path().join(format!("{name}-{number}"));
            (File::create(&path).unwrap(), path)
        };
        let (output, stdout) = file("stdout");
        let (errors, stderr) = file("stderr");
        let child = command
            .args(arguments)
            .current_dir(self.root())
            .env("XTASK_STATE_DIR", self.state())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap();
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// Runs a command of `xtask` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).finish()
    }

    /// Fails unless no run has begun.
    #[track_caller]
    pub(crate) fn expect_nothing_started(&self) {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let scopes = entries(self.folder.path().join("state/scopes"));
        let runs = scopes.flat_map(|scope| entries(scope.path().join("runs")));
        let mut begun = runs.filter(|run| run.path().join("ledger").exists());
        assert_eq!(begun.next().map(|run| run.path()), None);
    }

    /// Fails unless every run is over, as far as ledgers tell.
    pub(crate) fn expect_no_runs(&self) {
        let status = self.document(&["status"]);
        assert_eq!(status["runs"], serde_json::json!([]), "{status}");
    }

    /// The document that a command prints.
    pub(crate) fn document(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr))
    }
}

fn launch<'a>(flags: &'a str, test: &[&'a str]) -> Vec<&'a str> {
    let always = "launch --base-port auto --format json".split(' ');
    always
        .chain(flags.split(' '))
        .chain(test.iter().copied())
        .collect()
}

impl Running {
    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The events that it has printed so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&Self::text(&self.stdout))
    }

    /// Waits until it has printed so many events of this kind, and returns them.
    pub(crate) fn wait_for(&mut self, name: &str, count: usize) -> Vec<Value> {
        let found = poll(|| {
            let ended = self.child.try_wait().unwrap();
            let found = named(&self.events(), name);
            assert!(
                ended.is_none() || found.len() >= count,
                "ended with {ended:?} without {name}: {}{}",
                Self::text(&self.stdout),
                Self::text(&self.stderr)
            );
            (found.len() >= count).then_some(found)
        });
        found.unwrap_or_else(|| panic!("no {name}: {}", Self::text(&self.stdout)))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it together with the guardian of its run, so that neither can do anything about the other's end.
    pub(crate) fn kill_with_guardian(&mut self, guardian: &Identity) {
        let launcher = Process::read(self.pid()).unwrap().identity();
        KillTarget(launcher).stop();
        kill(guardian);
        self.kill();
    }

    pub(crate) fn finish(mut self) -> Finished {
        let status = self.child.wait_timeout(PATIENCE).unwrap();
        let (stdout, stderr) = (Self::text(&self.stdout), Self::text(&self.stderr));
        let status = status.unwrap_or_else(|| panic!("it does not end: {stdout}{stderr}"));
        Finished {
            code: status.code().unwrap(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Holds it against the exit code that it must have.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.stdout)
    }

    /// The events of another launch, which was the test of this one.
    pub(crate) fn inner_events(&self) -> Vec<Value> {
        events(&self.stderr)
    }

    /// Fails unless so many clients have ended, each in this way and with this code.
    #[track_caller]
    pub(crate) fn expect_ends(&self, count: usize, way: &str, code: i32) {
        let exits = named(&self.events(), "client_exited");
        assert_eq!(exits.len(), count, "{}", self.stdout);
        for exit in exits {
            let seen = [&exit["ended"], &exit["status"]["code"]];
            let expected = [&Value::from(way), &code.into()];
            assert_eq!(seen, expected, "{}", self.stdout);
        }
    }

    /// The last event of a launch: how it has ended, and why.
    #[track_caller]
    pub(crate) fn end(&self) -> Value {
        let end = self
            .events()
            .pop()
            .filter(|event| event["event"] == "run_finished");
        end.unwrap_or_else(|| panic!("no end: {}{}", self.stdout, self.stderr))
    }
}

fn xtask() -> Command {
    Command::new(binaries().join("xtask.exe"))
}

/// The events of a launch, by what it has printed.
pub(crate) fn events(text: &str) -> Vec<Value> {
    // The last line may still be being written.
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The events of one kind.
pub(crate) fn named(events: &[Value], name: &str) -> Vec<Value> {
    let events = events.iter().filter(|event| event["event"] == name);
    events.cloned().collect()
}

/// Holds a port of the loopback address. Wine tells the owner of a socket only of one that its process has worked with
/// itself.
pub(crate) fn hold(port: u16) -> TcpListener {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    holder.set_ttl(64).unwrap();
    holder
}

/// A port that is free, and that this process gives to no other test. It lies below those that the system chooses from.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 5_000).unwrap();
    loop {
        let port = 10_000 + start + NEXT.fetch_add(1, Ordering::Relaxed) % 5_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Tries until there is an answer.
pub(crate) fn poll<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = attempt() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn identity(value: &Value) -> Identity {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// Ends a process at once, as another program would. One that has ended in the meantime is gone all the same.
#[track_caller]
pub(crate) fn kill(identity: &Identity) {
    KillTarget(*identity).kill();
    let is_gone = poll(|| living(&[*identity]).is_empty().then_some(()));
    assert!(is_gone.is_some(), "cannot kill {identity}");
}

/// Those of these processes that live.
pub(crate) fn living(identities: &[Identity]) -> Vec<Identity> {
    let table = Table::read().unwrap();
    let lives = |identity: &&Identity| {
        table
            .find(identity)
            .is_some_and(|process| !process.is_zombie())
    };
    identities.iter().filter(lives).copied().collect()
}

/// Whether somebody listens on a port. To bind it would not tell: what is left of closed connections may be in the way.
fn is_served(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Waits until none of these processes lives and nobody listens on these ports.
pub(crate) fn expect_gone(identities: &[Identity], ports: &[u16]) {
    assert!(!identities.is_empty() && !ports.is_empty());
    let held = || {
        let ports = ports.iter().copied();
        ports.filter(|port| is_served(*port)).collect::<Vec<_>>()
    };
    let is_gone = poll(|| (living(identities).is_empty() && held().is_empty()).then_some(()));
    assert!(
        is_gone.is_some(),
        "left: {:?}, held: {:?}",
        living(identities),
        held()
    );
}

/// Guardian and clients of a run, and the ports of the clients, by its events.
pub(crate) fn cast(events: &[Value]) -> (Identity, Vec<Identity>, Vec<u16>) {
    let run = &named(events, "run_started")[0];
    let clients = named(events, "client_started");
    let ports = clients
        .iter()
        .map(|client| u16::try_from(client["port"].as_u64().unwrap()).unwrap());
    let identities = clients.iter().map(|client| identity(&client["identity"]));
    (
        identity(&run["guardian"]),
        identities.collect(),
        ports.collect(),
    )
}

/// Waits until nothing of a run is left, by its events.
pub(crate) fn expect_over(events: &[Value]) {
    let (guardian, clients, ports) = cast(events);
    expect_gone(&[&[guardian], &clients[..]].concat(), &ports);
}
