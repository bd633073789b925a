//! A named pipe that everything inherits which a bench starts, and that shows whether any of it is left.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::driver::poll;

/// How long a bench tries to end what a failed test has left.
const CLEANING_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    file: File,
}

/// A process that holds the witness.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) pid: i32,
    #[expect(dead_code, reason = "it is there to be printed")]
    command: String,
}

impl Witness {
    pub(crate) fn new(path: &Path) -> Self {
        let made = Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo can be started").success());
        // Opened without waiting for a writer.
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag fits");
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open(path);
        Self {
            path: path.to_owned(),
            file: file.expect("the witness can be read"),
        }
    }

    /// A command below which everything holds it.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        // In the background of a script the keys of a terminal are ignored, and a shell cannot change that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT,QUIT", "sh"])
            .args(["-c", "exec 9>\"$0\"; exec \"$@\""])
            .arg(&self.path)
            .arg(program);
        command
    }

    /// What is to be opened for writing by whatever is to be witnessed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_held(&self) -> bool {
        loop {
            match (&self.file).read(&mut [0; 64]) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => panic!("the witness cannot be read: {error}"),
            }
        }
    }

    /// The processes that hold it, as far as this user may see.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let own = self.file.metadata().expect("an open file has metadata");
        let id = (own.dev(), own.ino());
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| holds(*pid, id))
            .map(|pid| {
                let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                Holder { pid, command }
            })
            .collect()
    }

    /// Kills every process that holds it. Only for what a test that has failed has left.
    fn end_holders(&self) {
        let own = self.file.metadata().expect("an open file has metadata");
        let id = (own.dev(), own.ino());
        poll(CLEANING_TIME, || {
            for holder in self.holders() {
                let Some(pid) = Pid::from_raw(holder.pid) else {
                    continue;
                };
                // Pinned first and checked again, so that no other process is hit that has the PID by now.
                if let Ok(pinned) = pidfd_open(pid, PidfdFlags::empty())
                    && holds(holder.pid, id)
                {
                    let _ = pidfd_send_signal(&pinned, Signal::KILL);
                }
            }
            (!self.is_held()).then_some(())
        });
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if self.is_held() {
            self.end_holders();
        }
    }
}

/// Whether a process has this pipe open for writing. A child that this process is about to start has it open for
/// reading for an instant.
fn holds(pid: i32, (device, inode): (u64, u64)) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    descriptors.into_iter().flatten().flatten().any(|entry| {
        let same = fs::metadata(entry.path())
            .is_ok_and(|file| (file.dev(), file.ino()) == (device, inode));
        let name = entry.file_name();
        let flags = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", name.display()));
        same && flags.is_ok_and(|text| is_for_writing(&text))
    })
}

/// Reads the line `flags:`, which is octal and ends with the access mode.
fn is_for_writing(text: &str) -> bool {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("flags:"));
    lines
        .next()
        .is_some_and(|flags| flags.ends_with(['1', '2']))
}
