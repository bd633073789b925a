//! At a terminal: what is typed goes to the test, Ctrl+C and the end of the terminal to the launcher.
//!
//! The launcher leads the session of the terminal, as it does in a window of its own, and all of its streams are there,
//! the test's too.

use rustix::process::{Pid, Signal, kill_process_group};
use tests::terminal::{CONTROL_C, Terminal};
use tests::{Bench, PATIENCE, Running, wait_for};

/// Says what it reads, and reads on.
const LISTEN: [&str; 3] = [
    "sh",
    "-c",
    "trap '' HUP INT; echo listening; while read line; do echo \"heard $line\"; done; exec sleep 60",
];

fn launch_at(terminal: &Terminal, bench: &Bench, options: &[&str]) -> Running {
    let mut command = bench.command("setsid");
    command.arg("--ctty").arg(tests::binary("xtask"));
    command.args(["launch", "--clients=2", "--base-port=auto"]);
    command.args(options).arg("--").args(LISTEN);
    bench.start_all_at(terminal, command)
}

fn wait_until_said(running: &Running, what: &str) {
    wait_for(PATIENCE, what, || running.stderr().contains(what));
}

#[test]
fn a_test_hears_what_is_typed_until_ctrl_c() {
    let bench = Bench::with_demo(&[]);
    let terminal = bench.terminal();
    let running = launch_at(&terminal, &bench, &["--grace=300ms"]);
    wait_until_said(&running, "listening");
    terminal.press(b"something\n");
    wait_until_said(&running, "heard something");
    terminal.press(CONTROL_C);
    let finished = running.finish().expect(130);
    bench.assert_nothing_left();
    assert!(finished.stderr.contains("Ctrl+C"), "{}", finished.stderr);
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace() {
    let bench = Bench::with_demo(&["--ignore-term"]);
    let terminal = bench.terminal();
    let running = launch_at(&terminal, &bench, &["--grace=10m"]);
    wait_until_said(&running, "listening");
    terminal.press(CONTROL_C);
    wait_until_said(&running, "ending the run");
    terminal.press(CONTROL_C);
    running.finish().expect(130);
    bench.assert_nothing_left();
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_whose_test_reads_from_it() {
    let bench = Bench::with_demo(&[]);
    let terminal = bench.terminal();
    let running = launch_at(&terminal, &bench, &["--grace=300ms"]);
    wait_until_said(&running, "listening");
    drop(terminal);
    running.finish().expect(129);
    bench.assert_nothing_left();
}

/// As with a loop script in a window of its own, of which neither the window nor the script is left.
#[test]
fn a_detached_run_goes_on_without_the_terminal_and_the_script_that_launched_it() {
    let bench = Bench::with_demo(&[]);
    let terminal = bench.terminal();
    let script = format!(
        "{} launch --clients=2 --base-port=auto --detach && echo launched; exec sleep 60",
        tests::binary("xtask").display()
    );
    let mut command = bench.command("setsid");
    command.args(["--ctty", "sh", "-c", &script]);
    let running = bench.start_all_at(&terminal, command);
    wait_until_said(&running, "launched");
    let leader = Pid::from_raw(running.pid().cast_signed()).expect("a PID");
    kill_process_group(leader, Signal::KILL).expect("the script is there");
    running.finish().expect(128 + 9);
    drop(terminal);

    let status = bench.run(["status", "--format=json"]).expect(0).json();
    let run = &status["runs"][0];
    assert_eq!(run["state"], "detached", "{status:#}");
    let clients = run["clients"].as_array().expect("a list of clients");
    assert_eq!(clients.len(), 2);
    assert!(
        clients.iter().all(|client| client["alive"] == true),
        "{status:#}"
    );
    let id = run["run"].as_str().expect("an id");
    bench.run(["cleanup", "--run", id, "--grace=2s"]).expect(0);
    bench.assert_nothing_left();
}
