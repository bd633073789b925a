//! Where things are printed, and what happens when they are not read.

use std::fs::File;
use std::process::Stdio;

use rustix::process::Signal;
use tests::{Bench, HOLD};

#[test]
fn the_test_has_the_launchers_own_streams() {
    let bench = Bench::with_demo(&[]);
    let input = bench.write("input", "asked\n");
    let script = "read line; echo answered $line; echo complained >&2";
    let mut command = bench.xtask([
        "launch",
        "--clients=1",
        "--base-port=auto",
        "--",
        "sh",
        "-c",
        script,
    ]);
    command.stdin(File::open(input).unwrap());
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.stdout, "answered asked\n");
    assert!(
        finished.stderr.contains("\ncomplained\n"),
        "{}",
        finished.stderr
    );
}

/// So that every line on standard output is an event, whatever the test prints.
#[test]
fn what_a_test_prints_goes_to_standard_error_when_events_are_printed() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--", "echo", "{\"event\":\"made up\"}"]))
        .expect(0);
    bench.assert_nothing_left();
    assert!(
        !finished.stdout.contains("\"event\":\"made up\""),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stderr.contains("{\"event\":\"made up\"}\n"),
        "{}",
        finished.stderr
    );
}

#[test]
fn clients_write_to_their_logs_and_have_no_input() {
    let config = "[profile.demo]\nprogram = 'sh'\n\
                  args = ['-c', 'read line && echo got input; echo out; echo err >&2; \
                          exec demo-client serve --port {port} --life 60s']\n";
    let bench = Bench::with_config(config);
    let mut command = bench.launch(["--clients", "1", "--", "true"]);
    command.stdin(File::open(bench.write("input", "not for a client\n")).unwrap());
    let finished = bench.finish(command).expect(0);
    bench.assert_nothing_left();
    let log = finished.event("client_started")["log"].clone();
    let log = std::fs::read_to_string(log.as_str().unwrap()).unwrap();
    assert!(log.starts_with("out\nerr\n"), "{log}");
}

#[test]
fn a_reader_that_leaves_does_not_break_the_run() {
    let bench = Bench::with_demo(&[]);
    let xtask = tests::binary("xtask");
    for format in ["text", "json"] {
        let line = format!(
            "{{ '{}' launch --clients 2 --base-port auto --format {format} -- \
             sh -c 'demo-client consensus && touch tested'; echo $? > code; }} 2>&1 | head -n 1",
            xtask.display()
        );
        let mut command = bench.command("sh");
        command.args(["-c", &line]);
        let finished = bench.finish(command).expect(0);
        assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
        bench.assert_nothing_left();
        let read = |name: &str| std::fs::read_to_string(bench.root().join(name)).unwrap();
        assert_eq!(read("code"), "0\n");
        read("tested");
        std::fs::remove_file(bench.root().join("tested")).unwrap();
    }
}

#[test]
fn closed_streams_do_not_break_the_run() {
    let bench = Bench::with_demo(&[]);
    let xtask = tests::binary("xtask");
    let line = format!(
        "'{}' launch --clients 2 --base-port auto -- sh -c 'demo-client consensus && touch tested' 0<&- 1>&- 2>&-",
        xtask.display()
    );
    let mut command = bench.command("sh");
    command.args(["-c", &line]).stdin(Stdio::null());
    bench.finish(command).expect(0);
    bench.assert_nothing_left();
    assert!(bench.root().join("tested").exists());
}

#[test]
fn a_launch_that_was_told_to_ignore_hangups_does() {
    let bench = Bench::with_demo(&[]);
    let mut command = bench.command("nohup");
    command.arg(tests::binary("xtask"));
    command
        .args([
            "launch",
            "--clients=1",
            "--base-port=auto",
            "--format=json",
            "--",
        ])
        .args(HOLD);
    let mut running = bench.start(command);
    running.wait_for_event("test_started");
    running.signal(Signal::HUP);
    bench.go();
    running.finish().expect(0);
    bench.assert_nothing_left();
}
