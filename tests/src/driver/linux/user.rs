//! A user that is not root, and that root may become.

use std::fs;

/// The ID of a user and a group that are not defined on any system. Not that of `nobody`, which all others seem to be
/// in a user namespace.
pub const ORDINARY: u32 = 54_321;

/// Whether this user can become that one: it is root, and the user is there, which it is not in every user namespace.
pub fn can_become_ordinary() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    rustix::process::geteuid().is_root() && map.lines().any(covers_ordinary)
}

/// The words that let the command behind them run as that user.
pub fn become_ordinary() -> [String; 4] {
    [
        "setpriv".to_owned(),
        format!("--reuid={ORDINARY}"),
        format!("--regid={ORDINARY}"),
        "--clear-groups".to_owned(),
    ]
}

/// Reads a line of a map: the first user inside, the first outside, and how many there are.
fn covers_ordinary(line: &str) -> bool {
    let numbers: Vec<u32> = line
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    let [inside, _, count] = numbers[..] else {
        return false;
    };
    (inside..inside.saturating_add(count)).contains(&ORDINARY)
}
