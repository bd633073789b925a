//! A project of its own, the programs that are driven in it, and the count of what they leave.
//!
//! What is left is counted by two things that no process can change: the identities that the programs have told of, and
//! the ports on which a living client listens.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proc_core::identity::Identity;
use proc_core::table::Table;
use serde_json::Value;
use wait_timeout::ChildExt;
use windows_sys::Win32::System::Threading::CREATE_NEW_CONSOLE;

/// How long anything may take before the test gives up. Far longer than anything takes, under Wine too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How long a client lives at the most, whatever becomes of the test.
const LIFE: &str = "85s";

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
        "window.exe",
    ] {
        let path = folder.join(name);
        assert!(path.is_file(), "{} is not built", path.display());
    }
    folder
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

    /// Where the state of the project is kept.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts a command of `xtask`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, 0)
    }

    /// Starts a command of `xtask` in a console of its own.
    pub(crate) fn start_in_console(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, CREATE_NEW_CONSOLE)
    }

    fn start_with(&self, arguments: &[&str], flags: u32) -> Running {
        let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| {
            let path = self.folder.path().join(format!("{name}-{number}"));
            (File::create(&path).unwrap(), path)
        };
        let (output, stdout) = file("stdout");
        let (errors, stderr) = file("stderr");
        let child = Command::new(binaries().join("xtask.exe"))
            .args(arguments)
            .current_dir(self.root())
            .env("XTASK_STATE_DIR", self.state())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .creation_flags(flags)
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

    /// The document that a command prints.
    pub(crate) fn document(&self, arguments: &[&str]) -> Value {
        let finished = self.run(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", finished.stdout, finished.stderr))
    }
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

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.stdout)
    }
}

fn events(text: &str) -> Vec<Value> {
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

/// Ends a process at once, as another program would.
pub(crate) fn kill(identity: &Identity) {
    let status = Command::new("taskkill")
        .args(["/F", "/PID", &identity.pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "cannot kill {identity}");
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
