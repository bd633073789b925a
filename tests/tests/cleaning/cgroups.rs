//! Runs in a cgroup of their own: what is in it, and what is found in it after guardian and launcher were both killed.

mod obtaining;

use std::fs;
use std::path::{Path, PathBuf};

use proc_core::table::Process;
use rustix::process::Signal;
use serde_json::Value;
use tests::cgroup;
use tests::namespace::{alone, others};
use tests::{Bench, PATIENCE, binary, pid_of, skip, wait_for};

use crate::support::xtask;

/// Waits in its cgroup until the file `go` is made.
const HOLD: [&str; 3] = ["sh", "-c", "until [ -e go ]; do sleep 0.02; done"];

/// Where cgroups are made. `None`, said with its reason: this user makes none.
fn root() -> Option<PathBuf> {
    let root = cgroup::root();
    if root.is_none() {
        skip("there is no cgroup2 file system that this user may write to");
    }
    root
}

fn mount() -> PathBuf {
    cgroup::mount().unwrap()
}

fn launch(contain: &str, further: &[&str]) -> Vec<String> {
    let launch = ["launch", "--format=json", "--base-port=auto", "--clients=1"];
    let mut words: Vec<String> = launch.map(str::to_owned).into();
    words.push(format!("--contain={contain}"));
    words.extend(further.iter().map(|word| (*word).to_owned()));
    words
}

/// The cgroups in a folder with this in their names.
fn cgroups(root: &Path, run: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().contains(run));
    named.map(|entry| entry.path()).collect()
}

fn run_of(event: &Value) -> String {
    event["run"].as_str().unwrap().to_owned()
}

#[test]
fn members_are_in_the_cgroup_of_their_run_and_it_goes_with_them() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::with_demo(&[]);
        let mut running =
            bench.start(bench.xtask(launch("cgroup", &["--", HOLD[0], HOLD[1], HOLD[2]])));
        let started = running.wait_for_event("run_started");
        assert_eq!(started["mechanism"], "cgroup");
        assert_eq!(started["level"], "whole-tree");
        let run = run_of(&started);
        for event in ["client_started", "test_started"] {
            let pid = pid_of(&running.wait_for_event(event)["identity"]);
            let name = format!("clean-slate-{run}");
            assert!(cgroup::of(pid).unwrap().ends_with(&name), "{event}");
        }
        // The guardian has to outlive what it kills.
        let guardian = cgroup::of(pid_of(&started["guardian"])).unwrap();
        assert!(!guardian.contains(&run), "{guardian}");
        let status = xtask(&bench, 0, &["status"]);
        assert_eq!(status["runs"][0]["mechanism"], "cgroup");
        assert_eq!(status["runs"][0]["level"], "whole-tree");
        assert_eq!(cgroups(&root, &run).len(), 1);
        bench.go();
        running.finish().expect(0);
        assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
        bench.assert_nothing_left();
    });
}

/// What leaves its tree, empties its environment and replaces its limits is found by nothing else.
#[test]
fn what_hides_from_everything_else_is_found_in_its_cgroup() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::new();
        bench.write("xtask.toml", &bench.zoo_profile("zoo", "clears-everything"));
        let mut running = bench.start(bench.xtask(launch("cgroup", &["--profile=zoo"])));
        let started = running.wait_for_event("run_started");
        running.wait_for_event("client_ready");
        let run = run_of(&started);
        running.kill_with_guardian(pid_of(&started["guardian"]));
        wait_for(PATIENCE, "only the one that hides", || others().len() == 1);
        let hidden = others()[0].pid;

        let explained = bench
            .run(["cleanup", "--explain", &hidden.to_string()])
            .expect(0);
        assert!(
            explained.stdout.contains("is in its container"),
            "{}",
            explained.stdout
        );
        let cleaned = xtask(&bench, 0, &["cleanup", "--all", "--grace=300ms"]);
        let report = &cleaned["runs"][0];
        assert_eq!(report["ended"], 1, "{report:#}");
        assert_eq!(report["processes"][0]["evidence"], "container");
        assert_eq!(report["processes"][0]["identity"]["pid"], hidden);
        assert_eq!(others(), []);
        assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
        let status = xtask(&bench, 0, &["status"]);
        assert_eq!(status["runs"].as_array().unwrap().len(), 0);
    });
}

/// As root a program may leave its cgroup; below the guardian it stays.
#[test]
fn what_leaves_its_cgroup_ends_with_its_run_all_the_same() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::with_demo(&[]);
        let script = format!(
            "setsid sh -c 'echo 0 > {}/cgroup.procs && touch moved; exec sleep 80' & \
             until [ -e moved ]; do sleep 0.02; done",
            root.display()
        );
        let words = launch("cgroup", &["--grace=1s", "--", "sh", "-c", &script]);
        let finished = bench.run(words).expect(0);
        let leak = finished.event("leak");
        assert!(
            leak["process"]["command"]
                .as_str()
                .unwrap()
                .contains("sleep 80"),
            "{leak}"
        );
        assert_eq!(leak["started_by"], "the test");
        bench.assert_nothing_left();
    });
}

#[test]
fn cgroups_that_members_make_inside_go_too() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::with_demo(&[]);
        let script = format!(
            "own={}$(sed -n s/^0:://p /proc/self/cgroup) && mkdir -p $own/deep/deeper && \
             (trap '' TERM; echo 0 > $own/deep/deeper/cgroup.procs; exec sleep 80) & \
             until [ -e go ]; do sleep 0.02; done",
            mount().display()
        );
        let words = launch("cgroup", &["--grace=300ms", "--", "sh", "-c", &script]);
        let mut running = bench.start(bench.xtask(words));
        let run = run_of(&running.wait_for_event("run_started"));
        let deeper = root.join(format!("clean-slate-{run}/deep/deeper/cgroup.procs"));
        wait_for(PATIENCE, "a process deep inside", || {
            fs::read_to_string(&deeper).is_ok_and(|members| !members.is_empty())
        });
        bench.go();
        running.finish().expect(0);
        assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
    });
}

/// The kernel neither lists the processes of a threaded cgroup in itself nor kills them as one.
#[test]
fn what_members_make_of_their_cgroup_is_no_way_out() {
    alone(|| {
        let Some(root) = root() else { return };
        for own_kind in ["domain threaded", "threaded"] {
            let bench = Bench::new();
            bench.write("xtask.toml", &bench.zoo_profile("zoo", "clears-everything"));
            // Only one without processes can be made threaded; threads may enter it then.
            let change = match own_kind {
                "threaded" => {
                    "all=$(cat $own/cgroup.procs); \
                     for pid in $all; do echo $pid > $root/cgroup.procs; done; \
                     echo threaded > $own/cgroup.type; \
                     for pid in $all; do echo $pid > $own/cgroup.threads; done"
                }
                _ => "mkdir $own/x && echo threaded > $own/x/cgroup.type",
            };
            let script = format!(
                "root={}; own={}$(sed -n s/^0:://p /proc/self/cgroup); {change}; \
                 cat $own/cgroup.type > kind; exec sleep 80",
                root.display(),
                mount().display()
            );
            let words = launch("cgroup", &["--profile=zoo", "--", "sh", "-c", &script]);
            let mut running = bench.start(bench.xtask(words));
            let started = running.wait_for_event("run_started");
            let kind = || fs::read_to_string(bench.root().join("kind")).unwrap_or_default();
            wait_for(PATIENCE, "another kind of cgroup", || {
                kind().trim() == own_kind
            });
            running.kill_with_guardian(pid_of(&started["guardian"]));
            wait_for(PATIENCE, "only the one that hides", || others().len() == 1);
            let cleaned = xtask(&bench, 0, &["cleanup", "--all", "--grace=300ms"]);
            let report = &cleaned["runs"][0];
            assert_eq!(report["ended"], 1, "{report:#}");
            assert_eq!(report["processes"][0]["evidence"], "container");
            assert_eq!(others(), []);
            assert_eq!(cgroups(&root, &run_of(&started)), [] as [PathBuf; 0]);
        }
    });
}

/// A run in a run: the inner one's cgroup lies in the outer one's.
#[test]
fn a_run_in_a_run_ends_with_it() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::with_demo(&[]);
        let inner = format!(
            "{} {}",
            binary("xtask").display(),
            launch("auto", &[]).join(" ")
        );
        let script = format!("{inner} > inner & until [ -e go ]; do sleep 0.02; done");
        let words = launch("cgroup", &["--grace=1s", "--", "sh", "-c", &script]);
        let mut running = bench.start(bench.xtask(words));
        let run = run_of(&running.wait_for_event("run_started"));
        wait_for(PATIENCE, "the inner run", || {
            let said = fs::read_to_string(bench.root().join("inner")).unwrap_or_default();
            said.contains("client_ready")
        });
        let outer = root.join(format!("clean-slate-{run}"));
        let inside = cgroups(&outer, "clean-slate-");
        assert_eq!(inside.len(), 1, "{inside:?}");
        bench.go();
        running.finish().expect(0);
        assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
    });
}

/// A command that cleans up is never a target, whatever cgroup it is in.
#[test]
fn a_command_in_the_cgroup_of_a_dead_run_spares_itself_and_its_shell() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::with_demo(&[]);
        let words = launch("cgroup", &["--", "sleep", "80"]);
        let mut running = bench.start(bench.xtask(words));
        let started = running.wait_for_event("run_started");
        running.wait_for_event("test_started");
        let run = run_of(&started);
        let daemon = "setsid sleep 81 < /dev/null > /dev/null 2>&1 & ";
        let folder = root.join(format!("clean-slate-{run}"));
        let inside = |what: &str| {
            let mut command = bench.command("sh");
            let enter = format!("echo 0 > {}/cgroup.procs; ", folder.display());
            command.args(["-c", &format!("{enter}{what}")]);
            bench.finish(command)
        };
        running.kill_with_guardian(pid_of(&started["guardian"]));
        let cleaned = inside(&format!(
            "{daemon} {} cleanup --all --grace=1s --format=json; echo > survived",
            binary("xtask").display()
        ));
        assert!(bench.root().join("survived").exists(), "{}", cleaned.stderr);
        let report = &cleaned.json()["runs"][0];
        assert_eq!(report["survivors"], 0, "{report:#}");
        assert_eq!(report["ended"], 1, "{report:#}");
        assert_eq!(others(), []);
        // The shell was still in it. Now no process is.
        assert_eq!(cgroups(&root, &run).len(), 1);
        xtask(&bench, 0, &["preflight", "--base-port=auto"]);
        assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
    });
}

/// What a member may do to its own cgroup: `$own` is its folder.
const TRICKS: [(&str, &str); 3] = [
    (
        "cgroups inside at a path that is too long to be named",
        "cd $own; name=$(printf %0240d 0); for i in $(seq 20); do mkdir $name; cd -P ./$name; done; echo 0 > cgroup.procs",
    ),
    ("frozen", "echo 1 > $own/cgroup.freeze"),
    (
        "frozen inside",
        "mkdir $own/inside; echo 0 > $own/inside/cgroup.procs; echo 1 > $own/inside/cgroup.freeze",
    ),
];

/// The words of a test command that leaves a daemon, which plays this trick, and then waits.
fn trickster(trick: &str) -> [String; 3] {
    let script = format!(
        "own={}$(sed -n s/^0:://p /proc/self/cgroup); \
         setsid sh -c 'trap \"\" TERM; own=$0; {trick}; exec sleep 80' $own & \
         until [ -e go ]; do sleep 0.02; done",
        mount().display()
    );
    ["sh".into(), "-c".into(), script]
}

/// Waits until a trick has been played: the one that plays it sleeps, or stands still.
fn wait_for_trick(cgroup: &Path) {
    let is_frozen = |folder: &str| {
        let events = fs::read_to_string(cgroup.join(folder).join("cgroup.events"));
        events.unwrap_or_default().contains("frozen 1")
    };
    let is_asleep = |pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with("sleep\080")
    };
    wait_for(PATIENCE, "the trick", || {
        is_frozen("") || is_frozen("inside") || others().iter().any(|other| is_asleep(other.pid))
    });
}

/// Each is played to a run that its test ends, or a signal where the test stands still too; and to one whose launcher and
/// guardian are killed.
#[test]
fn what_members_do_to_their_cgroup_keeps_no_process_in_it() {
    alone(|| {
        let Some(root) = root() else { return };
        for ((what, trick), is_killed) in TRICKS
            .into_iter()
            .flat_map(|trick| [(trick, false), (trick, true)])
        {
            let bench = Bench::with_demo(&[]);
            let mut words = launch("cgroup", &["--grace=300ms", "--"]);
            words.extend(trickster(trick));
            let mut running = bench.start(bench.xtask(words));
            let started = running.wait_for_event("run_started");
            let run = run_of(&started);
            wait_for_trick(&root.join(format!("clean-slate-{run}")));
            if is_killed {
                running.kill_with_guardian(pid_of(&started["guardian"]));
                xtask(&bench, 0, &["cleanup", "--all", "--grace=300ms"]);
            } else if what == "frozen" {
                running.signal(Signal::TERM);
                running.finish().expect(143);
            } else {
                bench.go();
                running.finish().expect(0);
            }
            bench.assert_nothing_left();
            assert_eq!(others(), [], "{what}");
            assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0], "{what}");
        }
    });
}

/// A process that starts another waits until that runs, and in a frozen cgroup it does not.
#[test]
fn a_client_that_freezes_the_run_keeps_the_guardian_from_nothing() {
    alone(|| {
        let Some(root) = root() else { return };
        let bench = Bench::new();
        let script = format!(
            "(while sleep 0.02; do echo 1 > {}$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.freeze; done) & \
             exec {} serve --port $0",
            mount().display(),
            binary("demo-client").display()
        );
        bench.write(
            "xtask.toml",
            &format!(
                "[profile.freezer]\nprogram = \"sh\"\nargs = [\"-c\", {script:?}, \"{{port}}\"]\n"
            ),
        );
        let mut words = launch("cgroup", &["--profile=freezer", "--grace=300ms"]);
        words.retain(|word| word != "--clients=1");
        words.push("--clients=2".into());
        let mut running = bench.start(bench.xtask(words));
        let run = run_of(&running.wait_for_event("run_started"));
        running.wait_for_event("client_started");
        running.signal(Signal::KILL);
        running.finish();
        bench.assert_nothing_left_within(PATIENCE);
        wait_for(PATIENCE, "the cgroup to go", || {
            cgroups(&root, &run).is_empty()
        });
    });
}

/// Nothing of a run is older than its guardian.
#[test]
fn a_process_that_is_moved_into_the_cgroup_of_a_run_is_spared() {
    alone(|| {
        let Some(root) = root() else { return };
        for is_killed in [false, true] {
            let bench = Bench::with_demo(&[]);
            let mut command = bench.command("sleep");
            command.arg("80");
            let bystander = bench.start(command);
            // A process that is started in the same hundredth of a second is not older.
            let start = Process::read(bystander.pid()).unwrap().identity().start;
            wait_for(PATIENCE, "a later start", || {
                let uptime = fs::read_to_string("/proc/uptime").unwrap();
                let (seconds, _) = uptime.split_once(' ').unwrap();
                seconds.replace('.', "").parse::<u64>().unwrap() > start
            });
            let words = launch(
                "cgroup",
                &["--grace=300ms", "--", HOLD[0], HOLD[1], HOLD[2]],
            );
            let mut running = bench.start(bench.xtask(words));
            let started = running.wait_for_event("run_started");
            running.wait_for_event("test_started");
            let run = run_of(&started);
            let entrance = root.join(format!("clean-slate-{run}/cgroup.procs"));
            fs::write(&entrance, bystander.pid().to_string()).unwrap();
            if is_killed {
                running.kill_with_guardian(pid_of(&started["guardian"]));
                xtask(&bench, 0, &["cleanup", "--all", "--grace=300ms"]);
            } else {
                bench.go();
                // Its cgroup cannot be removed with a process in it.
                running.finish().expect(104);
            }
            let left: Vec<u32> = others().iter().map(|other| other.pid).collect();
            assert_eq!(
                left,
                [bystander.pid()],
                "killed: {is_killed}, started: {started}"
            );
            drop(bystander);
            xtask(&bench, 0, &["preflight", "--base-port=auto"]);
            assert_eq!(cgroups(&root, &run), [] as [PathBuf; 0]);
        }
    });
}
