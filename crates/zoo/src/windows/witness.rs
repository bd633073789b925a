//! The witness: a file that each process of the zoo makes for itself, and that no other can open while the process
//! lives.
//!
//! The system keeps it so for as long as there is a handle, whatever the process does to its name, its environment and
//! its parents; and lets go of it when the process ends, however it does.

use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::cli;

/// Makes the file of this process.
pub(super) fn hold() -> io::Result<File> {
    let name = cli().name.clone().unwrap_or_else(|| own("leader"));
    let mut options = File::options();
    options.write(true).create_new(true).share_mode(0);
    options.open(path(&name))
}

/// The name of a file for this process, or for one that it starts itself.
pub(super) fn own(part: &str) -> String {
    format!("{}-{part}", std::process::id())
}

/// Where the file of this name is.
pub(super) fn path(name: &str) -> PathBuf {
    cli().witness.join(name)
}
