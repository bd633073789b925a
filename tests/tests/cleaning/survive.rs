//! Programs that a profile lets live on (`survive`): they outlive the run that started them and every cleaning of it,
//! and nothing else does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::cgroup::{self, Delegated};
use tests::namespace::{alone, others};
use tests::user::{ORDINARY, become_ordinary, can_become_ordinary};
use tests::{Bench, PATIENCE, assert_documented, binary, is_alive, pid_of, skip, wait_for};

use crate::support::{kill, report, xtask};

/// A client that starts a daemon, which starts a helper, and a daemon that is not declared; then it serves.
const CLIENT: &str = "#!/bin/sh
daemon() { setsid \"$@\" </dev/null >/dev/null 2>&1 & }
daemon ./zenserver
daemon ./other --stand-in-roll=.
until ls other.* helper.*; do sleep 0.02; done
exec demo-client serve --port $1 --life 60s
";

/// It is a script, so that its name is not that of the file that it executes.
const DAEMON: &str = "#!/bin/sh\n./helper --stand-in-roll=. &\nwait\n";

const PROFILE: &str = "[profile.demo]\nprogram = './client'\nargs = ['{port}']\n";

/// Everything that is started in such a bench: what is to live on, and what is not.
struct Cast {
    daemon: u32,
    helper: u32,
    other: u32,
}

fn bench(survive: &str) -> Bench {
    let bench = Bench::with_config(&format!("{PROFILE}survive = {survive}\n"));
    bench.write_program("client", CLIENT);
    bench.write_program("zenserver", DAEMON);
    for name in ["helper", "other"] {
        fs::copy(binary("stand-in"), bench.root().join(name)).unwrap();
    }
    bench
}

/// The mechanisms from which something can be let go.
fn mechanisms() -> Vec<&'static str> {
    if cgroup::root().is_none() {
        skip("there is no cgroup2 file system that this user may write to");
        return vec!["subreaper"];
    }
    vec!["subreaper", "cgroup"]
}

fn launch<'a>(contain: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let launch = [
        "launch",
        "--format=json",
        "--base-port=auto",
        "--clients=1",
        "--contain",
        contain,
    ];
    [&launch[..], further].concat()
}

/// What was started, by the notes that it has left.
fn cast(bench: &Bench) -> Cast {
    let pid = |name: &str| {
        let entries = fs::read_dir(bench.root()).unwrap().flatten();
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let pid = names.find_map(|note| note.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
        pid.unwrap()
    };
    let helper = pid("helper");
    let stat = fs::read_to_string(format!("/proc/{helper}/stat")).unwrap();
    Cast {
        daemon: stat.split(' ').nth(3).unwrap().parse().unwrap(),
        helper,
        other: pid("other"),
    }
}

fn assert_only_the_declared_live(cast: &Cast) {
    assert!(!is_alive(cast.other), "what was not declared");
    // A guardian says that it is done before it leaves.
    wait_for(PATIENCE, "only what was declared to be left", || {
        let left: BTreeSet<u32> = others().iter().map(|other| other.pid).collect();
        left == BTreeSet::from([cast.daemon, cast.helper])
    });
    // What is on its way out is gone by now.
    assert!(is_alive(cast.daemon) && is_alive(cast.helper));
}

fn end(cast: &Cast) {
    // The shell does not wait for a helper that is gone.
    kill(cast.daemon);
    kill(cast.helper);
}

fn names_of(events: &[Value]) -> Vec<&str> {
    let names = events.iter().map(|event| &event["process"]["name"]);
    names.map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn what_is_declared_lives_on_with_what_it_has_started_and_is_no_leak() {
    alone(|| {
        for contain in mechanisms() {
            let bench = bench("['ZenServer*.EXE']");
            // The client is gone before the end: what it has left would be a leak.
            let quit =
                "curl --silent --max-time 10 --request POST $XTASK_CLIENT_1_URL/quit; sleep 60";
            let mut running = bench.start(bench.xtask(launch(contain, &["--", "sh", "-c", quit])));
            running.wait_for_event("client_ready");
            let cast = cast(&bench);
            let finished = running.finish().expect(101);
            assert_only_the_declared_live(&cast);
            finished.events().iter().for_each(assert_documented);
            let living = finished.events_of("lives_on");
            let pids: Vec<u32> = living
                .iter()
                .map(|event| pid_of(&event["process"]["identity"]))
                .collect();
            assert!(pids.len() == 2 && pids.contains(&cast.daemon) && pids.contains(&cast.helper));
            assert!(living.iter().all(|event| event["started_by"] == "client 1"));
            assert_eq!(names_of(&finished.events_of("leak")), ["other"]);
            let last = finished.event("run_finished");
            assert_eq!(
                (&last["living_on"], &last["survivors"]),
                (&2.into(), &0.into())
            );
            // It is in no cgroup that only a run has, so that this one could be removed.
            let cgroup = cgroup::of(cast.daemon).unwrap_or_default();
            assert!(!cgroup.contains("clean-slate"), "{cgroup}");
            end(&cast);
        }
    });
}

#[test]
fn a_test_may_leave_behind_what_a_client_may() {
    alone(|| {
        let profile = tests::demo_profile("demo", &[]);
        let bench = Bench::with_config(&format!("{profile}survive = ['helper']\n"));
        for name in ["helper", "other"] {
            fs::copy(binary("stand-in"), bench.root().join(name)).unwrap();
        }
        let start = "for name in helper other; do \
                     setsid ./$name --stand-in-roll=. </dev/null >/dev/null 2>&1 & done; \
                     until ls helper.* other.*; do sleep 0.02; done";
        let test = launch("auto", &["--", "sh", "-c", start]);
        let finished = bench.run(test).expect(0);
        let living = finished.event("lives_on");
        assert_eq!(living["started_by"], "the test");
        assert_eq!(names_of(&finished.events_of("leak")), ["other"]);
        let helper = pid_of(&living["process"]["identity"]);
        wait_for(PATIENCE, "only the helper to be left", || {
            let others = others();
            others.len() == 1 && others[0].pid == helper
        });
        kill(helper);
    });
}

#[test]
fn what_is_not_declared_ends() {
    alone(|| {
        // Neither a name that only resembles it, nor the name of the client itself, is a declaration of the daemon.
        for survive in ["[]", "['zen']", "['client', 'demo-client', 'sh']"] {
            for contain in mechanisms() {
                let bench = bench(survive);
                let finished = bench.run(launch(contain, &["--", "true"])).expect(0);
                let living = finished.events_of("lives_on");
                if survive.contains("sh") {
                    // A script is run by its shell, which was declared.
                    assert_eq!(living.len(), 2);
                    let pids = living.iter().map(|event| &event["process"]["identity"]);
                    pids.for_each(|identity| kill(pid_of(identity)));
                } else {
                    assert_eq!(living, [] as [Value; 0]);
                }
                bench.assert_nothing_left();
            }
        }
    });
}

#[test]
fn from_a_pid_namespace_nothing_lives_on_and_the_launch_says_so() {
    alone(|| {
        let bench = bench("['zenserver']");
        let finished = bench.run(launch("pidns", &["--", "true"]));
        if finished.code == 105 {
            return skip("no PID namespace is available here");
        }
        let finished = finished.expect(0);
        bench.assert_nothing_left();
        assert_eq!(finished.event("run_finished")["living_on"], 0);
        let warning = "warning: pidns lets nothing live on";
        assert!(finished.stderr.contains(warning), "{}", finished.stderr);
    });
}

/// Whatever cleans afterwards does not take it for the run's, though it carries the run's mark and cookie.
#[test]
fn no_cleaning_ends_what_lives_on_unless_a_group_names_it() {
    alone(|| {
        for contain in mechanisms() {
            let bench = bench("['zenserver']");
            let mut running = bench.start(bench.xtask(launch(contain, &["--detach"])));
            let run = running.wait_for_event("run_started")["run"].clone();
            running.finish().expect(0);
            let cast = cast(&bench);
            let ended = xtask(&bench, 0, &["cleanup", "--run", run.as_str().unwrap()]);
            let processes = ended["runs"][0]["processes"].as_array().unwrap();
            let action = |pid: u32| {
                let is_it = |process: &&Value| pid_of(&process["identity"]) == pid;
                processes.iter().find(is_it).unwrap()["action"].clone()
            };
            assert_eq!(action(cast.daemon), "spared");
            assert_eq!(action(cast.helper), "spared");
            assert_only_the_declared_live(&cast);

            for command in [&["preflight"][..], &["cleanup", "--all"], &["postflight"]] {
                let cleaned = xtask(&bench, 0, command);
                let spared = report(&cleaned, cast.daemon).unwrap();
                assert_eq!(spared["action"], "spared");
                assert_eq!(spared["judgement"]["reason"]["kind"], "lives_on");
                assert_only_the_declared_live(&cast);
            }
            let explain = ["cleanup", "--explain", &cast.helper.to_string()];
            let explained = bench.run(explain).expect(0).stdout;
            assert!(explained.contains("`survive`"), "{explained}");

            let group =
                format!("{PROFILE}survive = ['zenserver']\n[group.zen]\nname = ['helper']\n");
            bench.write("xtask.toml", &group);
            xtask(&bench, 0, &["cleanup", "--group", "zen"]);
            // It waits for its helper.
            wait_for(PATIENCE, "the daemon to end by itself", || {
                others().is_empty()
            });
        }
    });
}

/// What it has started has lost its parent by then, and with it what told the two apart from the run.
#[test]
fn no_cleaning_ends_what_has_outlived_what_lives_on() {
    alone(|| {
        for contain in mechanisms() {
            let bench = bench("['zenserver']");
            bench.run(launch(contain, &["--", "true"])).expect(0);
            let cast = cast(&bench);
            assert_only_the_declared_live(&cast);
            kill(cast.daemon);
            for command in [&["preflight"][..], &["cleanup", "--all"], &["postflight"]] {
                let cleaned = xtask(&bench, 0, command);
                assert_eq!(report(&cleaned, cast.helper).unwrap()["action"], "spared");
                assert!(is_alive(cast.helper), "{command:?}");
            }
            kill(cast.helper);
        }
    });
}

#[test]
fn no_group_ends_it_while_its_run_goes_on() {
    alone(|| {
        let zen = "survive = ['zenserver']\n[group.zen]\nname = ['helper']\nlimit = 0\n";
        let bench = bench("[]");
        bench.write("xtask.toml", &format!("{PROFILE}{zen}"));
        bench.run(launch("auto", &["--detach"])).expect(0);
        let cast = cast(&bench);
        for command in [&["preflight"][..], &["cleanup", "--group", "zen"]] {
            let cleaned = xtask(&bench, 0, command);
            assert_eq!(report(&cleaned, cast.helper).unwrap()["action"], "spared");
            assert!(is_alive(cast.helper), "{command:?}");
        }
        // It ends the run first, and cleans the group then.
        xtask(&bench, 0, &["postflight"]);
        assert!(!is_alive(cast.helper));
        // The daemon waits for its helper.
        wait_for(PATIENCE, "the daemon to end by itself", || {
            others().is_empty()
        });
    });
}

/// A client that has started a declared program which is long gone when the run ends.
#[test]
fn what_has_ended_by_itself_is_not_said_to_live_on() {
    alone(|| {
        let bench = bench("['zenserver']");
        let client = CLIENT.replace(
            "daemon ./zenserver\n",
            "(daemon ./zenserver --stand-in-roll=. --stand-in-life=1)\n\
             until ls zenserver.*; do sleep 0.02; done\n\
             (daemon ./helper --stand-in-roll=. --stand-in-life=0)\n",
        );
        bench.write_program("client", &client);
        fs::remove_file(bench.root().join("zenserver")).unwrap();
        fs::copy(binary("stand-in"), bench.root().join("zenserver")).unwrap();
        let wait = "pid=$(ls zenserver.*); while kill -0 ${pid#*.}; do sleep 0.02; done";
        let finished = bench
            .run(launch("auto", &["--", "sh", "-c", wait]))
            .expect(0);
        assert_eq!(finished.events_of("lives_on"), [] as [Value; 0]);
        assert_eq!(finished.event("run_finished")["living_on"], 0);
    });
}

/// The guardian and the launcher are killed, so that the next command finishes the run.
#[test]
fn what_is_declared_lives_on_when_a_later_command_finishes_the_run() {
    alone(|| {
        for contain in mechanisms() {
            let bench = bench("['zenserver']");
            let mut running = bench.start(bench.xtask(launch(contain, &[])));
            let started = running.wait_for_event("run_started");
            running.wait_for_event("client_ready");
            let cast = cast(&bench);
            running.kill_with_guardian(pid_of(&started["guardian"]));
            let dry = xtask(&bench, 0, &["cleanup", "--all", "--dry-run"]);
            let would_end = dry["runs"][0]["processes"].as_array().unwrap();
            assert!(would_end.iter().all(|process| {
                let pid = pid_of(&process["identity"]);
                pid != cast.daemon && pid != cast.helper
            }));
            xtask(&bench, 0, &["preflight", "--base-port=auto"]);
            assert_only_the_declared_live(&cast);
            if let Some(root) = cgroup::root() {
                let left = cgroup::left_of(&bench.runs(), &root);
                assert_eq!(left, [] as [&Path; 0]);
            }
            end(&cast);
        }
    });
}

/// The guardian alone is killed, and the launcher finishes the run.
#[test]
fn what_is_declared_lives_on_when_the_launcher_finishes_the_run() {
    alone(|| {
        for contain in mechanisms() {
            let bench = bench("['zenserver']");
            let mut running = bench.start(bench.xtask(launch(contain, &[])));
            let started = running.wait_for_event("run_started");
            running.wait_for_event("client_ready");
            let cast = cast(&bench);
            kill(pid_of(&started["guardian"]));
            let finished = running.finish().expect(110);
            assert_only_the_declared_live(&cast);
            assert_eq!(finished.events_of("lives_on").len(), 2);
            assert_eq!(finished.event("run_finished")["living_on"], 2);
            end(&cast);
        }
    });
}

/// Letting go of something takes a place to put it, which is where the user's own processes are.
#[test]
fn an_ordinary_user_lets_go_of_it_into_what_was_delegated() {
    alone(|| {
        if !can_become_ordinary() {
            return skip("only root can become another user");
        }
        let Some(delegated) = Delegated::to(ORDINARY) else {
            return skip("no cgroup can be delegated");
        };
        let bench = bench("['zenserver']");
        bench.open_to_everybody();
        let mut command = bench.command("env");
        command
            .args(delegated.entrance())
            .args(become_ordinary())
            .arg(bench.programs())
            .args(launch("cgroup", &["--", "true"]));
        let finished = bench.finish(command).expect(0);
        let cast = cast(&bench);
        assert_only_the_declared_live(&cast);
        assert_eq!(finished.event("run_finished")["living_on"], 2);
        assert_eq!(delegated.inside(), [] as [&Path; 0]);
        end(&cast);
        delegated.assert_empty();
    });
}

#[test]
fn a_detached_run_is_over_when_only_what_lives_on_is_left() {
    alone(|| {
        let bench = bench("['zenserver']");
        bench.run(launch("auto", &["--detach"])).expect(0);
        let cast = cast(&bench);
        kill(cast.other);
        let is_client = |command: &str| command.contains("demo-client");
        let others = others();
        let client = others.iter().find(|other| is_client(&other.command));
        kill(client.unwrap().pid);
        wait_for(PATIENCE, "the guardian to leave", || {
            tests::namespace::others().len() == 2
        });
        assert_only_the_declared_live(&cast);
        end(&cast);
    });
}
