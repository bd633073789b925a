//! A run that goes on without its launcher, and the commands that find and end it.

use std::fs::File;

use proc_core::table::Process;

use crate::bench::{Bench, binaries, cast, expect_gone, living};

#[test]
fn a_detached_run_goes_on_is_shown_and_is_ended() {
    let bench = Bench::new();
    for end in ["cleanup", "postflight"] {
        let finished = bench.launch("--clients 2 --detach", &[]).finish().expect(0);
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
        expect_gone(&all, &ports);
    }
    bench.run(&["preflight", "--check"]).expect(0);
}

#[test]
fn a_run_that_goes_on_does_not_keep_its_programs_from_being_built_anew() {
    let bench = Bench::new();
    let finished = bench.launch("--clients 1 --detach", &[]).finish().expect(0);
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
    assert_eq!(bench.run(&["postflight"]).code, 0);
    expect_gone(&all, &ports);
}
