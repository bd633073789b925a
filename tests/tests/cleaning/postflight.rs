//! `postflight`: detached runs, lock files, and the record.

use std::fs;
use std::path::PathBuf;

use tests::namespace::{alone, others};
use tests::user::{become_ordinary, can_become_ordinary};
use tests::{Bench, assert_documented};

use crate::support::{
    SCRIPT, assert_alive, assert_gone, here, outside, pretend, program, script, start, xtask,
};

const DETACH: [&str; 4] = ["launch", "--clients=2", "--base-port=auto", "--detach"];

#[test]
fn an_iteration_ends_with_nothing_left_and_a_record_of_it() {
    alone(|| {
        let bench = Bench::new();
        bench.run(DETACH).expect(0);
        let stray = script(&bench, "stray.py", SCRIPT);
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_eq!(ended["runs"][0]["action"], "ended");
        assert_eq!(ended["runs"][0]["ended"], 2);
        assert_gone(&[("a stray script", &stray)]);
        drop(stray);
        assert_eq!(others(), []);

        let record = PathBuf::from(ended["record"].as_str().unwrap());
        let recorded = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        assert_documented(&recorded);
        assert_eq!(ended, recorded);
        let next = xtask(&bench, 0, &["postflight"]);
        assert_ne!(next["record"], ended["record"]);
        assert_eq!(fs::read_dir(record.parent().unwrap()).unwrap().count(), 2);
    });
}

#[test]
fn a_run_that_goes_on_under_its_launcher_is_left_and_named() {
    alone(|| {
        let bench = Bench::new();
        let launch = ["launch", "--clients=1", "--base-port=auto", "--format=json"];
        let mut attached = bench.start(bench.xtask(launch));
        attached.wait_for_event("client_ready");
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_eq!(ended["runs"][0]["action"], "kept");
        assert_eq!(ended["runs"][0]["kept"], "not_asked");
        assert_eq!(ended["runs"][0]["reason"], "it goes on under its launcher");
        assert!(attached.child.try_wait().unwrap().is_none());
        attached.signal(rustix::process::Signal::INT);
        attached.finish().expect(130);
    });
}

#[test]
fn lock_files_go_when_no_process_is_left_that_could_hold_them() {
    alone(|| {
        let bench = Bench::new();
        let project = bench.write("Game.uproject", "{}");
        let stale = [
            "Intermediate/a.lock",
            "Intermediate/Build/b.lock.1",
            "Intermediate/c.locked",
        ]
        .map(|name| bench.write(name, ""));
        let kept = [
            bench.write("Saved/d.lock", ""),
            bench.write("Intermediate/e.txt", ""),
            bench.write("Intermediate/shaders.lockdir/f.bin", ""),
        ];
        let elsewhere = outside();
        let target = elsewhere.path().join("g.lock");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), bench.root().join("Intermediate/link"))
            .unwrap();
        std::os::unix::fs::symlink(&target, bench.root().join("Intermediate/h.lock")).unwrap();

        let editor = elsewhere.path().join("UnrealEditor");
        program(&editor);
        let own = pretend(&bench, &editor, [&project]);
        let ended = xtask(&bench, 0, &["postflight"]);
        let files = ended["lock_files"].as_array().unwrap();
        assert_eq!(files.len(), 3, "{files:?}");
        assert!(files.iter().all(|file| file["removed"] == false));
        assert!(stale.iter().all(|file| file.exists()));

        let ended = xtask(&bench, 0, &["postflight", "--editors"]);
        assert_gone(&[("the editor", &own)]);
        let files = ended["lock_files"].as_array().unwrap();
        assert!(
            files.iter().all(|file| file["removed"] == true),
            "{files:?}"
        );
        assert!(stale.iter().all(|file| !file.exists()));
        assert!(kept.iter().chain([&target]).all(|file| file.exists()));
        assert!(bench.root().join("Intermediate/h.lock").is_symlink());
    });
}

#[test]
fn lock_files_stay_where_it_cannot_be_told_whose_editor_is_open() {
    alone(|| {
        // Two projects below one root: none of them is the profile's.
        let bench = Bench::new();
        bench.write("A.uproject", "{}");
        let project = bench.write("B.uproject", "{}");
        let lock = bench.write("Intermediate/a.lock", "");
        let elsewhere = outside();
        let editor = elsewhere.path().join("UnrealEditor");
        program(&editor);
        let own = pretend(&bench, &editor, [&project]);
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_eq!(ended["lock_files"][0]["removed"], false);
        assert!(lock.exists());
        drop(own);
        xtask(&bench, 0, &["postflight"]);
        assert!(!lock.exists());
    });
}

#[test]
fn lock_files_stay_while_another_user_has_the_project_open() {
    alone(|| {
        if !can_become_ordinary() {
            tests::skip("only root can start a process of another user");
            return;
        }
        let bench = Bench::new();
        bench.open_to_everybody();
        let project = bench.write("Game.uproject", "{}");
        let lock = bench.write("Intermediate/a.lock", "");
        let editor = bench.root().join("../engine/UnrealEditor");
        program(&editor);
        let mut command = bench.command("env");
        command.args(become_ordinary()).arg(&editor);
        command.args(["-c", "echo up; read line; :"]).arg(&project);
        command.stdin(std::process::Stdio::piped());
        let theirs = start(&bench, command);
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_alive(&[("another user's editor", &theirs)]);
        assert_eq!(ended["lock_files"][0]["removed"], false);
        assert!(lock.exists());
    });
}

#[test]
fn lock_files_of_a_live_run_stay() {
    alone(|| {
        let bench = Bench::with_config("[profile.demo]\nlock_files = [\"*.lock\"]\n");
        let lock = bench.write("a.lock", "");
        let launch = ["launch", "--clients=1", "--base-port=auto", "--format=json"];
        let mut attached = bench.start(bench.xtask(launch));
        attached.wait_for_event("client_ready");
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_eq!(ended["lock_files"][0]["removed"], false);
        attached.signal(rustix::process::Signal::TERM);
        attached.finish().expect(143);
        xtask(&bench, 0, &["postflight"]);
        assert!(!lock.exists());
    });
}

#[test]
fn a_record_that_cannot_be_written_is_said() {
    alone(|| {
        let bench = Bench::new();
        let ended = xtask(&bench, 0, &["postflight"]);
        let record = PathBuf::from(ended["record"].as_str().unwrap());
        let records = record.parent().unwrap();
        fs::remove_dir_all(records).unwrap();
        fs::write(records, "in the way").unwrap();
        let ended = bench.run(["postflight", "--format", "json"]).expect(0);
        assert_eq!(ended.json()["record"], serde_json::Value::Null);
        assert!(ended.stderr.contains("record"), "{}", ended.stderr);
        assert_eq!(here(&ended.json(), "python"), 0);
    });
}
