//! Running a test in a PID namespace of its own, where it sees and reaches nothing that it did not start.
//!
//! The test program starts itself again below `unshare`, for the one test. The namespace is a witness too: whatever a
//! test has started is in it, whatever its parent is by now and whatever it did to its descriptors. A test fails that
//! leaves anything in it, and when the test is over, the kernel ends the whole of it.

use std::any::type_name;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::driver::programs::{BINARIES, binaries};
use crate::driver::{is_alive, poll};

/// Set in the namespace.
const INSIDE: &str = "XTASK_TEST_NAMESPACE";

/// How long a test may take altogether. Far longer than any takes, and less than a CI job.
const LIFE: Duration = Duration::from_secs(150);

/// A process of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its PID.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// Runs the body of a test in a PID namespace of its own. To be called by the test itself, with a closure.
#[track_caller]
pub fn alone<F: FnOnce()>(body: F) {
    alone_within(LIFE, body);
}

/// [`alone`], for a test that takes longer than others.
#[track_caller]
pub fn alone_within<F: FnOnce()>(life: Duration, body: F) {
    if std::env::var_os(INSIDE).is_none() {
        return start_again(&test_name::<F>(), life);
    }
    body();
    // A process that was killed is seen until the kernel has freed it.
    let is_empty = poll(Duration::from_secs(2), || others().is_empty().then_some(()));
    assert!(is_empty.is_some(), "there is still: {:?}", others());
}

/// All processes of the namespace but the test's own and the first one. Zombies are none.
pub fn others() -> Vec<Stranger> {
    assert!(
        std::env::var_os(INSIDE).is_some(),
        "only a namespace of one's own has no other process in it"
    );
    let own = std::process::id();
    let entries = fs::read_dir("/proc").expect("the namespace has a /proc of its own");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own && *pid != 1 && is_alive(*pid))
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            Stranger { pid, command }
        })
        .collect()
}

#[track_caller]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a test prints is printed by the test"
)]
fn start_again(test: &str, life: Duration) {
    let own = std::env::current_exe().expect("a test has a path");
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &life.as_secs().to_string(), "unshare"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // The first process of the namespace collects orphans, as that of a machine does.
    command
        .args(["--fork", "--pid", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", "\"$@\"; exit", "sh"])
        .arg(own)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .env(BINARIES, binaries())
        .stdin(Stdio::null());
    let output = command.output().expect("timeout can be started");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "in a PID namespace of its own, {test} ended with {}:\n{stdout}{stderr}",
        output.status
    );
    print!("{stdout}");
    // Why it was skipped, if it was.
    eprint!("{stderr}");
}

/// The path of the test in whose body the closure stands, without the name of the test program.
fn test_name<F>() -> String {
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = path
        .split_once("::")
        .expect("a test stands in a test program");
    name.to_owned()
}
