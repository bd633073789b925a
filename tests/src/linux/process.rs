//! Processes by their PIDs.

use std::fs;

use serde_json::Value;

/// The PID in an identity, as events and documents have it.
#[track_caller]
pub fn pid_of(identity: &Value) -> u32 {
    let pid = identity["pid"].as_u64().expect("a PID");
    u32::try_from(pid).expect("a PID is no larger")
}

/// Sends a signal to a process that the test has started.
#[track_caller]
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a PID");
    rustix::process::kill_process(process, signal).expect("the process is there");
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
