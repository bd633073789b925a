//! `cleanup` and the runs of the scope that go on.

use serde_json::Value;
use tests::namespace::{alone, others};
use tests::{Bench, assert_documented, pid_of};

use crate::support::{
    CLIENT, SCRIPT, SCRIPT_PROFILE, assert_alive, outside, python, script, xtask,
};

const LAUNCH: [&str; 4] = ["launch", "--clients=2", "--base-port=auto", "--format=json"];

#[test]
fn a_detached_run_is_ended_by_its_id() {
    alone(|| {
        let bench = Bench::new();
        let launch = || bench.run([&LAUNCH[..], &["--detach"]].concat()).expect(0);
        let (first, second) = (launch(), launch());
        let id = |launched: &tests::Finished| {
            launched.event("run_finished")["run"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let wrong = xtask(&bench, 106, &["cleanup", "--run", &id(&first)[..12]]);
        assert!(
            wrong["message"]
                .as_str()
                .unwrap()
                .contains("this project has no run")
        );
        let mut mistyped = id(&first);
        mistyped.pop();
        let wrong = bench.run(["cleanup", "--run", &mistyped]).expect(106);
        assert!(wrong.stderr.contains("did you mean"), "{}", wrong.stderr);
        assert_eq!(others().len(), 6);

        let ended = xtask(&bench, 0, &["cleanup", "--run", &id(&first)]);
        assert_eq!(ended["open_runs"], 1);
        let runs = ended["runs"].as_array().unwrap();
        let of = |id: String| runs.iter().find(|run| run["run"] == id.as_str()).unwrap();
        assert_eq!(of(id(&first))["action"], "ended");
        assert_eq!(of(id(&first))["processes"].as_array().unwrap().len(), 2);
        assert_eq!(of(id(&second))["action"], "kept");
        assert_eq!(others().len(), 3);
        // Once more, it is over.
        xtask(&bench, 0, &["cleanup", "--run", &id(&first)]);
        xtask(&bench, 0, &["cleanup", "--all"]);
        assert_eq!(others(), []);
    });
}

#[test]
fn an_attached_run_that_is_ended_by_its_id_says_so() {
    alone(|| {
        let bench = Bench::new();
        let mut attached = bench.start(bench.xtask(LAUNCH));
        let run = attached.wait_for_event("run_started")["run"].clone();
        attached.wait_for_event("client_ready");
        let dry = xtask(
            &bench,
            0,
            &["cleanup", "--run", run.as_str().unwrap(), "--dry-run"],
        );
        assert_eq!(dry["runs"][0]["action"], "would_end");
        assert!(attached.child.try_wait().unwrap().is_none());
        let ended = xtask(&bench, 0, &["cleanup", "--run", run.as_str().unwrap()]);
        assert_eq!(ended["runs"][0]["action"], "ended");
        let finished = attached.finish().expect(143);
        finished.events().iter().for_each(assert_documented);
        let last = finished.events().pop().unwrap();
        assert_eq!(last["event"], "run_finished");
        assert_eq!(last["exit"]["code"], 143);
    });
}

#[test]
fn the_big_broom_ends_a_run_under_its_launcher_too() {
    alone(|| {
        let bench = Bench::new();
        let mut attached = bench.start(bench.xtask(LAUNCH));
        attached.wait_for_event("client_ready");
        let ended = xtask(&bench, 0, &["cleanup", "--all"]);
        assert_eq!(ended["open_runs"], 0);
        attached.finish().expect(143);
        assert_eq!(others(), []);
    });
}

/// A test command that cleans in every way, and writes down what the tool says. The clients, its own ancestors, and
/// the loop script that holds the run have to live on.
const CLEANING_TEST: &str = r#"
import json, os, subprocess
for arguments in (["cleanup", "--all"], ["cleanup", "--python", "--group", "monitor", "--unreal"],
                  ["postflight"], ["preflight", "--base-port", "auto"],
                  ["cleanup", "--run", os.environ["XTASK_RUN_ID"]]):
    done = subprocess.run(["xtask", *arguments, "--format", "json"], stdout=subprocess.PIPE, text=True)
    with open("said", "a") as said:
        print(json.dumps({"code": done.returncode, "document": json.loads(done.stdout)}), file=said)
"#;

const LAUNCHING_LOOP: &str = r#"
import subprocess, sys
sys.exit(subprocess.call(["xtask", "launch", "--profile", "script", "--clients", "2", "--base-port", "auto",
                          "--format", "json", "--", "python3", "cleaning_test.py"]))
"#;

#[test]
fn a_test_that_cleans_does_not_end_the_run_that_it_is_part_of() {
    alone(|| {
        // The clients are scripts of the project as well.
        let bench = Bench::with_config(SCRIPT_PROFILE);
        bench.write("client.py", CLIENT);
        bench.write("cleaning_test.py", CLEANING_TEST);
        bench.write("loop.py", LAUNCHING_LOOP);
        let mut command = bench.command("python3");
        command.arg("loop.py");
        let finished = bench.finish(command).expect(0);
        let last = finished.event("run_finished");
        assert_eq!(last["message"], "the test passed");
        let said = std::fs::read_to_string(bench.root().join("said")).unwrap();
        let said: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let codes: Vec<&Value> = said.iter().map(|said| &said["code"]).collect();
        // Only the last one cannot do what it was asked for.
        assert_eq!(codes, [0, 0, 0, 0, 107], "{said:#?}");
        for document in said.iter().map(|said| &said["document"]) {
            assert_documented(document);
            for kept in document["runs"].as_array().unwrap() {
                assert_eq!(kept["action"], "kept");
            }
        }
        assert_eq!(said[0]["document"]["runs"][0]["kept"], "inside");
        assert_eq!(others(), []);
    });
}

#[test]
fn a_run_that_another_process_holds_is_not_said_to_be_over() {
    alone(|| {
        let bench = Bench::new();
        let launched = bench.run([&LAUNCH[..], &["--detach"]].concat()).expect(0);
        let lock = bench.runs()[0].join("lock");
        tests::signal(
            pid_of(&launched.event("run_started")["guardian"]),
            rustix::process::Signal::KILL,
        );
        let mut holder = bench.command("flock");
        holder.arg(&lock).args(["-c", "echo held; exec sleep 60"]);
        let holder = bench.start(holder);
        tests::wait_for(tests::PATIENCE, "the lock", || {
            holder.stdout().contains("held")
        });
        for command in [&["cleanup", "--all"][..], &["postflight"]] {
            let refused = xtask(&bench, 104, &[command, &["--grace", "1ms"]].concat());
            assert_eq!(refused["runs"][0]["kept"], "busy");
            let problem = refused["problems"][0].as_str().unwrap();
            assert!(problem.starts_with("not clean: could not end run "));
        }
        drop(holder);
        tests::wait_for(tests::PATIENCE, "the lock to be free", || {
            others().is_empty()
        });
        xtask(&bench, 0, &["cleanup", "--all"]);
        assert_eq!(others(), []);
    });
}

/// A process of a run that takes its lock when the guardian is gone keeps no command from ending the run.
#[test]
fn a_run_that_holds_its_own_lock_is_ended() {
    alone(|| {
        // The second one holds what it has opened by a mount that it does not see any more.
        let takes = "flock {run_dir}/lock sh -c 'echo > held; exec sleep 60'";
        let moves =
            "(flock 9; exec unshare -m sh -c 'echo > held; exec sleep 60') 9>>{run_dir}/lock";
        for (client, command) in [
            (takes, &["cleanup", "--all"][..]),
            (moves, &["preflight"]),
            (takes, &["postflight"]),
        ] {
            let config = format!(
                "[profile.demo]\nprogram = \"sh\"\n\
                 args = [\"-c\", \"{client} & exec demo-client serve --port {{port}}\"]\n"
            );
            let bench = Bench::with_config(&config);
            let launched = bench.run([&LAUNCH[..], &["--detach"]].concat()).expect(0);
            tests::signal(
                pid_of(&launched.event("run_started")["guardian"]),
                rustix::process::Signal::KILL,
            );
            tests::wait_for(tests::PATIENCE, "the run to hold its lock", || {
                bench.root().join("held").exists()
            });
            let ended = xtask(&bench, 0, &[command, &["--grace", "1s"]].concat());
            assert_eq!(ended["runs"][0]["action"], "ended", "{ended:#}");
            bench.assert_nothing_left();
        }
        assert_eq!(others(), []);
    });
}

/// A client with a control socket of its own, at which it says that all is over, or talks without end, or accepts
/// nothing.
const IMPOSTOR: &str = r#"
import os, socket, sys, time
folder, kind = sys.argv[1], sys.argv[3]
os.chdir(folder)
os.unlink("door")
listener = socket.socket(socket.AF_UNIX)
listener.bind("door")
listener.listen(0)
if kind == "crowd":
    first = socket.socket(socket.AF_UNIX)
    first.connect("door")
if os.fork() == 0:
    os.execvp("demo-client", ["demo-client", "serve", "--port", sys.argv[2], "--life", "60s"])
while kind == "crowd":
    time.sleep(1)
while True:
    link, _ = listener.accept()
    try:
        link.recv(4096)
        while kind == "talk":
            link.sendall(b'{"notice":"at_work"}\n')
            time.sleep(0.2)
        link.sendall(b'{"notice":"finished"}\n')
    except OSError:
        pass
"#;

#[test]
fn a_process_in_the_place_of_the_guardian_is_neither_believed_nor_waited_for() {
    alone(|| {
        for (kind, command) in [
            ("lie", &["cleanup", "--all"][..]),
            ("talk", &["postflight"]),
            ("crowd", &["cleanup", "--all"]),
        ] {
            let config = format!(
                "[profile.demo]\nprogram = \"python3\"\n\
                 args = [\"impostor.py\", \"{{run_dir}}\", \"{{port}}\", \"{kind}\"]\n"
            );
            let bench = Bench::with_config(&config);
            bench.write("impostor.py", IMPOSTOR);
            // One impostor: two would take the control socket away from each other.
            let launch = ["launch", "--clients=1", "--base-port=auto", "--detach"];
            bench.run(launch).expect(0);
            let ended = xtask(&bench, 0, &[command, &["--grace", "1s"]].concat());
            assert_eq!(ended["runs"][0]["action"], "ended", "{ended:#}");
            bench.assert_nothing_left();
        }
        assert_eq!(others(), []);
    });
}

#[test]
fn a_script_that_holds_a_live_run_is_not_cleaned_away_by_preflight() {
    alone(|| {
        let bench = Bench::new();
        let launching = "import subprocess, sys\n\
             sys.exit(subprocess.call(['xtask', 'launch', '--clients', '1', '--base-port', 'auto', '--format', 'json']))\n";
        bench.write("loop.py", launching);
        let mut command = bench.command("python3");
        command.arg("loop.py");
        let mut holder = bench.start(command);
        holder.wait_for_event("client_ready");
        let folder = outside();
        std::fs::write(folder.path().join("x.py"), SCRIPT).unwrap();
        let elsewhere = python(&bench, [folder.path().join("x.py")]);
        let stray = [1, 2, 3].map(|n| script(&bench, &format!("stray_{n}.py"), SCRIPT));
        let cleaned = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert!(stray.iter().all(|stray| !tests::is_alive(stray.pid())));
        assert_alive(&[("the holder", &holder), ("elsewhere", &elsewhere)]);
        let held = crate::support::report(&cleaned, holder.pid()).unwrap();
        assert!(
            held["reason"].as_str().unwrap().starts_with("holds run "),
            "{held}"
        );
        // It counts, but there is nothing to be done about it while its run goes on.
        xtask(&bench, 0, &["cleanup", "--all"]);
        tests::wait_for(tests::PATIENCE, "the loop to end", || {
            !tests::is_alive(holder.pid())
        });
    });
}

#[test]
fn a_guardian_that_was_stopped_is_woken_to_end_its_run() {
    alone(|| {
        for command in [&["postflight"][..], &["cleanup", "--all"]] {
            let bench = Bench::new();
            let launched = bench.run([&LAUNCH[..], &["--detach"]].concat()).expect(0);
            let guardian = pid_of(&launched.event("run_started")["guardian"]);
            tests::signal(guardian, rustix::process::Signal::STOP);
            let ended = xtask(&bench, 0, command);
            assert_eq!(ended["runs"][0]["action"], "ended", "{ended}");
            bench.assert_nothing_left();
        }
    });
}

#[test]
fn the_owner_of_a_detached_run_is_not_cleaned_away() {
    alone(|| {
        let bench = Bench::new();
        let owner = script(&bench, "owner.py", SCRIPT);
        let pid = owner.pid().to_string();
        bench
            .run([&LAUNCH[..], &["--detach", "--owner-pid", &pid]].concat())
            .expect(0);
        let stray = [1, 2, 3].map(|n| script(&bench, &format!("stray_{n}.py"), SCRIPT));
        xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert!(stray.iter().all(|stray| !tests::is_alive(stray.pid())));
        assert_alive(&[("the owner", &owner)]);
        xtask(&bench, 0, &["cleanup", "--all"]);
        drop(owner);
    });
}
