//! What a new process gets before its first instruction, and what makes a process a guardian.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::fs::Access;
use rustix::process::{Resource, Rlimit, Signal};

use super::cgroup::Cgroup;
use crate::guarantee::Mechanism;

/// What a new process gets before its first instruction, beside a process group of its own and a death signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtStart<'a> {
    /// The soft and hard `RLIMIT_RTTIME`, in µs: its mark.
    pub(crate) real_time_limit: Option<u64>,
    /// The cgroup that it starts in.
    pub(crate) cgroup: Option<&'a Cgroup>,
    /// Whether it starts in a PID namespace of its own, which ends with this process in any case.
    pub(crate) in_namespace: bool,
    /// The job that it is put in: there are none here.
    #[expect(dead_code, reason = "for Windows")]
    pub(crate) job: Option<&'a Job>,
}

/// All mechanisms of this system.
pub(crate) const MECHANISMS: &[Mechanism] =
    &[Mechanism::Subreaper, Mechanism::Cgroup, Mechanism::Pidns];

/// Those that change nothing for the members, the strongest first.
pub(crate) const TRANSPARENT: &[Mechanism] = &[Mechanism::Cgroup, Mechanism::Subreaper];

/// A program can be replaced while it runs.
pub(crate) const RUNNING_PROGRAMS_ARE_LOCKED: bool = false;

/// Processes carry a mark.
pub(crate) const CAN_MARK: bool = true;

/// A job object of Windows. There are none here.
#[derive(Debug)]
pub(crate) struct Job(Infallible);

impl Job {
    pub(crate) fn make() -> io::Result<Self> {
        let text = "job objects are of Windows only";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    pub(crate) fn pids(&self) -> io::Result<BTreeSet<u32>> {
        match self.0 {}
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.0 {}
    }
}

/// Lets a command start with all this, in a process group of its own, and so that it is killed when the calling thread
/// ends.
///
/// The death signal is a belt only: it reaches direct children, and a setuid program sheds it.
#[expect(
    unsafe_code,
    reason = "only between fork and exec can this be set for the child alone"
)]
pub(crate) fn contain_at_start(command: &mut Command, at_start: AtStart<'_>) -> io::Result<()> {
    let parent = rustix::process::getpid();
    let entrance = at_start
        .cgroup
        .map(|cgroup| cgroup.entrance().try_clone_to_owned())
        .transpose()?;
    command.process_group(0);
    let (limit, in_namespace) = (at_start.real_time_limit, at_start.in_namespace);
    let before_exec = move || {
        if let Some(entrance) = &entrance {
            // "0" is whoever writes it.
            rustix::io::write(entrance, b"0")?;
        }
        if let Some(limit) = limit {
            let limit = Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            };
            // An outer run may have set a lower hard limit, which cannot be raised; the other evidence remains.
            let _ = rustix::process::setrlimit(Resource::Rttime, limit);
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // In a namespace a parent outside has no PID.
        if in_namespace || rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            // The parent ended before the death signal was set, so it would never come.
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(before_exec) };
    Ok(())
}

/// A new process is where it belongs from its first instruction on.
#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "on other systems there is something left to do, which can fail"
)]
pub(crate) fn take_charge(child: Child, _at_start: AtStart<'_>) -> io::Result<u32> {
    Ok(child.id())
}

/// A guardian leaves by itself what it was started in. `false`: there is no other way to start it.
pub(crate) fn set_apart(_command: &mut Command, attempt: usize) -> bool {
    attempt == 0
}

/// A folder that is always there, and in nobody's way.
pub(crate) fn root_folder() -> PathBuf {
    PathBuf::from("/")
}

/// The hard `RLIMIT_RTTIME` of this process, in µs. `None`: unlimited.
pub(crate) fn own_real_time_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Rttime).maximum
}

/// Leaves the session of whoever started this process, and becomes the parent of every orphan below it.
pub(crate) fn become_guardian() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// The file names under which a program of this name may be found.
pub(crate) fn executable_names(path: &Path) -> Vec<PathBuf> {
    vec![path.to_owned()]
}

/// Whether this user may execute a file.
pub(crate) fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Makes a folder, and those above it, that only this user can enter. One that is there already must be this user's.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::metadata(path)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user",
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    // Permission bits do not stop root, and a read-only file system stops everybody.
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(())
}

/// A path from the bytes that it was written as.
#[expect(
    clippy::unnecessary_wraps,
    reason = "on other systems not all bytes are a path"
)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(bytes)))
}
