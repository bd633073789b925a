//! Reading files that others may have replaced by anything.
//!
//! What a run starts has the rights of its user, and may put a named pipe, a device or a file without end in the place
//! of a log or a ledger. No process is to wait for that, or to read it to its end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file for reading. Anything that is no plain file is an error.
pub(crate) fn open_plain_file(path: &Path) -> io::Result<File> {
    check(super::open_at_once(File::options().read(true), path)?)
}

/// Opens a file to be written at its end, and makes it where there is none.
pub(crate) fn append_to_plain_file(path: &Path) -> io::Result<File> {
    let options = &mut File::options();
    check(super::open_at_once(
        options.create(true).append(true),
        path,
    )?)
}

fn check(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not a plain file",
        ))
    }
}

/// Reads a plain file of at most so many bytes. A larger one is an error.
pub(crate) fn read_plain_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_plain_file(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(bytes)
    } else {
        Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {most} bytes"),
        ))
    }
}
