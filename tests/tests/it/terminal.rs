//! At a terminal: what is typed goes to the test, Ctrl+C and the end of the terminal to the launcher.
//!
//! The launcher leads the session of the terminal, as it does in a window of its own, and all of its streams are there,
//! the test's too.

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
