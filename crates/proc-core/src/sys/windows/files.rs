//! Programs, folders and paths.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_PATH_NOT_FOUND};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use super::call::{check, is, wide_path};
use super::private::Private;

/// How long the command line of a program may be, in units of UTF-16, without the zero at its end.
const LONGEST: usize = 32_766;

/// The same of a batch file, which `cmd` executes.
const LONGEST_OF_BATCH: usize = 8_100;

/// A folder that is always there, and in the way of nothing.
pub(crate) fn root_folder() -> PathBuf {
    let folder = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\".into());
    PathBuf::from(folder)
}

/// The file names under which a program of this name may be found, in order.
///
/// A name without the extension of a program is looked for with each of these first: beside `npm.cmd` there is an `npm`,
/// which is a script for other shells and cannot be started here.
pub(crate) fn executable_names(path: &Path) -> Vec<PathBuf> {
    let extensions = std::env::var("PATHEXT").unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".into());
    let extensions = || extensions.split(';').filter(|end| !end.is_empty());
    let own = path.extension().map(|end| format!(".{}", end.display()));
    let is_whole = own.is_some_and(|own| extensions().any(|end| end.eq_ignore_ascii_case(&own)));
    let longer = extensions().map(|end| {
        let mut name = OsString::from(path);
        name.push(end.to_ascii_lowercase());
        PathBuf::from(name)
    });
    let mut names: Vec<PathBuf> = longer.collect();
    let place = if is_whole { 0 } else { names.len() };
    names.insert(place, path.to_owned());
    names
}

/// Whether this user may execute a file. Nothing tells before it is tried.
pub(crate) fn may_execute(_path: &Path) -> bool {
    true
}

/// How long a command line may be.
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bound")]
pub(crate) fn longest_command_line(program: &Path) -> Option<usize> {
    let is_batch = program.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("bat") || extension.eq_ignore_ascii_case("cmd")
    });
    Some(if is_batch { LONGEST_OF_BATCH } else { LONGEST })
}

/// Where programs keep their state that is of use on this machine only.
pub(crate) fn state_base(folders: &impl BaseStrategy) -> PathBuf {
    // `%LOCALAPPDATA%`; what lies in `%APPDATA%` may follow its user to other machines.
    folders.cache_dir()
}

/// Makes a folder, and those above it, that only this user can enter. One that is there already must be this user's.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    let private = Private::new()?;
    match make_folder(path, &private) {
        Err(error) if is(&error, ERROR_PATH_NOT_FOUND) => {
            let above = path.parent().ok_or(error)?;
            make_private_folder(above)?;
            make_folder(path, &private)
        }
        result => result,
    }
}

fn make_folder(path: &Path, private: &Private) -> io::Result<()> {
    let name = wide_path(path)?;
    let attributes = private.attributes();
    // SAFETY: the name ends with a zero, and the attributes refer to what `private` holds.
    let made = check(unsafe { CreateDirectoryW(name.as_ptr(), &raw const attributes) });
    match made {
        Err(error) if is(&error, ERROR_ALREADY_EXISTS) && path.is_dir() => private.take(path),
        result => result,
    }
}

/// Opens what is under a path. Nothing in a folder makes its opener wait for another end.
pub(crate) fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

/// A path from the bytes that it was written as.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}
