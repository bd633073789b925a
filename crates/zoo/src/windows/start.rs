//! This program once more, in another part.

use std::ffi::OsString;
use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS,
};

use super::species::Species;
use super::{cli, life, witness};

/// How a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As a child with everything that its parent has.
    Plain,
    /// Without the console, in a process group of its own.
    Detached,
    /// The same, without environment, streams and working directory.
    Bare,
    /// The same as detached, and outside of the job, which it may not leave.
    Away,
}

/// Starts this program as another species, which holds the file of this name.
pub(super) fn start(how: How, species: Species, name: &str) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments(species, name)?);
    let apart = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    match how {
        How::Plain => &mut command,
        How::Detached => command.creation_flags(apart),
        How::Away => command.creation_flags(apart | CREATE_BREAKAWAY_FROM_JOB),
        How::Bare => command
            .creation_flags(apart)
            .env_clear()
            // What finds the libraries of sockets.
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
            .current_dir(Path::new("C:\\"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    };
    command.spawn()
}

/// What makes this program another species, with the same end and the same witness.
pub(super) fn arguments(species: Species, name: &str) -> io::Result<Vec<OsString>> {
    let cli = cli();
    let value = species
        .to_possible_value()
        .ok_or(io::ErrorKind::Unsupported)?;
    let mut arguments: Vec<OsString> = vec![
        value.get_name().into(),
        "--witness".into(),
        cli.witness.clone().into(),
        "--until".into(),
        life::end().to_string().into(),
        "--name".into(),
        name.into(),
        "--depth".into(),
        cli.depth.saturating_sub(1).to_string().into(),
    ];
    if let Some(port) = cli.port {
        arguments.extend(["--port".into(), port.to_string().into()]);
    }
    Ok(arguments)
}

/// Waits until the process that holds the file of this name is there.
pub(super) fn await_holder(name: &str) {
    while !witness::path(name).exists() && !life::is_over() {
        thread::sleep(Duration::from_millis(2));
    }
}
