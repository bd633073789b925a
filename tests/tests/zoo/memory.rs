//! A machine without memory: the kernel kills a process of the run of its own accord.
//!
//! A memory cgroup stands for the machine. The launcher is in it from before its first instruction, and with it all
//! that it starts.

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use tests::{Bench, PATIENCE, Running, binary, free_ports, poll, wait_for};

use crate::case::answers;

/// Far more than launcher and guardian need, and far less than a hog takes.
const LIMIT: u32 = 128 << 20;

/// As much as a hog takes at the most.
const MEAL: u32 = 512 << 20;

/// What the kernel is to kill for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OomTarget {
    /// A client, because it takes all of it.
    Client,
    /// The test, for the same reason.
    Test,
    /// The guardian, because the kernel was told to begin with it.
    Guardian,
    /// The launcher, for the same reason.
    Launcher,
}

/// A memory cgroup, for as long as this is there.
#[derive(Debug)]
struct Cgroup {
    folder: PathBuf,
    /// The file in which it counts the processes that it was killed for want of memory.
    events: &'static str,
}

/// Lets the kernel kill each target once.
pub(crate) fn run_out() {
    for target in [
        OomTarget::Client,
        OomTarget::Test,
        OomTarget::Guardian,
        OomTarget::Launcher,
    ] {
        match Cgroup::new() {
            Ok(cgroup) => run_out_for(target, &cgroup),
            Err(why) => return tests::skip(&format!("no memory cgroup can be made: {why}")),
        }
    }
}

fn run_out_for(target: OomTarget, cgroup: &Cgroup) {
    let bench = Bench::new();
    let witness = format!("--witness={}", bench.witness().display());
    bench.write("xtask.toml", &bench.zoo_profile("zoo", "hog"));
    let port_of_test = free_ports(1)[0];
    let mut command = cgroup.command(&bench);
    command.args(["launch", "--format=json", "--profile=zoo", "--clients=2"]);
    command.args(["--base-port=auto", "--grace=300ms", "--"]);
    command.arg(binary("zoo")).args(["hog", &witness]);
    command.arg(format!("--port={port_of_test}"));
    let mut running = bench.start(command);
    running.wait_for_event("test_started");
    wait_for(PATIENCE, "the test to be set up", || answers(port_of_test));
    let events = running.events().into_iter();
    let clients = events.filter(|event| event["event"] == "client_started");
    let ports = clients.map(|client| u16::try_from(client["port"].as_u64().unwrap()).unwrap());
    let ports: Vec<u16> = ports.collect();
    starve(
        target,
        &mut running,
        port_of_test,
        ports.try_into().unwrap(),
    );
    let code = match target {
        OomTarget::Client => 101,
        OomTarget::Guardian => 110,
        // By SIGKILL.
        OomTarget::Test | OomTarget::Launcher => 128 + 9,
    };
    running.finish().expect(code);
    bench.assert_nothing_left_within(PATIENCE);
    assert!(
        cgroup.kills() > 0,
        "{target:?} ended, and the kernel has killed nothing"
    );
}

/// Lets hogs take all memory that there is, so that the kernel kills this target.
fn starve(target: OomTarget, running: &mut Running, port_of_test: u16, ports_of_clients: [u16; 2]) {
    let pid = match target {
        // Of all processes it is the largest.
        OomTarget::Client => return grow(ports_of_clients[0], MEAL),
        OomTarget::Test => return grow(port_of_test, MEAL),
        OomTarget::Guardian => running.wait_for_event("run_started")["guardian"]["pid"].to_string(),
        OomTarget::Launcher => running.pid().to_string(),
    };
    // That counts for as much as nearly all memory, so no hog may have that much.
    fs::write(format!("/proc/{pid}/oom_score_adj"), "1000").unwrap();
    for port in ports_of_clients {
        grow(port, LIMIT / 2);
        // The last one has no memory to get as far as that.
        if port == ports_of_clients[0] {
            wait_for(PATIENCE, "a hog to have eaten", || answers(port));
        }
    }
}

/// Tells a hog to take so much memory.
fn grow(port: u16, bytes: u32) {
    // As a whole: a hog reads but once what it is asked for.
    let request = format!("GET /grow/{} HTTP/1.1\r\n\r\n", bytes >> 20);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
}

impl Cgroup {
    /// Makes one below the root of its hierarchy, of the first or the second version.
    fn new() -> Result<Self, String> {
        let (root, limit, swap, events) = match fs::metadata("/sys/fs/cgroup/memory") {
            Ok(_) => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                ("memory.memsw.limit_in_bytes", LIMIT),
                "memory.oom_control",
            ),
            Err(_) => (
                "/sys/fs/cgroup",
                "memory.max",
                ("memory.swap.max", 0),
                "memory.events",
            ),
        };
        let made = tempfile::Builder::new()
            .prefix("clean-slate-test-")
            .tempdir_in(root);
        // What it has for files cannot be removed, only the folder.
        let folder = made.map_err(|error| error.to_string())?.keep();
        let cgroup = Self { folder, events };
        fs::write(cgroup.folder.join(limit), LIMIT.to_string())
            .map_err(|error| error.to_string())?;
        // Not there on a machine without swap, where it is not needed.
        let _ = fs::write(cgroup.folder.join(swap.0), swap.1.to_string());
        Ok(cgroup)
    }

    /// `xtask`, which is in it before it begins.
    fn command(&self, bench: &Bench) -> Command {
        let mut command = bench.command("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.folder.join("cgroup.procs"));
        command.arg(binary("xtask"));
        command
    }

    /// How many processes the kernel has killed for want of memory.
    fn kills(&self) -> u32 {
        let events = fs::read_to_string(self.folder.join(self.events)).unwrap();
        let count = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        count.unwrap().parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It cannot be removed before the kernel has freed the last process.
        let removed = poll(PATIENCE, || match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => None,
            result => Some(result),
        });
        let is_removed = removed.is_some_and(|result| result.is_ok());
        assert!(is_removed || std::thread::panicking(), "{self:?} is left");
    }
}
