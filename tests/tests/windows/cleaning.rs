//! A run that goes on without its launcher, and the commands that find and end it.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use proc_core::table::Process;

use crate::support::{launch, project};
use tests::{PATIENCE, assert_ended, binaries, binary, cast, living, parse_events};

#[test]
fn a_detached_run_goes_on_is_shown_and_is_ended() {
    let bench = project();
    for end in ["cleanup", "postflight"] {
        let finished = launch(&bench, "--clients 2 --detach", &[])
            .finish()
            .expect(0);
        let (guardian, clients, ports) = cast(&finished.events());
        let all = [&[guardian], &clients[..]].concat();
        assert_eq!(living(&all), all);

        let status = bench.document(&["status"]);
        let runs = status["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1, "{status}");
        let run = finished.events()[0]["run"].as_str().unwrap().to_owned();
        assert!(runs[0].to_string().contains(&run), "{status}");

        let arguments = match end {
            "cleanup" => vec!["cleanup", "--run", &run],
            other => vec![other],
        };
        bench.run(&arguments).expect(0);
        assert_ended(&all, &ports);
    }
    bench.run(["preflight", "--check"]).expect(0);
}

#[test]
fn a_run_that_goes_on_does_not_keep_its_programs_from_being_built_anew() {
    let bench = project();
    let finished = launch(&bench, "--clients 1 --detach", &[])
        .finish()
        .expect(0);
    let (guardian, clients, ports) = cast(&finished.events());
    let all = [&[guardian], &clients[..]].concat();
    for (identity, name) in all.iter().zip(["proc-guardian.exe", "demo-client.exe"]) {
        let running = Process::read(identity.pid).unwrap();
        assert_eq!(running.name(), name);
        let built = binaries().join(name);
        assert_ne!(running.executable(), Some(built.as_path()));
        // A linker does as much.
        File::options().write(true).open(&built).unwrap();
        File::options()
            .write(true)
            .open(running.executable().unwrap())
            .unwrap_err();
    }
    assert_eq!(bench.run(["postflight"]).code, 0);
    assert_ended(&all, &ports);
}

#[test]
fn a_run_that_goes_on_keeps_no_reader_waiting_for_the_end_of_what_its_launch_has_said() {
    let bench = project();
    // As `cargo` does, this hands on its output twice: as such, and as a handle that whatever is started inherits too.
    let mut caller = Command::new(binary("cargo-stand-in"))
        .args(["xtask", "launch", "--base-port", "auto", "--clients", "2"])
        .args(["--format", "json", "--detach"])
        .current_dir(bench.root())
        .env("XTASK_STATE_DIR", bench.state())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = caller.stdout.take().unwrap();
    let (sender, said) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let result = output.read_to_string(&mut text).map(|_| text);
        // It goes unread when the test has given up.
        let _ = sender.send(result);
    });
    let status = caller.wait().unwrap();
    assert!(status.success(), "{status}");
    // The clients would live longer.
    let said = said.recv_timeout(PATIENCE / 2);
    let status = bench.document(&["status"]);
    assert_eq!(status["runs"].as_array().unwrap().len(), 1, "{status}");
    let finished = bench.run(["postflight"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let said = said
        .expect("a process of the run holds the output")
        .unwrap();
    let (guardian, clients, ports) = cast(&parse_events(&said));
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
}
