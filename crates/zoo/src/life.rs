//! The end that every process sets itself.
//!
//! A timer that sends SIGKILL also ends a process that is stopped or that ignores every signal. A fork and an exec lose
//! it, so each process sets its own; an alarm besides, which an exec keeps, for programs that are not of the zoo.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::cli::cli;
use crate::species::Species;
use crate::sys;

/// In ms of the monotonic clock, which all processes of one start share.
static END: OnceLock<u64> = OnceLock::new();

/// Gives this process, and all that it will fork, so many seconds, or until a moment.
pub(crate) fn begin(seconds: u64, until: Option<u64>) {
    let longest = sys::monotonic_ms() + seconds * 1000;
    let _ = END.set(until.map_or(longest, |until| until.min(longest)));
    arm();
}

/// Sets the timer of this process. Called first by every new process.
pub(crate) fn arm() {
    let left = remaining();
    sys::kill_me_in(left);
    sys::alarm(u32::try_from(left.as_secs()).unwrap_or(1) + 1);
}

/// How much is left of this life; never nothing, which would be no timer at all.
pub(crate) fn remaining() -> Duration {
    let end = END.get().copied().unwrap_or(0);
    Duration::from_millis(end.saturating_sub(sys::monotonic_ms()).max(1))
}

/// Does nothing until the end.
///
/// It does not rely on the timer: the init of a PID namespace is spared by signals of its own.
pub(crate) fn rest() -> ! {
    std::thread::sleep(remaining());
    sys::exit_now(0)
}

/// Starts a process that does this and ends. When this returns, the process has said that it is set up (see
/// [`SetUp`]), or is gone.
pub(crate) fn fork(body: impl FnOnce(SetUp)) -> io::Result<i32> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pid = sys::fork()?;
    if pid == 0 {
        arm();
        drop(read);
        body(SetUp(write));
        sys::exit_now(0);
    }
    drop(write);
    // A byte: dropped by hand. End of file: closed by an exec, or by the end of the process.
    while rustix::io::read(&read, &mut [0; 1]) == Err(rustix::io::Errno::INTR) {}
    Ok(pid)
}

/// Dropping it tells the parent that this process is set up; closing its descriptor does so too.
#[derive(Debug)]
pub(crate) struct SetUp(OwnedFd);

impl Drop for SetUp {
    fn drop(&mut self) {
        // Descendants may hold copies, so closing this one need not be the end of the file.
        let _ = rustix::io::write(&self.0, b"!");
    }
}

/// This program once more, as another species, with the same end and the same witness.
pub(crate) fn program(species: Species) -> io::Result<Command> {
    use clap::ValueEnum;
    let value = species
        .to_possible_value()
        .ok_or(io::ErrorKind::Unsupported)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(value.get_name());
    if let Some(witness) = &cli().witness {
        command.arg("--witness").arg(witness);
    }
    let until = sys::monotonic_ms() + u64::try_from(remaining().as_millis()).unwrap_or(1);
    command.arg("--until").arg(until.to_string());
    Ok(command)
}
