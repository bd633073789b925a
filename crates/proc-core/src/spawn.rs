//! Starting processes: guardians and members. Members are started by what contains them ([`crate::contain`]).

mod length;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contain::Containment;
use crate::identity::Identity;
use crate::membership::Member;
use crate::shutdown;
use crate::sys::{self, Console, Link, StdStreams};
use crate::table::MEMBER;
use crate::wait::{Deadline, Pauses, poll_until, poll_with};

pub use length::fits;

/// How long a guardian may take to be on its own.
const GUARDIAN_TIMEOUT: Duration = Duration::from_secs(20);

/// It takes about a millisecond.
const GUARDIAN_PAUSES: Pauses = Pauses {
    first: Duration::from_micros(200),
    longest: Duration::from_millis(10),
};

/// How long a member may take to come into the console that was made for it.
const CONSOLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The argument that makes the guardian's program start the guardian proper, and leave.
pub(crate) const START: &str = "start";
/// The argument that makes it be the guardian.
pub(crate) const GUARD: &str = "guard";

/// A program with everything that it needs to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program: an absolute path.
    pub program: OsString,
    /// Its arguments, without its own name.
    pub arguments: Vec<OsString>,
    /// Variables to set on top of the guardian's own environment, which is its launcher's.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory: an absolute path.
    pub directory: OsString,
}

/// A program that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such file.
    #[error("the program {program:?} is not there: looked {places}")]
    NotFound {
        /// As it was given.
        program: OsString,
        /// Where it was looked for.
        places: String,
    },
    /// It is a folder, or something else that is no file.
    #[error("{} is not a file, so it cannot be run", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// This user may not execute it.
    #[error("{path} may not be executed by this user; try `chmod +x {path}`", path = path.display())]
    NotExecutable {
        /// What is there.
        path: PathBuf,
    },
    /// Its arguments are too many for one command line.
    #[error("the command line of {} would have {length} characters, and there is room for {longest}; hand over what is long in a file, or in a variable of the environment", program.display())]
    TooLong {
        /// What was to be run.
        program: OsString,
        /// How long it would be.
        length: usize,
        /// How long it may be.
        longest: usize,
    },
}

/// Finds a program the way a shell does: a name without a separator in `PATH`, anything else below `directory`.
///
/// `extra` is looked at before `PATH`. What is relative there, or empty, counts from `directory` too.
pub fn resolve(
    program: &OsStr,
    directory: &Path,
    extra: &[PathBuf],
) -> Result<PathBuf, ResolveError> {
    let as_path = Path::new(program);
    if as_path.components().count() > 1 || as_path.is_absolute() {
        let path = directory.join(as_path);
        return check(&path)?.ok_or_else(|| ResolveError::NotFound {
            program: program.to_owned(),
            places: format!("at {}", path.display()),
        });
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut refused = None;
    for folder in extra.iter().cloned().chain(std::env::split_paths(&search)) {
        match check(&directory.join(folder).join(program)) {
            Ok(Some(path)) => return Ok(path),
            Ok(None) => {}
            // A shell goes on looking, and complains only when nothing better turns up.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| ResolveError::NotFound {
        program: program.to_owned(),
        places: "in PATH".into(),
    }))
}

fn check(path: &Path) -> Result<Option<PathBuf>, ResolveError> {
    for path in sys::executable_names(path) {
        if let Ok(metadata) = path.metadata() {
            return if !metadata.is_file() {
                Err(ResolveError::NotAFile { path })
            } else if !sys::may_execute(&path) {
                Err(ResolveError::NotExecutable { path })
            } else {
                Ok(Some(path))
            };
        }
    }
    Ok(None)
}

/// Where a member's output goes.
pub(crate) enum Output<'a> {
    /// To a file; there is no input.
    Log(&'a Path),
    /// To a console window of its own, with this title; input comes from there too.
    Window(&'a str),
    /// To the launcher's own streams.
    Streams(&'a StdStreams),
    /// Nowhere.
    Nowhere,
}

/// Starts a member of a run. Only a guardian may: the member ends when the calling thread does.
pub(crate) fn start_member(
    line: &CommandLine,
    output: &Output<'_>,
    member: Member,
    containment: &Containment,
) -> io::Result<Identity> {
    let mut command = Command::new(&line.program);
    command
        .args(&line.arguments)
        .envs(line.environment.iter().cloned())
        .env(MEMBER, member.name())
        .current_dir(&line.directory);
    // This process is in it until the member has started, which shares it from then on.
    let (mut own_console, mut _lent_console) = (None, None);
    match output {
        Output::Window(title) => {
            let own = Console::open(title)?;
            let [input, output, error] = own.to_stdio()?;
            command.stdin(input).stdout(output).stderr(error);
            own_console = Some(own);
        }
        Output::Log(path) => {
            let log = sys::append_to_plain_file(path)?;
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log);
        }
        Output::Streams(streams) => {
            _lent_console = streams.console();
            let [input, output, error] = streams.to_stdio()?;
            command.stdin(input).stdout(output).stderr(error);
        }
        Output::Nowhere => {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
        }
    }
    let identity = containment.start(command, member)?;
    if let Some(console) = own_console {
        // A console ends when no process is in it any more.
        poll_until(Deadline::after(CONSOLE_TIMEOUT), || {
            (console.holds(identity.pid) || !shutdown::is_there(&identity)).then_some(())
        });
    }
    Ok(identity)
}

/// Starts a guardian that is no descendant of this process, and returns this process's end of the link to it.
///
/// The guardian's program is started twice: the first process starts the second and leaves, so that the second is
/// adopted by init (or the nearest subreaper) before it owns anything.
pub(crate) fn start_guardian(program: &Path, log: File) -> io::Result<Link> {
    let (near, far) = sys::link()?;
    let mut command = Command::new(program);
    command
        .arg(START)
        .stdin(sys::link_to_stdio(far))
        .stdout(Stdio::null())
        .stderr(log);
    let mut child = spawn_apart(&mut command)?;
    // It needs no descriptor, of which there may be none left.
    let status = poll_with(Deadline::after(GUARDIAN_TIMEOUT), GUARDIAN_PAUSES, || {
        child.try_wait().transpose()
    });
    match status.transpose()? {
        Some(status) if status.success() => Ok(near),
        Some(status) => Err(io::Error::other(format!(
            "{} ended with {status}",
            program.display()
        ))),
        None => {
            child.kill()?;
            child.wait()?;
            Err(io::Error::other(format!(
                "{} took over {} s",
                program.display(),
                GUARDIAN_TIMEOUT.as_secs()
            )))
        }
    }
}

/// The first of the two processes: starts the second, with the same streams, and leaves.
pub(crate) fn start_second_guardian() -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(GUARD).current_dir(sys::root_folder());
    spawn_apart(&mut command).map(drop)
}

/// Starts a process as far apart from this one as this one may put it.
fn spawn_apart(command: &mut Command) -> io::Result<Child> {
    let mut attempts = 0;
    let mut result = Err(io::ErrorKind::Unsupported.into());
    while sys::set_apart(command, attempts) {
        attempts += 1;
        #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
        let spawned = command.spawn();
        result = spawned;
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::PermissionDenied) {
            break;
        }
    }
    result
}

/// Starts a launcher as a child of this process, without input, with its output in files.
pub fn start_launcher(line: &CommandLine, output: File, errors: File) -> io::Result<Child> {
    let mut command = Command::new(&line.program);
    command
        .args(&line.arguments)
        .envs(line.environment.iter().cloned())
        .current_dir(&line.directory)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
    command.spawn()
}

/// Starts this program once more, with other arguments and everything else the same. Only for an escape probe in a run,
/// which contains it.
pub(crate) fn start_beside(arguments: &[OsString]) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
    command.spawn()
}

/// The same, but without environment, streams and working directory, and as far apart from this one as it may be put.
/// Its end is not waited for.
pub(crate) fn start_bare(arguments: &[OsString]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .env_clear()
        .current_dir(sys::root_folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    spawn_apart(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_found_has_an_absolute_path() {
        let own = std::env::current_exe().unwrap();
        let (folder, name) = (own.parent().unwrap(), own.file_name().unwrap());
        for (directory, place) in [
            (folder.parent().unwrap(), folder.file_name().unwrap().into()),
            (folder, PathBuf::new()),
            (Path::new("nowhere"), folder.into()),
        ] {
            let found = resolve(name, directory, &[place]).unwrap();
            assert_eq!(found, own);
        }
    }
}
