//! A run that a case is about: its project, its launcher, and whoever can end it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tests::terminal::Terminal;
use tests::{Bench, Running, binary};

use crate::case::{Case, Place, User};
use crate::ending::Ending;

/// How long clients may take when they are asked to end.
const GRACE: &str = "500ms";

/// A run that has begun.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The launcher.
    pub(crate) running: Running,
    /// The guardian's PID.
    pub(crate) guardian: u32,
    /// Where the launcher's session is, if it has a terminal.
    pub(crate) terminal: Option<Terminal>,
    /// With whose end the run is to end, if it has an owner.
    pub(crate) owner: Option<Running>,
}

impl Stage {
    /// Starts the launcher, and waits until there is a guardian.
    pub(crate) fn start(case: &Case, bench: &Bench, port_of_test: u16) -> Self {
        let terminal = case.ending.is_at_terminal().then(|| bench.terminal());
        let owner = case.ending.needs_owner().then(|| start_owner(bench));
        let mut session = vec![];
        if terminal.is_some() {
            session.push("--ctty");
        }
        let mut command = xtask(case, bench, &session);
        command.args(["launch", "--format=json", "--profile=zoo", "--clients=1"]);
        command.args(["--base-port=auto", "--grace", GRACE]);
        if let Some(owner) = &owner {
            command.arg(format!("--owner-pid={}", owner.pid()));
        }
        command.arg("--");
        test_command(case, bench, port_of_test, &mut command);
        let mut running = match &terminal {
            Some(terminal) => bench.start_at(terminal, command),
            None => bench.start(command),
        };
        let guardian = pid(&running.wait_for_event("run_started")["guardian"]);
        Self {
            running,
            guardian,
            terminal,
            owner,
        }
    }
}

/// A process that does nothing, and has nothing to do with the run but that it owns it.
pub(crate) fn start_owner(bench: &Bench) -> Running {
    let mut command = bench.command("sleep");
    command.arg("60");
    bench.start(command)
}

/// A project whose client is the species, or a tame one.
pub(crate) fn prepare(case: &Case) -> Bench {
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

/// `xtask` as the user of the case, in a session of its own, which may be killed as a whole, or be at a terminal.
fn xtask(case: &Case, bench: &Bench, session: &[&str]) -> Command {
    let mut command = bench.command("setsid");
    command.args(session);
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
pub(crate) fn follow_up(case: &Case, bench: &Bench) -> Option<(i32, String)> {
    let mut command = xtask(case, bench, &[]);
    command.args(case.ending.later_command()?);
    command.arg("--verbose");
    let finished = bench.finish(command);
    Some((
        finished.code,
        format!("{}{}", finished.stdout, finished.stderr),
    ))
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
