//! Groups: what is counted and ended, and what only looks like it.
//!
//! Nothing here reaches beyond the project of its test, but for what is only said and not done.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;

use crate::stand_in::{StandIn, assert_alive, assert_gone, put, start};
use crate::support::project;
use tests::{Bench, assert_documented, assert_ended, binary, cast, living};

/// The programs that stand in for interpreters and engines, which lie outside the project, and the project.
struct World {
    bench: Bench,
    outside: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let bench = project();
        let outside = tempfile::Builder::new()
            .prefix("outside-")
            .tempdir()
            .unwrap();
        for folder in [bench.root(), outside.path().to_owned()] {
            fs::create_dir_all(folder.join("Saved")).unwrap();
            fs::write(folder.join("one.py"), "").unwrap();
            fs::write(folder.join("monitor.py"), "").unwrap();
            fs::write(folder.join("My.uproject"), "{}").unwrap();
        }
        Self { bench, outside }
    }

    /// Starts a program of this name in a folder.
    fn start(&self, name: &str, directory: &Path, arguments: &[&str]) -> StandIn {
        let program = put(&self.outside.path().join("engine").join(name));
        start(&program, directory, arguments, &[])
    }

    /// Says what these arguments come to, and expects this exit code.
    #[track_caller]
    fn say(&self, code: i32, arguments: &[&str]) -> Value {
        let document = self.bench.document(arguments);
        assert_documented(&document);
        assert_eq!(document["exit"]["code"], code, "{document:#}");
        document
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The PIDs with one of these actions.
fn pids(document: &Value, actions: &[&str]) -> BTreeSet<u64> {
    let processes = document["processes"].as_array().unwrap();
    processes
        .iter()
        .filter(|process| actions.iter().any(|action| process["action"] == *action))
        .map(|process| process["identity"]["pid"].as_u64().unwrap())
        .collect()
}

fn those(all: &[(&str, StandIn)]) -> BTreeSet<u64> {
    all.iter().map(|(_, one)| one.pid().into()).collect()
}

fn here(document: &Value, list: &str, group: &str) -> u64 {
    let counts = document[list].as_array().unwrap();
    let count = counts.iter().find(|count| count["group"] == group).unwrap();
    count["here"].as_u64().unwrap()
}

fn guilty_of_python(world: &World) -> [(&'static str, StandIn); 3] {
    let (root, away) = (world.bench.root(), world.outside.path());
    let script = root.join("one.py");
    [
        (
            "a script by its whole path",
            world.start("python.exe", away, &[&text(&script), "two words"]),
        ),
        (
            "a script in another case, with other separators",
            world.start(
                "Python3.11.EXE",
                away,
                &[&text(&script).to_uppercase().replace('\\', "/")],
            ),
        ),
        (
            "a script by a path from the project",
            world.start("pythonw.exe", &root, &["-u", r".\one.py"]),
        ),
    ]
}

fn guilty_of_unreal(world: &World) -> [(&'static str, StandIn); 3] {
    let (root, away) = (world.bench.root(), world.outside.path());
    let project = text(&root.join("My.uproject"));
    let crash = format!("-CrashReport={}", text(&root.join("Saved/Crashes")));
    [
        (
            "a game in the editor",
            world.start(
                "UnrealEditor.exe",
                away,
                &[&project.to_uppercase(), "-game"],
            ),
        ),
        (
            "a commandlet",
            world.start(
                "UnrealEditor-Cmd.exe",
                &root,
                &["my.uproject", "-run=Cook", "-unattended"],
            ),
        ),
        (
            "a crash reporter",
            world.start("CrashReportClient.exe", away, &[&crash]),
        ),
    ]
}

fn innocents(world: &World) -> [(&'static str, StandIn); 7] {
    let (root, away) = (world.bench.root(), world.outside.path());
    let project = text(&root.join("My.uproject"));
    let elsewhere = text(&away.join("one.py"));
    let other = text(&away.join("My.uproject"));
    [
        (
            "a script of another folder",
            world.start("python.exe", &root, &[&elsewhere]),
        ),
        (
            "a script of the same name, from there",
            world.start("python.exe", away, &["one.py"]),
        ),
        (
            "code on a command line",
            world.start("python.exe", &root, &["-c", "import one"]),
        ),
        (
            "a person's own editor",
            world.start("UnrealEditor.exe", away, &[&project]),
        ),
        (
            "a game of another project",
            world.start("UnrealEditor.exe", away, &[&other, "-game"]),
        ),
        (
            "what serves every editor",
            world.start("zenserver.exe", &root, &["--data-dir", &project]),
        ),
        (
            "a program that no rule names",
            world.start("notepad-like.exe", &root, &[&text(&root.join("one.py"))]),
        ),
    ]
}

#[test]
fn each_group_is_counted_and_cleaned_and_nothing_else_is() {
    let world = World::new();
    let innocents = innocents(&world);
    let python = guilty_of_python(&world);
    let unreal = guilty_of_unreal(&world);

    let counted = world.say(0, &["cleanup"]);
    assert_eq!(here(&counted, "counts", "python"), 3, "{counted:#}");
    assert_eq!(here(&counted, "counts", "unreal"), 3, "{counted:#}");
    let dry = world.say(0, &["cleanup", "--python", "--unreal", "--dry-run"]);
    let both = &those(&python) | &those(&unreal);
    assert_eq!(pids(&dry, &["would_end"]), both, "{dry:#}");
    assert_alive(&python);

    let cleaned = world.say(0, &["cleanup", "--python", "--grace", "0s"]);
    assert_eq!(pids(&cleaned, &["ended", "killed"]), those(&python));
    assert_eq!(here(&cleaned, "counts", "python"), 0);
    assert_gone(&python);
    assert_alive(&unreal);

    let cleaned = world.say(0, &["cleanup", "--unreal", "--force"]);
    assert_eq!(pids(&cleaned, &["ended", "killed"]), those(&unreal));
    assert_gone(&unreal);

    let cleaned = world.say(0, &["cleanup", "--all", "--grace", "0s"]);
    assert!(
        pids(&cleaned, &["ended", "killed"]).is_empty(),
        "{cleaned:#}"
    );
    assert_alive(&innocents);

    // Only said: beyond the project there may be others than those of this test.
    let wide = world.say(0, &["cleanup", "--python", "--machine", "--dry-run"]);
    let would_end = pids(&wide, &["would_end"]);
    assert!(would_end.is_superset(&those(&innocents[..2])), "{wide:#}");
    assert!(would_end.is_disjoint(&those(&innocents[2..])), "{wide:#}");
    assert_alive(&innocents);
}

#[test]
fn an_explanation_names_facts_and_verdict_and_touches_nothing() {
    let world = World::new();
    let one = &guilty_of_python(&world)[0].1;
    let explained = world.say(0, &["cleanup", "--explain", &one.pid().to_string()]);
    let explanation = &explained["explanation"];
    assert_eq!(
        explanation["text"],
        "belongs to group python: runs a script of this scope"
    );
    assert_eq!(explanation["decision"]["decision"], "target");
    let facts = &explanation["facts"];
    assert_eq!(facts["own"], true);
    assert_eq!(facts["arguments"][2], "two words");
    assert_eq!(facts["parent"], std::process::id());
    let directory = facts["directory"].as_str().unwrap();
    let away = world.outside.path().canonicalize().unwrap();
    assert_eq!(Path::new(directory).canonicalize().unwrap(), away);
    assert!(one.is_alive());
    let own = std::process::id().to_string();
    let own = world.say(0, &["cleanup", "--explain", &own]);
    assert_eq!(own["explanation"]["text"], "is an ancestor of the caller");
}

#[test]
fn what_is_over_its_limit_is_cleaned_before_a_launch() {
    let world = World::new();
    let root = world.bench.root();
    let monitor = [(
        "a monitor, of which there may be any number",
        world.start("python.exe", &root, &["monitor.py"]),
    )];
    let python = guilty_of_python(&world);
    let ports = ["--base-port", "auto", "--clients", "1"];
    let checked = world.say(108, &[&["preflight", "--check"], &ports[..]].concat());
    assert_eq!(checked["over"], serde_json::json!(["python"]));
    assert_eq!(pids(&checked, &["would_end"]), those(&python));
    assert_alive(&python);

    let cleaned = world.say(0, &[&["preflight"], &ports[..]].concat());
    assert_eq!(here(&cleaned, "before", "python"), 3);
    assert_eq!(here(&cleaned, "counts", "python"), 0);
    assert_gone(&python);
    assert_alive(&monitor);
    world.say(0, &[&["preflight", "--strict"], &ports[..]].concat());
    assert_gone(&monitor);
}

#[test]
fn lock_files_go_when_no_process_holds_them() {
    let world = World::new();
    let root = world.bench.root();
    let folder = root.join("Intermediate");
    fs::create_dir_all(folder.join("deep")).unwrap();
    let stale = ["a.lock.1", "deep/b.lock"].map(|name| folder.join(name));
    let kept = folder.join("c.txt");
    for file in stale.iter().chain([&kept]) {
        fs::write(file, "").unwrap();
    }
    let project = text(&root.join("My.uproject"));
    let editor = world.start("UnrealEditor.exe", world.outside.path(), &[&project]);
    let ended = world.say(0, &["postflight"]);
    let removed = |document: &Value| {
        let files = document["lock_files"].as_array().unwrap();
        let removed = files.iter().map(|file| file["removed"].as_bool().unwrap());
        removed.collect::<Vec<_>>()
    };
    assert_eq!(removed(&ended), [false, false], "{ended:#}");
    assert!(editor.is_alive());
    drop(editor);

    // A process that no rule matches has one open, and lets no other open it.
    let held = File::options().read(true).share_mode(0).open(&stale[0]);
    let ended = world.say(0, &["postflight"]);
    assert_eq!(removed(&ended), [false, true], "{ended:#}");
    assert!(ended["lock_files"][0]["reason"].is_string(), "{ended:#}");
    drop(held);
    let ended = world.say(0, &["postflight"]);
    assert_eq!(removed(&ended), [true], "{ended:#}");
    assert!(stale.iter().all(|file| !file.exists()));
    assert!(kept.exists());
}

/// The paths of those lock files, by the last part of the folder above, that a document says were removed.
fn removed_in<'a>(document: &Value, folders: &[&'a str]) -> Vec<&'a str> {
    let files = document["lock_files"].as_array().unwrap();
    let is_removed = |folder: &&&str| {
        let mut files = files.iter().filter(|file| file["removed"] == true);
        files.any(|file| {
            let path = Path::new(file["path"].as_str().unwrap());
            path.parent().is_some_and(|above| above.ends_with(folder))
        })
    };
    folders.iter().filter(is_removed).copied().collect()
}

#[test]
fn lock_files_stay_while_a_run_of_another_project_has_this_one_open() {
    let world = World::new();
    let root = world.bench.root();
    let folder = root.join("Intermediate");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a.lock"), "").unwrap();
    let other = world.outside.path().join("xtask.toml");
    let program = put(&world.outside.path().join("engine/UnrealEditor.exe"));
    let config = format!(
        "[launch]\nprofile = \"unreal\"\n[profile.unreal]\nprogram = {program:?}\nproject = {:?}\nargs = \
         [\"{{project}}\", \"-game\", \"--stand-in-port={{port}}\"]\n",
        root.join("My.uproject"),
    );
    fs::write(&other, config).unwrap();
    let other = ["--config", other.to_str().unwrap()];
    let launch = ["launch", "--clients", "1", "--base-port", "auto"];
    let launch = [&launch[..], &["--detach", "--format", "json"], &other].concat();
    let launched = world.bench.run(&launch).expect(0);
    let (_, clients, ports) = cast(&launched.events());

    let ended = world.say(0, &["postflight"]);
    assert_eq!(living(&clients), clients);
    assert_eq!(removed_in(&ended, &["Intermediate"]), [""; 0], "{ended:#}");

    world.say(0, &[&["postflight"], &other[..]].concat());
    assert_ended(&clients, &ports);
    world.say(0, &["postflight"]);
    let folder = fs::read_dir(folder).unwrap();
    assert_eq!(folder.count(), 0);
}

#[test]
fn lock_files_of_a_scope_below_this_one_stay() {
    let world = World::new();
    let root = world.bench.root();
    let config = root.join("xtask.toml");
    let text_of_config = fs::read_to_string(&config).unwrap();
    let locks = "[profile.unreal]\nlock_files = [\"**/*.lock\"]\n";
    fs::write(&config, text_of_config + locks).unwrap();
    for folder in ["own", "inner"] {
        fs::create_dir(root.join(folder)).unwrap();
        fs::write(root.join(folder).join("a.lock"), "").unwrap();
        fs::write(root.join(folder).join("Its.uproject"), "{}").unwrap();
    }
    fs::write(root.join("inner/xtask.toml"), "").unwrap();
    let project = text(&root.join("inner/Its.uproject"));
    let editor = world.start("UnrealEditor.exe", world.outside.path(), &[&project]);
    let ended = world.say(0, &["postflight"]);
    let removed = removed_in(&ended, &["own", "inner"]);
    assert_eq!(removed, ["own"], "{ended:#}");
    assert!(root.join("inner/a.lock").exists());
    assert!(editor.is_alive());
}

#[test]
fn the_tree_of_a_target_goes_with_it() {
    let world = World::new();
    let program = put(&world.outside.path().join("engine/python.exe"));
    let script = world.bench.root().join("one.py");
    // It waits for what it has started.
    let below = binary("stand-in");
    let command = format!("--stand-in-child={}", text(&below));
    let parent = start(
        &program,
        world.outside.path(),
        [text(&script), command],
        &[],
    );
    let table = proc_core::table::Table::read().unwrap();
    let children = table.descendants(&[parent.pid()].into());
    assert_eq!(children.len(), 1);
    let child = table.get(*children.first().unwrap()).unwrap().identity();
    world.say(0, &["cleanup", "--python", "--force"]);
    assert!(!parent.is_alive());
    assert_eq!(living(&[child]), []);
}
