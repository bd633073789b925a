//! The zoo against every ending: whatever a client or a test does, and whatever is killed, nothing is left.
//!
//! Each process of the zoo holds a file open that no other can open meanwhile (see `zoo/src/windows/witness.rs`). So
//! what is left is known to the system, whatever the process does to its name, its environment and its parents.

use std::fs::{self, File};
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::session;
use crate::support::{PASS, is_wine, kill, launch, launch_on_desktop, project, project_with_demo};
use tests::{
    Bench, Finished, PATIENCE, Running, assert_over, binary, cast, identity, living, named, poll,
};

/// How many processes of a species are there at the least when it serves.
const SPECIES: [(&str, usize); 10] = [
    ("tame", 1),
    ("deaf", 1),
    ("orphan", 2),
    ("scrubbed", 2),
    ("breaks-away", 2),
    ("cmd-start", 2),
    ("holds-port", 2),
    ("shy", 1),
    // The others come and go.
    ("respawner", 1),
    ("relay", 1),
];

/// A project whose one client is of the zoo.
struct Cage {
    bench: Bench,
    /// The folder with the files that are held.
    witness: PathBuf,
    species: &'static str,
    least: usize,
}

impl Cage {
    fn new((species, least): (&'static str, usize)) -> Self {
        let bench = project();
        let witness = bench.root().join("witness");
        fs::create_dir(&witness).unwrap();
        let program = binary("zoo");
        let (program, folder) = (program.to_str().unwrap(), witness.to_str().unwrap());
        let config = format!(
            "[launch]\nprofile = \"zoo\"\n[profile.zoo]\nprogram = {program:?}\nargs = [{species:?}, \"--port\", \"{{port}}\", \
             \"--witness\", {folder:?}]\nready = {{ path = \"/status\", timeout = \"60s\" }}\nshutdown = {{ grace = \"200ms\" \
             }}\n",
        );
        fs::write(bench.root().join("xtask.toml"), config).unwrap();
        Self {
            bench,
            witness,
            species,
            least,
        }
    }

    /// The files that a process holds.
    fn held(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.witness).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .filter(|path| {
                let mut options = File::options();
                options.read(true).share_mode(0).open(path).is_err()
            })
            .collect()
    }

    /// How many processes there have been.
    fn seen(&self) -> usize {
        fs::read_dir(&self.witness).unwrap().count()
    }

    /// A run without a test that is ready.
    fn ready(&self) -> Running {
        self.wait_until_ready(launch(&self.bench, "--clients 1", &[]))
    }

    fn wait_until_ready(&self, mut launch: Running) -> Running {
        launch.wait_for_events("client_ready", 1);
        let held = self.held();
        assert!(held.len() >= self.least, "{}: {held:?}", self.species);
        launch
    }

    /// Waits until nothing of the run is left, and fails unless there was something.
    fn expect_empty(&self, events: &[Value]) {
        assert!(self.seen() >= self.least);
        assert_over(events);
        let is_empty = poll(PATIENCE, || self.held().is_empty().then_some(()));
        assert!(
            is_empty.is_some(),
            "{} left {:?}",
            self.species,
            self.held()
        );
    }
}

fn expect_code(cage: &Cage, finished: &Finished, code: i32) {
    assert_eq!(
        (cage.species, finished.code),
        (cage.species, code),
        "{}{}",
        finished.stdout,
        finished.stderr
    );
}

/// Every species meets one way to end, each in a run of its own.
fn each(end: impl Fn(&Cage)) {
    for species in SPECIES {
        end(&Cage::new(species));
    }
}

#[test]
fn nothing_is_left_when_the_test_passes() {
    each(|cage| {
        let finished = launch(&cage.bench, "--clients 1", &PASS).finish();
        expect_code(cage, &finished, 0);
        cage.expect_empty(&finished.events());
    });
}

#[test]
fn nothing_is_left_when_the_test_fails() {
    each(|cage| {
        let finished = launch(&cage.bench, "--clients 1", &["--", "cmd", "/c", "exit 3"]).finish();
        expect_code(cage, &finished, 3);
        cage.expect_empty(&finished.events());
    });
}

#[test]
fn nothing_is_left_when_the_client_dies() {
    each(|cage| {
        let launch = cage.ready();
        let (_, clients, _) = cast(&launch.events());
        kill(&clients[0]);
        let finished = launch.finish();
        expect_code(cage, &finished, 101);
        cage.expect_empty(&finished.events());
    });
}

#[test]
fn nothing_is_left_when_the_launcher_is_killed() {
    each(|cage| {
        let mut launch = cage.ready();
        launch.kill();
        cage.expect_empty(&launch.events());
    });
}

#[test]
fn nothing_is_left_when_the_guardian_is_killed() {
    each(|cage| {
        let launch = cage.ready();
        let (guardian, _, _) = cast(&launch.events());
        kill(&guardian);
        let finished = launch.finish();
        expect_code(cage, &finished, 110);
        cage.expect_empty(&finished.events());
    });
}

#[test]
fn nothing_is_left_when_guardian_and_launcher_are_killed() {
    each(|cage| {
        let mut launch = cage.ready();
        let (guardian, _, _) = cast(&launch.events());
        launch.kill_with_guardian(guardian.pid);
        cage.expect_empty(&launch.events());
    });
}

#[test]
fn nothing_is_left_of_a_detached_run_that_is_ended() {
    each(|cage| {
        let finished = launch(&cage.bench, "--clients 1 --detach", &[]).finish();
        expect_code(cage, &finished, 0);
        assert!(
            cage.held().len() >= cage.least,
            "{}: {:?}",
            cage.species,
            cage.held()
        );
        let events = finished.events();
        let run = named(&events, "run_started")[0]["run"].clone();
        let ended = cage.bench.run(["cleanup", "--run", run.as_str().unwrap()]);
        expect_code(cage, &ended, 0);
        cage.expect_empty(&events);
    });
}

#[test]
fn nothing_is_left_when_the_session_ends() {
    if !is_wine() {
        eprintln!("{}", session::SKIPPED);
        return;
    }
    each(|cage| {
        let desktop = format!("zoo-{}", cage.species);
        let launch = launch_on_desktop(&cage.bench, &desktop, "--clients 1");
        let launch = cage.wait_until_ready(launch);
        session::end(&desktop);
        let finished = launch.finish();
        expect_code(cage, &finished, 129);
        cage.expect_empty(&finished.events());
    });
}

#[test]
fn nothing_is_left_of_a_test_that_misbehaves() {
    let zoo = binary("zoo");
    each(|cage| {
        let test = [
            "--",
            zoo.to_str().unwrap(),
            cage.species,
            "--witness",
            cage.witness.to_str().unwrap(),
        ];
        let mut launch = launch(&cage.bench, "--clients 1", &test);
        let started = launch.wait_for_events("test_started", 1);
        // What the client holds, and what the test does.
        let is_set_up = poll(PATIENCE, || {
            (cage.held().len() >= 2 * cage.least).then_some(())
        });
        assert!(is_set_up.is_some(), "{:?}", cage.held());
        let (guardian, _, _) = cast(&launch.events());
        launch.kill_with_guardian(guardian.pid);
        cage.expect_empty(&launch.events());
        let test = identity(&started[0]["identity"]);
        assert_eq!(living(&[test]), []);
    });
}

#[test]
fn a_test_that_cannot_be_opened_keeps_no_client_from_being_asked() {
    let bench = project_with_demo(&["--stop-after", "10ms"]);
    let witness = bench.root().join("witness");
    fs::create_dir(&witness).unwrap();
    let zoo = binary("zoo");
    let [zoo, folder] = [&zoo, &witness].map(|path| path.to_str().unwrap());
    let mut launch = launch(
        &bench,
        "--clients 1",
        &["--", zoo, "shy", "--witness", folder],
    );
    let started = launch.wait_for_events("test_started", 1);
    let is_there = || fs::read_dir(&witness).unwrap().next().map(drop);
    assert!(poll(PATIENCE, is_there).is_some());
    let log = named(&launch.events(), "client_started")[0]["log"].clone();
    launch.kill();
    assert_over(&launch.events());
    assert_eq!(living(&[identity(&started[0]["identity"])]), []);
    let log = fs::read_to_string(log.as_str().unwrap()).unwrap();
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn no_process_can_leave_the_job() {
    let cage = Cage::new(("breaks-away", 2));
    let finished = launch(&cage.bench, "--clients 1", &PASS).finish();
    expect_code(&cage, &finished, 0);
    let (_, clients, _) = cast(&finished.events());
    let names = fs::read_dir(&cage.witness).unwrap();
    let mut names: Vec<_> = names
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let pid = clients[0].pid;
    assert_eq!(names, [format!("{pid}-kept"), format!("{pid}-leader")]);
    cage.expect_empty(&finished.events());
}
