//! Runs: those of the scope, whose processes are guilty, and those of another scope, whose processes are not.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use tests::{PATIENCE, Running, wait_for};

use crate::actor::Actor;
use crate::fixture::{Fixture, enrolled};
use crate::guilty::Group;

/// The scope's configuration: clients that leave daemons behind in every way.
pub(crate) const CONFIG: &str = r#"
[profile.leaving]
program = "sh"
args = ["-c", '''
    roll=--stand-in-roll=$ROLL
    setsid $LEFT/session $roll &
    env -i setsid $LEFT/bare $roll &
    (cd / && exec setsid nohup $LEFT/elsewhere $roll > /dev/null 2>&1) &
    (setsid sh -c 'trap "" TERM HUP INT; exec "$@"' - $LEFT/deaf $roll &)
    env -i setsid $LEFT/renamed $roll '--stand-in-name=[kworker/0:1]' &
    (setsid $LEFT/closed $roll <&- >&- 2>&- 9>&- &)
    exec demo-client serve --port {port} --life 85s
''']
"#;

/// The daemons that a client leaves, and what they are.
const LEFT: [(&str, &str); 6] = [
    (
        "bare",
        "left by a run: no environment, a session of its own",
    ),
    ("closed", "left by a run: no descriptors, an orphan"),
    (
        "deaf",
        "left by a run: takes no notice of signals, an orphan",
    ),
    ("elsewhere", "left by a run: nohup, another folder"),
    (
        "renamed",
        "left by a run: called like a thread of the kernel",
    ),
    ("session", "left by a run: a session of its own"),
];

/// The other scope's client: keeps the signals that it is sent, and has a child in another session that does so too.
const OTHER_CLIENT: &str = "import os, signal, subprocess, sys, threading, http.server as h\n\
    keep = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}\n\
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - keep)\n\
    threading.Timer(85, os._exit, [0]).start()\n\
    child = subprocess.Popen(['sleep', '85'], start_new_session=True)\n\
    roll = os.environ['ROLL']\n\
    open(f'{roll}/client.{os.getpid()}', 'w')\n\
    open(f'{roll}/client.{child.pid}', 'w')\n\
    h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()\n";

const OTHER_CONFIG: &str = "[profile.script]\nprogram = \"python3\"\n\
    args = [\"their_client.py\", \"{port}\"]\nready = { path = \"/\" }\n";

/// A run of the scope.
#[derive(Debug)]
pub(crate) struct OwnRun {
    pub(crate) id: String,
    pub(crate) actors: Vec<(Group, Actor)>,
    /// Those that the run had started, and that are gone, with its guardian and its launcher.
    pub(crate) gone: Vec<u32>,
}

/// Live runs of another scope.
#[derive(Debug)]
pub(crate) struct OtherRuns {
    pub(crate) id: String,
    pub(crate) mark: u64,
    pub(crate) actors: Vec<Actor>,
    _launcher: Running,
}

/// A run of the scope whose launcher and guardian were killed.
pub(crate) fn dead(fixture: &Fixture, clients: usize) -> OwnRun {
    // Without a cgroup, which would name them all, they have to be told by what they carry.
    let (mut launcher, roll) = launch(fixture, clients, &["--contain", "subreaper"]);
    let events = ready(&mut launcher, clients);
    let guardian = pid_of(&events[0]["guardian"]);
    let members = events
        .iter()
        .filter(|event| event["event"] == "client_started");
    let mut gone: Vec<u32> = members.map(|event| pid_of(&event["identity"])).collect();
    // A guardian that stands still cannot do anything about the end of its launcher.
    tests::signal(guardian, Signal::STOP);
    launcher.child.kill().unwrap();
    launcher.child.wait().unwrap();
    tests::signal(guardian, Signal::KILL);
    gone.extend([guardian, launcher.pid()]);
    wait_for(PATIENCE, "the run's own processes to be gone", || {
        gone.iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
    let actors = daemons(&roll, Group::Left, clients);
    OwnRun {
        id: events[0]["run"].as_str().unwrap().to_owned(),
        actors,
        gone,
    }
}

/// A run of the scope that goes on without a launcher.
pub(crate) fn detached(fixture: &Fixture) -> OwnRun {
    let (launcher, roll) = launch(fixture, 1, &["--detach"]);
    let events = launcher.finish().expect(0).events();
    let mut actors = daemons(&roll, Group::Detached, 1);
    let client = events
        .iter()
        .find(|event| event["event"] == "client_started")
        .unwrap();
    let client = pid_of(&client["identity"]);
    actors.push((
        Group::Detached,
        Actor::of("client of a detached run", client, false),
    ));
    OwnRun {
        id: events[0]["run"].as_str().unwrap().to_owned(),
        actors,
        gone: Vec::new(),
    }
}

/// A run of another scope without its launcher, and one with it of a worktree below this scope.
pub(crate) fn of_another_scope(fixture: &Fixture) -> OtherRuns {
    for folder in [fixture.other(), fixture.worktree()] {
        fs::write(folder.join("xtask.toml"), OTHER_CONFIG).unwrap();
        fs::write(folder.join("their_client.py"), OTHER_CLIENT).unwrap();
    }
    let roll = fixture.out("other-roll");
    fs::create_dir(&roll).unwrap();
    let launch = |folder: &Path, more: &[&str]| {
        let arguments = ["--clients", "2", "--profile", "script"];
        let mut command = fixture.bench.launch([&arguments[..], more].concat());
        command.current_dir(folder).env("ROLL", &roll);
        fixture.bench.start(command)
    };
    let first = launch(&fixture.other(), &["--detach"])
        .finish()
        .expect(0)
        .events();
    let mut launcher = launch(&fixture.worktree(), &[]);
    let second = ready(&mut launcher, 2);
    let mut pids: Vec<u32> = enrolled(&roll).into_iter().map(|(_, pid)| pid).collect();
    let mark = mark_of(pids[0]);
    pids.extend([&first, &second].map(|events| pid_of(&events[0]["guardian"])));
    pids.push(launcher.pid());
    let disguise = "live runs of another scope and of a worktree: guardians, clients, daemons";
    OtherRuns {
        id: first[0]["run"].as_str().unwrap().to_owned(),
        mark,
        actors: pids
            .into_iter()
            .map(|pid| Actor::of(disguise, pid, false))
            .collect(),
        _launcher: launcher,
    }
}

fn launch(fixture: &Fixture, clients: usize, more: &[&str]) -> (Running, tempfile::TempDir) {
    let roll = tempfile::Builder::new()
        .tempdir_in(fixture.out(""))
        .unwrap();
    for (name, _) in LEFT {
        fixture.stand_in(&fixture.out("left").join(name));
    }
    let clients = clients.to_string();
    let arguments = [
        "--profile",
        "leaving",
        "--clients",
        &clients,
        "--grace",
        "500ms",
    ];
    let mut command = fixture.bench.launch([&arguments[..], more].concat());
    command
        .env("ROLL", roll.path())
        .env("LEFT", fixture.out("left"));
    (fixture.bench.start(command), roll)
}

/// Waits until the clients are ready, and returns what was said until then.
fn ready(launcher: &mut Running, clients: usize) -> Vec<Value> {
    launcher.wait_for_event("client_ready");
    wait_for(PATIENCE, "all clients", || {
        let events = launcher.events();
        let ready = events
            .iter()
            .filter(|event| event["event"] == "client_ready");
        ready.count() == clients
    });
    launcher.events()
}

fn daemons(roll: &tempfile::TempDir, group: Group, clients: usize) -> Vec<(Group, Actor)> {
    let mut all = Vec::new();
    wait_for(PATIENCE, "the daemons", || {
        all = enrolled(roll.path());
        all.len() == clients * LEFT.len()
    });
    let disguise = |name: &str| match group {
        Group::Detached => "daemon of a detached run",
        _ => LEFT.iter().find(|(known, _)| *known == name).unwrap().1,
    };
    all.iter()
        .map(|(name, pid)| (group, Actor::of(disguise(name), *pid, false)))
        .collect()
}

/// The mark that a process carries, as the kernel shows it.
fn mark_of(pid: u32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max realtime timeout"))
        .unwrap();
    line.split_whitespace().nth(4).unwrap().parse().unwrap()
}

fn pid_of(identity: &Value) -> u32 {
    u32::try_from(identity["pid"].as_u64().unwrap()).unwrap()
}
