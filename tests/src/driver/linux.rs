//! What there is on Linux besides: a witness that counts what is left, cgroups, namespaces, terminals and users.
//!
//! The witness is a descriptor that everything inherits which is started below a command of a bench: the write end of
//! a named pipe. As long as one process holds it, the pipe has no end of file. A process can change its name, its
//! session and its environment, and still holds it.
//!
//! A test that fails leaves nothing either: a bench ends what holds its witness when it is dropped. Such a process is
//! found in `/proc` and ended through a pidfd.

pub mod cgroup;
pub mod namespace;
pub mod terminal;
pub mod user;

mod ports;
mod process;
mod witness;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proc_core::ledger::History;
use rustix::process::Signal;

use super::{Bench, Running, binary, poll};
use terminal::Terminal;

pub use ports::is_free;
pub use process::{is_alive, is_stopped, signal};
pub(super) use process::{kill, stand_still};
pub(super) use witness::Witness;

/// A test command that goes on until the project has a file `go`; see [`Bench::go`]. It gives up by itself.
pub const HOLD: [&str; 3] = [
    "sh",
    "-c",
    "for i in $(seq 600); do [ -e go ] && exit 0; sleep 0.1; done; exit 99",
];

impl Bench {
    /// Lets other users into the project, make a state folder beside it, and hold the witness.
    pub fn open_to_everybody(&self) {
        for path in [self.folder(), &self.root(), self.witness()] {
            fs::set_permissions(path, Permissions::from_mode(0o777))
                .expect("what is one's own can be opened to others");
        }
    }

    /// A program of this workspace in the project's root, where every user can reach it that is let in.
    pub fn program(&self, name: &str) -> PathBuf {
        let (program, link) = (binary(name), self.root().join(name));
        if !link.exists() {
            fs::hard_link(&program, &link)
                .or_else(|_| fs::copy(&program, &link).map(drop))
                .expect("a program can be copied");
        }
        link
    }

    /// `xtask` and all programs that it may have to start, in the project's root. Returns the path of `xtask`.
    pub fn programs(&self) -> PathBuf {
        for name in ["proc-guardian", "demo-client", "zoo"] {
            self.program(name);
        }
        self.program("xtask")
    }

    /// A profile of this name that is a species of the zoo, which holds the witness of its own accord.
    pub fn zoo_profile(&self, name: &str, species: &str) -> String {
        let witness = format!("--witness={}", self.witness().display());
        let all = [species, "--port={port}", &witness];
        format!("[profile.{name}]\nprogram = \"zoo\"\nargs = {all:?}\n")
    }

    /// Lets a test command go that is [`HOLD`].
    pub fn go(&self) {
        self.write("go", "");
    }

    /// Starts a command that has a terminal for its input and its standard error.
    pub fn start_at(&self, terminal: &Terminal, mut command: Command) -> Running {
        command.stdin(terminal.stream()).stderr(terminal.stream());
        self.start_with(command, terminal.output().to_owned())
    }

    /// Starts a command that has a terminal for all of its streams. What it says is on its standard error.
    pub fn start_all_at(&self, terminal: &Terminal, mut command: Command) -> Running {
        command.stdin(terminal.stream()).stderr(terminal.stream());
        command.stdout(terminal.stream());
        Running::spawn(
            command,
            self.new_path("stdout"),
            terminal.output().to_owned(),
        )
    }

    /// A terminal for commands of this bench.
    pub fn terminal(&self) -> Terminal {
        Terminal::open(self.new_path("terminal"))
    }

    /// The named pipe that everything holds open which is started below a command of this bench. A program that closes
    /// what it inherits is witnessed when it opens this for writing.
    pub fn witness(&self) -> &Path {
        self.witness.path()
    }

    /// What is left of what was started below a command of this bench, for people.
    pub fn describe_survivors(&self) -> String {
        format!("{:?}", self.witness.holders())
    }

    /// The PIDs of the processes that are left, as far as this user may see.
    pub fn survivors(&self) -> Vec<u32> {
        let holders = self.witness.holders().into_iter();
        holders.map(|holder| holder.pid.cast_unsigned()).collect()
    }

    /// Whether a process is left that was started below a command of this bench.
    pub fn has_survivors(&self) -> bool {
        self.witness.is_held()
    }

    /// Fails unless everything that was started below this bench's commands is gone, or goes within the time.
    #[track_caller]
    pub fn assert_nothing_left_within(&self, time: Duration) {
        let gone = poll(time, || (!self.has_survivors()).then_some(()));
        assert!(
            gone.is_some(),
            "after {time:?} there is still: {:?}",
            self.witness.holders()
        );
    }

    /// Fails unless everything that was started below this bench's commands is gone by now.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        // A process that was killed still holds its descriptors for the moment that the kernel takes to free them.
        self.assert_nothing_left_within(Duration::from_secs(2));
    }
}

impl Running {
    /// Sends it a signal, by its own PID.
    pub fn signal(&self, what: Signal) {
        signal(self.pid(), what);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Some(place) = cgroup::root() else { return };
        for run in self.runs() {
            let is_over = History::read(&run).is_ok_and(|run| run.is_some_and(|run| run.closed));
            for folder in cgroup::left_of(std::slice::from_ref(&run), &place) {
                // Of a run that no command was to finish it goes with the test.
                let removed = fs::remove_dir(&folder);
                assert!(
                    !is_over || std::thread::panicking(),
                    "a run that is over has left {}: {removed:?}",
                    folder.display()
                );
            }
        }
    }
}
