//! Innocents that would be guilty if they were of this user or scope, or that have the PID of a process that was.

use super::{python, tool};
use crate::fixture::Fixture;
use crate::part::Part;

/// A user that nothing else belongs to.
const NOBODY: u32 = 65534;

/// Processes of another user. Only root can start them.
pub(crate) fn of_another_user(fixture: &Fixture) -> Vec<Part> {
    let disguise = "of another user";
    let project = format!("{}/Game.uproject", fixture.scope().display());
    let part = |argv: &[&str]| tool(fixture, disguise, argv).user(NOBODY);
    let parts = [
        part(&["python3", "client.py"]),
        part(&["python3", "-m", "pkg"]),
        part(&["python3", "monitor.py"]),
        part(&["UnrealEditor", &project, "-game"]),
    ];
    fixture.repeat(3, &parts)
}

/// Scripts of the scope and games of its project that carry the signs of a run that is not this scope's.
pub(crate) fn with_signs(fixture: &Fixture, run: &str, mark: u64) -> Vec<Part> {
    let cookie = "cookie of a live run of another scope";
    let marked = "mark of another run";
    let project = format!("{}/Game.uproject", fixture.scope().display());
    let parts = |disguise| {
        [
            python(fixture, disguise, &["client.py"]).at(&fixture.scope()),
            python(fixture, disguise, &["monitor.py"]).at(&fixture.scope()),
            tool(fixture, disguise, &["UnrealEditor", &project, "-game"]),
            tool(fixture, disguise, &["sleepy"]),
        ]
    };
    let with_cookie = parts(cookie).map(|part| part.env("XTASK_RUN_ID", run));
    let with_mark = parts(marked).map(|part| part.limit(mark));
    let with_unknown = parts("mark of an unknown run").map(|part| part.limit(UNKNOWN));
    let all = [with_cookie, with_mark, with_unknown].concat();
    fixture.repeat(2, &all)
}

/// What [`proc_core::mark::Mark::read`] takes for a mark.
const UNKNOWN: u64 = (1 << 61) | (0x5_eed0_5eed << 12) | 1;

/// Newcomers with the PIDs of processes that are gone, and that a ledger still names.
pub(crate) fn recycled(fixture: &Fixture, pids: &[u32]) -> Vec<Part> {
    let disguise = "newcomer with a PID that a ledger names";
    let part = |pid: &u32| tool(fixture, disguise, &["sshd", "client.py"]).pid(*pid);
    pids.iter().map(part).collect()
}
