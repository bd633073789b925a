//! One case: a run with one species, ended in one way, and what is left of it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tests::{Bench, PATIENCE, Running, binary, poll, wait_for};

use crate::ending::Ending;

/// How long clients may take when they are asked to end.
const GRACE: &str = "500ms";

/// How long to look for survivors: longer than anything takes, shorter than any species lives.
const LOOK: Duration = Duration::from_secs(20);

/// How many cases run side by side: each of them mostly waits.
const AT_ONCE: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) species: String,
    pub(crate) ending: Ending,
    pub(crate) place: Place,
    pub(crate) user: User,
}

/// What the species is in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Client,
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Own,
    /// One that is not root, where this is root.
    Ordinary,
}

/// What a case has come to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// From the ending until nothing was left. `None`: something was.
    pub(crate) took: Option<Duration>,
    /// Who was left, or what else went wrong.
    pub(crate) problem: Option<String>,
}

impl Case {
    /// Whether the species serves, and lives until it is ended.
    fn stays(&self) -> bool {
        !matches!(
            self.species.as_str(),
            "never-ready" | "ready-then-crash" | "leader-exits"
        )
    }

    pub(crate) fn makes_sense(&self) -> bool {
        // A species that is the test does not pass, and one that ends by itself is ended by nobody.
        self.place == Place::Client || self.stays() && !self.ending.is_by_test()
    }

    /// Whether this level promises to end everything.
    ///
    /// A process that leaves its tree, empties its environment and replaces its mark on purpose is found by nothing
    /// once the guardian is gone.
    pub(crate) fn is_promised(&self) -> bool {
        self.species != "clears-everything"
            || !matches!(
                self.ending,
                Ending::KillGuardian
                    | Ending::KillBothPreflight
                    | Ending::KillBothCleanup
                    | Ending::KillBothPostflight
            )
    }
}

impl Outcome {
    /// What is wrong, where something was promised.
    pub(crate) fn fault(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        self.case
            .is_promised()
            .then(|| format!("{:?}: {problem}", self.case))
    }
}

/// Runs cases, some at once.
pub(crate) fn run_all(cases: &[Case]) -> Vec<Outcome> {
    let open: Mutex<VecDeque<&Case>> = Mutex::new(cases.iter().collect());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = { open.lock().unwrap().pop_front() } {
                    let outcome = run(case);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn run(case: &Case) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| attempt(case)));
    let (took, problem) = match result {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (None, Some(text.unwrap_or_default()))
        }
    };
    Outcome {
        case: case.clone(),
        took,
        problem,
    }
}

fn attempt(case: &Case) -> (Option<Duration>, Option<String>) {
    let bench = prepare(case);
    let port_of_test = tests::free_ports(1)[0];
    let mut running = start(case, &bench, port_of_test);
    let guardian = pid(&running.wait_for_event("run_started")["guardian"]);
    let client = running.wait_for_event("client_started");
    let port = u16::try_from(client["port"].as_u64().unwrap()).unwrap();
    if case.stays() && !case.ending.is_by_test() {
        running.wait_for_event("test_started");
    }
    if case.place == Place::Test {
        wait_for(PATIENCE, "the test to be set up", || answers(port_of_test));
    }
    let moment = Instant::now();
    case.ending.act(&mut running, guardian);
    let code = running.finish().code;
    let complaint = follow_up(case, &bench);
    let gone = poll(LOOK, || {
        let ports = [port, port_of_test];
        (!bench.has_survivors() && ports.into_iter().all(is_free)).then(|| moment.elapsed())
    });
    // A later command must succeed, and says what it did where something is left all the same.
    let failed = complaint.as_ref().is_some_and(|(code, _)| *code != 0);
    let complaint = complaint.map(|(_, text)| text);
    let problem = if gone.is_none() {
        Some(format!(
            "left: {}; exit code {code}; {}",
            bench.describe_survivors(),
            complaint.unwrap_or_default()
        ))
    } else if failed {
        complaint
    } else if case.stays() && !case.ending.is_silent() {
        let wrong = case.ending.code().filter(|expected| *expected != code);
        wrong.map(|expected| format!("exit code {code} instead of {expected}"))
    } else {
        None
    };
    (gone, problem)
}

/// A project whose client is the species, or a tame one.
fn prepare(case: &Case) -> Bench {
    let bench = Bench::new();
    bench.open_to_everybody();
    std::fs::set_permissions(bench.witness(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let client = match case.place {
        Place::Client => &case.species,
        Place::Test => "tame",
    };
    let config = format!(
        "[profile.zoo]\nprogram = {:?}\nargs = [{client:?}, \"--port={{port}}\", {:?}]\nready = {{ timeout = {:?} }}\n",
        program(case, &bench, "zoo").display().to_string(),
        format!("--witness={}", bench.witness().display()),
        // What is never ready is not waited for until it ends by itself.
        if client == "never-ready" { "2s" } else { "30s" },
    );
    bench.write("xtask.toml", &config);
    bench
}

/// A program of this workspace, where the user of the case can reach it.
fn program(case: &Case, bench: &Bench, name: &str) -> PathBuf {
    let program = binary(name);
    if case.user == User::Own {
        return program;
    }
    let link = bench.root().join(name);
    if !link.exists() {
        std::fs::hard_link(&program, &link)
            .or_else(|_| std::fs::copy(&program, &link).map(drop))
            .unwrap();
    }
    link
}

/// `xtask` as the user of the case, in a session of its own, which may be killed as a whole.
fn xtask(case: &Case, bench: &Bench) -> Command {
    let mut command = bench.command("setsid");
    if case.user == User::Ordinary && rustix::process::geteuid().is_root() {
        command.args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]);
    }
    program(case, bench, "proc-guardian");
    command.arg(program(case, bench, "xtask"));
    command
}

/// Lets a later command do its work, if the ending needs one. Returns its exit code and what it has printed.
fn follow_up(case: &Case, bench: &Bench) -> Option<(i32, String)> {
    let mut command = xtask(case, bench);
    command.args(case.ending.later_command()?);
    command.arg("--verbose");
    let finished = bench.finish(command);
    Some((
        finished.code,
        format!("{}{}", finished.stdout, finished.stderr),
    ))
}

fn start(case: &Case, bench: &Bench, port_of_test: u16) -> Running {
    let mut command = xtask(case, bench);
    command.args(["launch", "--format=json", "--profile=zoo", "--clients=1"]);
    command.args(["--base-port=auto", "--grace", GRACE, "--"]);
    test_command(case, bench, port_of_test, &mut command);
    bench.start(command)
}

fn test_command(case: &Case, bench: &Bench, port: u16, command: &mut Command) {
    match (case.ending, case.place) {
        (Ending::Normal, _) => command.arg("true"),
        (Ending::Fails, _) => command.arg("false"),
        (_, Place::Client) => command.args(["sleep", "60"]),
        (_, Place::Test) => command
            .arg(program(case, bench, "zoo"))
            .arg(&case.species)
            .arg(format!("--port={port}"))
            .arg(format!("--witness={}", bench.witness().display())),
    };
}

fn pid(identity: &serde_json::Value) -> u32 {
    u32::try_from(identity["pid"].as_u64().unwrap()).unwrap()
}

/// Whether a species answers: it takes its port before it is set up, and serves afterwards.
pub(crate) fn answers(port: u16) -> bool {
    let ask = || -> io::Result<usize> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /status HTTP/1.1\r\n\r\n")?;
        stream.read(&mut [0; 16])
    };
    ask().is_ok_and(|length| length > 0)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
