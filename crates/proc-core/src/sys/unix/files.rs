//! Programs, folders and paths.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use rustix::fs::{Access, OFlags};

/// The file names under which a program of this name may be found.
pub(crate) fn executable_names(path: &Path) -> Vec<PathBuf> {
    vec![path.to_owned()]
}

/// Whether this user may execute a file.
pub(crate) fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Where programs keep their state that is of use on this machine only.
pub(crate) fn state_base(folders: &impl BaseStrategy) -> PathBuf {
    folders.state_dir().unwrap_or_else(|| folders.data_dir())
}

/// How long a command line may be. There is none: a process gets its arguments one by one.
pub(crate) fn longest_command_line(_program: &Path) -> Option<usize> {
    None
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
    // Permission bits do not stop root, and a read-only file system stops every user.
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(())
}

/// Opens what is under a path, and waits for nothing: a named pipe makes its opener wait for the other end.
pub(crate) fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// A path from the bytes that it was written as.
#[expect(
    clippy::unnecessary_wraps,
    reason = "on other systems not all bytes are a path"
)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(bytes)))
}
