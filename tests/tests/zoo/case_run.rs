//! The run of a case: its project, its launcher, and what can end it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::cgroup::{Delegated, left_of};
use tests::terminal::Terminal;
use tests::user::{ORDINARY, become_ordinary, can_become_ordinary};
use tests::{Bench, HOLD, Running, binary, pid_of};

use crate::case::{Case, Contain, Place, User};
use crate::disk::{self, Disk, SmallDisk};
use crate::ending::Ending;

/// How long clients may take when they are asked to end.
const GRACE: &str = "500ms";

const SHELL: &str = "/bin/sh";

/// The exit code of a launch whose containment is not available.
const GUARANTEE: i32 = 105;

/// The run of a case, which has begun.
#[derive(Debug)]
pub(crate) struct CaseRun {
    /// The launcher.
    pub(crate) launcher: Running,
    /// The guardian's PID.
    pub(crate) guardian: u32,
    /// Where the launcher's session is, if it has a terminal.
    pub(crate) terminal: Option<Terminal>,
    /// With whose end the run is to end, if it has an owner.
    pub(crate) owner: Option<Running>,
}

impl CaseRun {
    /// Starts the launcher, and waits until there is a guardian.
    pub(crate) fn start(
        case: &Case,
        bench: &Bench,
        place: Option<&Delegated>,
        port_of_test: u16,
    ) -> Self {
        let terminal = case.ending.is_at_terminal().then(|| bench.terminal());
        let owner = case.ending.needs_owner().then(|| start_owner(bench));
        let mut session: Vec<OsString> = vec![];
        if terminal.is_some() {
            session.push("--ctty".into());
        }
        if let Some(place) = place {
            session.extend(place.entrance());
        }
        let test = test_command(case, bench, port_of_test, owner.as_ref());
        let mut command = launch(case, bench, &session, owner.as_ref());
        command.args(test);
        let mut launcher = match &terminal {
            Some(terminal) => bench.start_at(terminal, command),
            None => bench.start(command),
        };
        let guardian = pid_of(&launcher.wait_for_event("run_started")["guardian"]);
        Self {
            launcher,
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

/// A place for the cgroup of a user that has none otherwise.
pub(crate) fn delegated(case: &Case) -> Option<Delegated> {
    let is_needed = case.contain == Contain::Cgroup && case.user == User::Ordinary;
    is_needed.then(|| Delegated::to(ORDINARY).unwrap())
}

/// The cgroups that are left of the runs of a project.
pub(crate) fn cgroups(bench: &Bench, place: Option<&Delegated>) -> Vec<PathBuf> {
    let root = place.map(|place| place.folder().to_owned());
    let root = root.or_else(tests::cgroup::root);
    root.map_or_else(Vec::new, |root| left_of(&bench.runs(), &root))
}

/// Whether this user has this way of containing a run here. Found out by a run.
pub(crate) fn is_available(contain: Contain, user: User) -> bool {
    if user == User::Ordinary && !can_become_ordinary() {
        tests::skip("only root can become another user");
        return false;
    }
    if contain == Contain::Cgroup && tests::cgroup::root().is_none() {
        tests::skip("there is no cgroup2 file system that this user may write to");
        return false;
    }
    let case = Case {
        user,
        contain,
        ..Case::new("tame", Ending::Normal)
    };
    let bench = prepare(&case);
    let place = delegated(&case);
    let session: Vec<OsString> = place.iter().flat_map(Delegated::entrance).collect();
    let mut command = launch(&case, &bench, &session, None);
    command.arg("true");
    let finished = bench.finish(command);
    if finished.code == GUARANTEE {
        let message = finished.event("run_finished")["message"].to_string();
        tests::skip(&format!("{user:?}: {message}"));
    }
    finished.code != GUARANTEE
}

/// A project whose client is the species, or a tame one.
pub(crate) fn prepare(case: &Case) -> Bench {
    let bench = Bench::new();
    bench.open_to_everybody();
    let client = match case.place {
        Place::Client => &case.species,
        Place::Test => "tame",
    };
    // What is never ready is not waited for until it ends by itself.
    let timeout = if client == "never-ready" { "2s" } else { "30s" };
    let ready = format!("ready = {{ timeout = {timeout:?} }}\n");
    bench.write("xtask.toml", &(bench.zoo_profile("zoo", client) + &ready));
    bench
}

/// A program of this workspace, where the user of the case can reach it.
fn program(case: &Case, bench: &Bench, name: &str) -> PathBuf {
    match case.user {
        User::Own => binary(name),
        User::Ordinary => bench.program(name),
    }
}

/// `xtask` as the user of the case, in a session of its own, which may be killed as a whole, or be at a terminal.
fn xtask(case: &Case, bench: &Bench, session: &[OsString]) -> Command {
    let mut command = bench.command("setsid");
    command.args(session);
    match case.user {
        User::Own => command.arg(binary("xtask")),
        User::Ordinary => command.args(become_ordinary()).arg(bench.programs()),
    };
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

/// A launch of the species, up to its test command.
fn launch(case: &Case, bench: &Bench, session: &[OsString], owner: Option<&Running>) -> Command {
    let mut command = xtask(case, bench, session);
    command.args(["launch", "--format=json", "--profile=zoo", "--clients=1"]);
    command.args(["--base-port=auto", "--grace", GRACE]);
    command.args(["--contain", case.contain.word()]);
    if let Some(owner) = owner {
        command.arg(format!("--owner-pid={}", owner.pid()));
    }
    command.arg("--");
    command
}

fn test_command(case: &Case, bench: &Bench, port: u16, owner: Option<&Running>) -> Vec<OsString> {
    let words = |words: &[&str]| words.iter().map(OsString::from).collect();
    match (case.disk, case.ending, case.place) {
        (Disk::Filled, ..) => filling_test(case, bench, Path::new(SHELL)),
        (Disk::FilledLedger, ..) => {
            filling_test(case, bench, &shell_for_ledger(case, bench, owner))
        }
        (Disk::Roomy, Ending::Normal, _) => words(&["true"]),
        (Disk::Roomy, Ending::Fails, _) => words(&["false"]),
        (Disk::Roomy, Ending::StopLauncher, _) => words(&HOLD),
        (Disk::Roomy, _, Place::Client) => words(&["sleep", "60"]),
        (Disk::Roomy, _, Place::Test) => vec![
            program(case, bench, "zoo").into(),
            case.species.clone().into(),
            format!("--port={port}").into(),
            format!("--witness={}", bench.witness().display()).into(),
        ],
    }
}

/// A test that fills the disk, and then does what the ending wants.
fn filling_test(case: &Case, bench: &Bench, shell: &Path) -> Vec<OsString> {
    let end = match case.ending {
        Ending::Normal => "exit 0",
        Ending::Fails => "exit 1",
        Ending::StopLauncher => HOLD[2],
        _ => "exec sleep 60",
    };
    let script = format!("cat /dev/zero > \"$0\" 2> /dev/null; {end}");
    let junk = SmallDisk::junk_of(bench);
    vec![shell.into(), "-c".into(), script.into(), junk.into()]
}

/// A path of the shell so long that the ledger has no room for anything that comes after it. Finds out by a run.
fn shell_for_ledger(case: &Case, bench: &Bench, owner: Option<&Running>) -> PathBuf {
    let mut command = launch(case, bench, &[], owner);
    command.args([SHELL, "-c", "exit 0"]);
    bench.finish(command).expect(0);
    let length = disk::length_of_path(bench, SHELL.len());
    disk::lengthen(Path::new(SHELL), length)
}
