//! What SIGTERM does to a client, by default and as asked.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Client, Program};

#[test]
fn sigterm_ends_a_client() {
    let client = Client::start(&[]);
    terminate(&client.program);
    let ended = client.program.wait();
    assert_eq!(ended.status.signal(), Some(15));
}

#[test]
fn sigterm_can_be_ignored() {
    let mut client = Client::start(&["--ignore-term"]);
    for _ in 0..2 {
        terminate(&client.program);
        client.program.wait_for_line("SIGTERM ignored");
    }
    assert_eq!(client.get("/status").0, 200);
    assert!(client.program.is_running());
}

#[test]
fn a_client_can_take_its_time_to_stop() {
    let client = Client::start(&["--stop-after", "300ms"]);
    terminate(&client.program);
    client.program.wait_for_line("SIGTERM received");
    let ended = client.program.wait().expect_code(0);
    assert!(ended.stdout.contains("stopped"), "{}", ended.stdout);
}

fn terminate(program: &Program) {
    let pid = i32::try_from(program.pid()).expect("a PID");
    let pid = Pid::from_raw(pid).expect("not zero");
    kill_process(pid, Signal::TERM).expect("a child of ours that is not reaped");
}
