//! Copies of programs, for systems that replace no program while it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::hash::fnv1a;
use crate::sys;
use crate::wait::{Deadline, poll_until};

/// How long the copy of a program is kept at least: the command that made it is about to start it.
const COPIES_KEPT: Duration = Duration::from_hours(1);

/// How long a new program may be held by a program that looks into it, such as a scanner for viruses, and cannot be
/// renamed.
const SCAN_TIMEOUT: Duration = Duration::from_secs(10);

/// Copies a program into a folder of its own, named for this build of it, unless that has been done.
pub(super) fn copy(program: &Path, copies: &Path) -> io::Result<PathBuf> {
    let name = program.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let metadata = fs::metadata(program)?;
    let age = metadata.modified()?.duration_since(UNIX_EPOCH);
    let build = format!(
        "{}\0{}\0{}",
        program.display(),
        metadata.len(),
        age.unwrap_or_default().as_nanos()
    );
    let folder = copies.join(format!("{:016x}", fnv1a(build.as_bytes())));
    let copy = folder.join(name);
    if !copy.exists() {
        forget_old_copies(copies);
        sys::make_private_folder(&folder)?;
        // Another command may be doing the same, and a command that finds the name finds all of it.
        let part = folder.join(format!("{}.part", std::process::id()));
        fs::copy(program, &part)?;
        let named = put_in_place(&part, &copy);
        if named.is_err() || part.exists() {
            // It goes with its folder otherwise.
            let _ = fs::remove_file(&part);
        }
        named?;
    }
    Ok(copy)
}

/// Gives a finished file its name, unless another process has given it to another file meanwhile.
fn put_in_place(part: &Path, copy: &Path) -> io::Result<()> {
    let mut refusal = io::Error::from(io::ErrorKind::TimedOut);
    let named = poll_until(Deadline::after(SCAN_TIMEOUT), || {
        match fs::rename(part, copy) {
            Ok(()) => Some(()),
            Err(_) if copy.exists() => Some(()),
            Err(error) => {
                refusal = error;
                None
            }
        }
    });
    named.ok_or(refusal)
}

/// Removes the copies that have been there for a while and that nothing runs: those stay, as they cannot be removed.
fn forget_old_copies(copies: &Path) {
    let entries = fs::read_dir(copies).into_iter().flatten().flatten();
    for entry in entries {
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > COPIES_KEPT) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
