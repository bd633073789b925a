//! Processes by their PIDs.

use std::fs;

use rustix::process::Signal;

use crate::driver::{PATIENCE, wait_for};

/// Sends a signal to a process that the test has started.
#[track_caller]
pub fn signal(pid: u32, signal: Signal) {
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a PID");
    rustix::process::kill_process(process, signal).expect("the process is there");
}

/// Kills a process that the test has started.
#[track_caller]
pub(in crate::driver) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Stops a process that the test has started, and waits until it stands still.
#[track_caller]
pub(in crate::driver) fn stand_still(pid: u32) {
    signal(pid, Signal::STOP);
    wait_for(PATIENCE, "the process to stand still", || is_stopped(pid));
}

/// Whether a process stands still because it was stopped.
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// Whether a process is there that is no zombie. One whose first thread has exited lives on in the others.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The name may hold anything, so the fields are counted from behind it: the state is the third, threads the 20th.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let has_exited = matches!(fields.first(), None | Some(&("Z" | "X")));
    let threads: u32 = fields
        .get(17)
        .and_then(|threads| threads.parse().ok())
        .unwrap_or(0);
    !has_exited || threads > 1
}
