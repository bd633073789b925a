//! Two projects at the same time: neither touches what belongs to the other.

use std::path::Path;

use rustix::process::Signal;
use tests::namespace::{alone, others};
use tests::{Bench, is_alive, pid_of};

use crate::support::{
    CLIENT, SCRIPT, SCRIPT_PROFILE, assert_alive, assert_gone, here, kill, outside, python, xtask,
};

/// Runs `xtask` in another folder, with the state of the bench.
fn at(bench: &Bench, folder: &Path, arguments: &[&str]) -> tests::Finished {
    let mut command = bench.xtask(arguments);
    command.current_dir(folder);
    bench.finish(command)
}

fn neither_touches(other: &Path, bench: &Bench) {
    std::fs::create_dir_all(other).unwrap();
    // Its clients are scripts, which the rules of this project name as well.
    std::fs::write(other.join("xtask.toml"), SCRIPT_PROFILE).unwrap();
    std::fs::write(other.join("client.py"), CLIENT).unwrap();
    std::fs::write(other.join("test_other.py"), SCRIPT).unwrap();
    let theirs = python(bench, [other.join("test_other.py")]);
    let launch = ["launch", "--clients=2", "--base-port=auto", "--detach"];
    at(
        bench,
        other,
        &[&launch[..], &["--profile", "script"]].concat(),
    )
    .expect(0);
    bench.run(launch).expect(0);
    let live = |folder: &Path| {
        let status = at(bench, folder, &["status", "--format", "json"]).expect(0);
        let status = status.json();
        let clients = status["runs"][0]["clients"].as_array().cloned();
        clients
            .unwrap_or_default()
            .iter()
            .filter(|client| client["alive"] == true)
            .count()
    };
    assert_eq!((live(&bench.root()), live(other)), (2, 2));

    for arguments in [
        &["preflight", "--strict", "--base-port", "auto"][..],
        &["cleanup", "--python"],
        &["cleanup", "--python", "--all-users", "--group", "unreal"],
        &["cleanup", "--all"],
        &["postflight"],
    ] {
        bench.write("test_mine.py", SCRIPT);
        let mine = python(bench, ["test_mine.py"]);
        let document = xtask(bench, 0, arguments);
        assert_gone(&[("a script of this project", &mine)]);
        assert_eq!(here(&document, "python"), 0);
        assert_alive(&[("a script of the other project", &theirs)]);
        assert_eq!(live(other), 2, "after {arguments:?}");
    }
    assert_eq!(live(&bench.root()), 0);
    // Not even a command for the whole machine gets another project's run.
    xtask(bench, 0, &["cleanup", "--all", "--machine"]);
    assert_eq!(live(other), 2);
    at(bench, other, &["postflight"]).expect(0);
    assert_eq!(live(other), 0);
}

#[test]
fn a_project_beside_this_one_is_never_touched() {
    alone(|| {
        let bench = Bench::new();
        let folder = outside();
        let other = folder.path().join("other");
        neither_touches(&other, &bench);
    });
}

/// A shell may have taken over what a test is told.
#[test]
fn a_run_goes_on_that_was_launched_where_the_environment_names_another() {
    alone(|| {
        let bench = Bench::new();
        let folder = outside();
        std::fs::write(folder.path().join("xtask.toml"), "").unwrap();
        let launch = ["launch", "--clients=1", "--base-port=auto", "--format=json"];
        let first = bench.run([&launch[..], &["--detach"]].concat()).expect(0);
        let first = first.event("run_started");
        let mut command = bench.xtask(launch);
        command.current_dir(folder.path());
        command.env("XTASK_RUN_ID", first["run"].as_str().unwrap());
        let mut launcher = bench.start(command);
        let started = launcher.wait_for_event("run_started");
        launcher.wait_for_event("client_ready");
        kill(pid_of(&first["guardian"]));
        xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        let [guardian, client] = [
            &started["guardian"],
            &launcher.wait_for_event("client_started")["identity"],
        ];
        assert!(is_alive(pid_of(guardian)) && is_alive(pid_of(client)));
        assert_alive(&[("the launcher", &launcher)]);
        launcher.signal(Signal::INT);
        launcher.finish().expect(130);
        let is_over = || others().is_empty();
        tests::wait_for(tests::PATIENCE, "the guardian to leave", is_over);
    });
}

#[test]
fn a_worktree_below_this_one_is_never_touched() {
    alone(|| {
        let bench = Bench::with_config("");
        let other = bench.root().join("worktrees/feature");
        neither_touches(&other, &bench);
    });
}

#[test]
fn a_script_of_this_project_that_holds_another_projects_run_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let folder = outside();
        std::fs::write(folder.path().join("xtask.toml"), SCRIPT_PROFILE).unwrap();
        std::fs::write(folder.path().join("client.py"), CLIENT).unwrap();
        let launcher = "import subprocess, sys\n\
             subprocess.call(['xtask', 'launch', '--profile', 'script', '--clients', '1',\n\
                 '--base-port', 'auto', '--format', 'json'], cwd=sys.argv[1])\n";
        bench.write("launcher.py", launcher);
        let mut command = bench.command("python3");
        command.arg("launcher.py").arg(folder.path());
        let launcher = bench.start(command);
        tests::wait_for(tests::PATIENCE, "the other project's client", || {
            launcher.stdout().contains("client_ready")
        });
        for arguments in [
            &["cleanup", "--all"][..],
            &["preflight", "--base-port", "auto"],
            &["postflight"],
        ] {
            xtask(&bench, 0, arguments);
            assert_alive(&[("the script", &launcher)]);
        }
        let status = at(&bench, folder.path(), &["status", "--format", "json"]).expect(0);
        assert_eq!(status.json()["runs"][0]["clients"][0]["alive"], true);
        at(&bench, folder.path(), &["cleanup", "--all"]).expect(0);
        launcher.finish();
    });
}

#[test]
fn a_worktree_in_which_the_tool_was_never_called_is_not_touched() {
    alone(|| {
        for (root, marks) in [("xtask.toml", "xtask.toml"), (".git/HEAD", ".git")] {
            let bench = Bench::new();
            bench.write(root, "");
            bench.write(&format!("worktrees/feature/{marks}"), "");
            let theirs = bench.write("worktrees/feature/test.py", SCRIPT);
            let theirs = python(&bench, [theirs]);
            bench.write("worktrees/test.py", SCRIPT);
            let mine = python(&bench, ["worktrees/test.py"]);
            xtask(&bench, 0, &["cleanup", "--all"]);
            assert_gone(&[("a script of this project", &mine)]);
            xtask(&bench, 0, &["postflight"]);
            assert_alive(&[("a script of the worktree", &theirs)]);
        }
    });
}

#[test]
fn a_dead_run_is_its_own_projects_to_finish() {
    alone(|| {
        let bench = Bench::new();
        let folder = outside();
        let leaving = "[profile.leaving]\nprogram = \"sh\"\nargs = [\"-c\", \"setsid sleep 80 & \
                       exec demo-client serve --port {port} --life 60s\"]\n";
        std::fs::write(folder.path().join("xtask.toml"), leaving).unwrap();
        let launch = [
            "launch",
            "--profile=leaving",
            "--clients=1",
            "--base-port=auto",
        ];
        let detach = ["--detach", "--format", "json"];
        let launched = at(&bench, folder.path(), &[&launch[..], &detach].concat()).expect(0);
        kill(pid_of(&launched.event("run_started")["guardian"]));
        let one_is_left = || others().len() == 1;
        tests::wait_for(tests::PATIENCE, "the client to be gone", one_is_left);
        for arguments in [
            &["preflight", "--base-port", "auto"][..],
            &["cleanup", "--all", "--machine"],
            &["postflight"],
        ] {
            xtask(&bench, 0, arguments);
            assert!(one_is_left());
        }
        at(&bench, folder.path(), &["postflight"]).expect(0);
        assert_eq!(others(), []);
    });
}

#[test]
fn a_process_table_of_another_namespace_is_refused() {
    alone(|| {
        let bench = Bench::new();
        let guilty = [(); 3].map(|()| python(&bench, [bench.write("test_mine.py", SCRIPT)]));
        for arguments in [
            &["cleanup", "--all"][..],
            &["preflight", "--base-port", "auto"],
            &["postflight"],
        ] {
            // In there the numbers of `/proc` mean other processes, or none.
            let mut command = bench.command("unshare");
            command
                .args(["--fork", "--pid", "--kill-child"])
                .arg(tests::binary("xtask"))
                .args(arguments);
            let refused = bench.finish(command).expect(104);
            assert!(
                refused.stderr.contains("another PID namespace"),
                "{}",
                refused.stderr
            );
        }
        assert_alive(&guilty.each_ref().map(|guilty| ("a script", guilty)));
    });
}
