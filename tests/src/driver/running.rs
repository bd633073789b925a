//! A command that a bench has started, and what it has come to.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use serde_json::Value;
use wait_timeout::ChildExt;

use super::{PATIENCE, is_alive, named, parse_events, poll, system, wait_for};

/// What a command has come to.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// A command that runs. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts a command that writes into these files.
    pub(super) fn spawn(mut command: Command, stdout: PathBuf, stderr: PathBuf) -> Self {
        let child = command.spawn().expect("the command can be started");
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The events that it has printed so far.
    pub fn events(&self) -> Vec<Value> {
        parse_events(&self.stdout())
    }

    /// Waits for its first event of this kind.
    #[track_caller]
    pub fn wait_for_event(&mut self, name: &str) -> Value {
        self.wait_for_events(name, 1).remove(0)
    }

    /// Waits until it has printed so many events of this kind, and returns them.
    #[track_caller]
    pub fn wait_for_events(&mut self, name: &str, count: usize) -> Vec<Value> {
        let found = poll(PATIENCE, || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            let events = named(&self.events(), name);
            let are_all = events.len() >= count;
            (are_all || ended.is_some()).then_some((events, ended))
        });
        match found {
            Some((events, _)) if events.len() >= count => events,
            Some((_, Some(status))) => panic!(
                "ended with {status} without {name}: {}{}",
                self.stdout(),
                self.stderr()
            ),
            _ => panic!("no {name}: {}{}", self.stdout(), self.stderr()),
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("a child can be waited for");
        status.is_some()
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Kills it together with the guardian of its run, so that neither gets to do anything about it.
    #[track_caller]
    pub fn kill_with_guardian(&mut self, guardian: u32) {
        // A launcher that lives would do the guardian's work.
        system::stand_still(self.pid());
        system::kill(guardian);
        self.kill();
        wait_for(PATIENCE, "the guardian to be gone", || !is_alive(guardian));
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = self
            .child
            .wait_timeout(PATIENCE)
            .expect("a child can be waited for");
        let Some(status) = status else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            panic!(
                "still running after {PATIENCE:?}: {}{}",
                self.stdout(),
                self.stderr()
            );
        };
        Finished {
            code: code(status),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that has failed; one that passes has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Fails unless it ended with this code.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the code may be all that is asked for"
    )]
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Its standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Its standard output as JSON, one object a line.
    pub fn events(&self) -> Vec<Value> {
        parse_events(&self.stdout)
    }

    /// The kinds of its events, in order.
    pub fn event_names(&self) -> Vec<String> {
        let name = |event: Value| {
            event["event"]
                .as_str()
                .expect("an event has a kind")
                .to_owned()
        };
        self.events().into_iter().map(name).collect()
    }

    /// All events of this kind.
    pub fn events_of(&self, name: &str) -> Vec<Value> {
        named(&self.events(), name)
    }

    /// The only event of this kind.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let mut events = self.events_of(name);
        let count = events.len();
        assert_eq!(count, 1, "of {name}: {}{}", self.stdout, self.stderr);
        events.remove(0)
    }

    /// How each client has ended, by the last event: `graceful`, `killed`, `already_exited`, or `null`.
    #[track_caller]
    pub fn ends(&self) -> Vec<Value> {
        let finished = self.event("run_finished");
        let clients = finished["clients"].as_array().expect("a list of clients");
        clients
            .iter()
            .map(|client| client["end"]["ended"].clone())
            .collect()
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(windows)]
fn code(status: ExitStatus) -> i32 {
    status.code().expect("on Windows every process has a code")
}
