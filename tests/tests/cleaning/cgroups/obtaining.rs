//! Which launch gets a cgroup, and what one that gets none says.

use std::process::Command;

use serde_json::Value;
use tests::cgroup::Delegated;
use tests::namespace::alone;
use tests::user::{ORDINARY, become_ordinary, can_become_ordinary};
use tests::{Bench, Finished, PATIENCE, binary, pid_of, skip, wait_for};

use super::{launch, mount, root};

/// `xtask` as a user that is not root, and that finds all programs in the bench.
fn as_ordinary_user(bench: &Bench, arguments: &[String], place: Option<&Delegated>) -> Command {
    bench.open_to_everybody();
    let mut command = bench.command("env");
    if let Some(place) = place {
        command.args(place.entrance());
    }
    command.args(become_ordinary());
    command.arg(bench.programs()).args(arguments);
    command
}

fn mechanism_of(finished: &Finished) -> Value {
    finished.event("run_started")["mechanism"].clone()
}

#[test]
fn an_ordinary_user_gets_one_where_the_own_cgroup_was_delegated() {
    alone(|| {
        if root().is_none() {
            return;
        }
        if !can_become_ordinary() {
            return skip("only root can become another user");
        }
        let Some(delegated) = Delegated::to(ORDINARY) else {
            return skip("this user may not hand a cgroup over to another");
        };
        let bench = Bench::with_demo(&[]);
        let words = launch("auto", &["--", "cat", "/proc/self/cgroup"]);
        let finished = bench.finish(as_ordinary_user(&bench, &words, Some(&delegated)));
        let finished = finished.expect(0);
        assert_eq!(mechanism_of(&finished), "cgroup");
        let name = delegated.folder().file_name().unwrap().to_string_lossy();
        assert!(
            finished.stderr.contains(&format!("/{name}/clean-slate-")),
            "{}",
            finished.stderr
        );
        bench.assert_nothing_left();
        delegated.assert_empty();
    });
}

/// To members of the same user the run's cgroup is a folder like any other.
#[test]
fn a_member_that_takes_away_permissions_ends_with_its_run_all_the_same() {
    alone(|| {
        if root().is_none() {
            return;
        }
        if !can_become_ordinary() {
            return skip("only root can become another user");
        }
        let Some(delegated) = Delegated::to(ORDINARY) else {
            return skip("this user may not hand a cgroup over to another");
        };
        for follows in [false, true] {
            let bench = Bench::new();
            bench.write("xtask.toml", &bench.zoo_profile("zoo", "clears-everything"));
            let script = format!(
                "own={}$(sed -n s/^0:://p /proc/self/cgroup); mkdir $own/x; \
                 chmod 0 $own/x/* $own/x $own/cgroup.* $own; echo > closed; until [ -e go ]; do sleep 0.02; done",
                mount().display()
            );
            let words = launch(
                "cgroup",
                &["--profile=zoo", "--grace=300ms", "--", "sh", "-c", &script],
            );
            let mut running = bench.start(as_ordinary_user(&bench, &words, Some(&delegated)));
            let started = running.wait_for_event("run_started");
            wait_for(PATIENCE, "a cgroup without permissions", || {
                bench.root().join("closed").exists()
            });
            if follows {
                running.kill_with_guardian(pid_of(&started["guardian"]));
                let words = ["cleanup", "--all", "--grace=300ms"].map(str::to_owned);
                let cleaned = bench.finish(as_ordinary_user(&bench, &words, None));
                cleaned.expect(0);
            } else {
                bench.go();
                running.finish().expect(0);
            }
            bench.assert_nothing_left();
            delegated.assert_empty();
        }
    });
}

#[test]
fn an_ordinary_user_without_one_falls_back_and_says_so() {
    alone(|| {
        if !can_become_ordinary() {
            return skip("only root can become another user");
        }
        let bench = Bench::with_demo(&[]);
        let finished = bench.finish(as_ordinary_user(
            &bench,
            &launch("auto", &["--", "true"]),
            None,
        ));
        let finished = finished.expect(0);
        assert_eq!(mechanism_of(&finished), "subreaper");
        let unavailable = &finished.event("run_started")["unavailable"];
        assert_eq!(unavailable[0]["mechanism"], "cgroup", "{unavailable}");
        assert!(!unavailable[0]["why"].as_str().unwrap().is_empty());

        let refused = bench.finish(as_ordinary_user(
            &bench,
            &launch("cgroup", &["--", "true"]),
            None,
        ));
        let refused = refused.expect(105);
        let last = refused.event("run_finished");
        let message = last["message"].as_str().unwrap();
        assert!(
            message.contains("cgroup") && message.contains("ermission denied"),
            "{message}"
        );
        assert_eq!(last["exit"]["name"], "guarantee");
        assert_eq!(refused.events_of("client_started"), [] as [Value; 0]);
        bench.assert_nothing_left();
        let status = bench.finish(as_ordinary_user(
            &bench,
            &["status", "--format=json"].map(str::to_owned),
            None,
        ));
        assert_eq!(status.expect(0).json()["runs"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn a_level_that_is_not_to_be_had_is_no_launch() {
    alone(|| {
        let bench = Bench::with_demo(&[]);
        let refused = bench
            .run(launch("auto", &["--require=kernel", "--", "true"]))
            .expect(105);
        let message = refused.event("run_finished")["message"].to_string();
        assert!(message.contains("--contain pidns"), "{message}");
        bench.assert_nothing_left();
        bench
            .run(launch("auto", &["--require=whole-tree", "--", "true"]))
            .expect(0);
        bench.write("xtask.toml", "[launch]\nrequire = 'kernel'\n");
        bench.run(launch("auto", &["--", "true"])).expect(105);
        bench.write("xtask.toml", "[launch]\ncontain = 'subreaper'\n");
        let words = [
            "launch",
            "--format=json",
            "--base-port=auto",
            "--clients=1",
            "--",
            "true",
        ];
        assert_eq!(mechanism_of(&bench.run(words).expect(0)), "subreaper");
        let wrong = bench.run(["launch", "--contain=cgruop"]).expect(2);
        assert!(wrong.stderr.contains("'cgroup'"), "{}", wrong.stderr);
        bench.write("xtask.toml", "[launch]\nrequire = 'kernal'\n");
        let wrong = bench.run(["launch"]).expect(106);
        assert!(
            wrong.stderr.contains("did you mean \"kernel\"?"),
            "{}",
            wrong.stderr
        );
    });
}

/// As in a container whose cgroup file system can only be read.
#[test]
fn a_file_system_that_cannot_be_written_is_named() {
    alone(|| {
        if root().is_none() {
            return;
        }
        let bench = Bench::with_demo(&[]);
        let read_only = |contain| {
            let words = launch(contain, &["--", "true"]);
            let mut command = bench.command("unshare");
            let remount = format!(
                "mount -o remount,bind,ro {} && exec \"$@\"",
                mount().display()
            );
            command.args(["--mount", "sh", "-c", &remount, "sh"]);
            command.arg(binary("xtask")).args(words);
            bench.finish(command)
        };
        assert_eq!(mechanism_of(&read_only("auto").expect(0)), "subreaper");
        let refused = read_only("cgroup").expect(105);
        let message = refused.event("run_finished")["message"].to_string();
        assert!(message.contains("ead-only"), "{message}");
        bench.assert_nothing_left();
    });
}
