//! What an escape probe does to get away, and what shows whether it is still there.
//!
//! A file that was opened without sharing it cannot be opened by any other process. The system keeps it so for as long
//! as there is a handle, whatever else its holder gives up, and no longer.

use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_SHARING_VIOLATION};
use windows_sys::Win32::System::Console::{FreeConsole, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

use super::call::{check, is};

/// What shows an observer whether a probe is there: a file that the probe makes.
#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
}

/// What probes live by: a file that is open. Dropping it releases them.
#[derive(Debug)]
pub(crate) struct Lifeline {
    _file: File,
}

/// A probe's view of its lifeline.
#[derive(Debug)]
pub(crate) struct LifelineWatch {
    path: PathBuf,
}

impl Witness {
    /// Of a probe that is not there yet.
    #[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    pub(crate) fn prepare(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into() })
    }

    /// Whether the probe has said that it is set up: it makes the file then.
    pub(crate) fn is_set_up(&mut self) -> io::Result<bool> {
        self.path.try_exists()
    }

    /// Whether the probe is there.
    pub(crate) fn is_there(&mut self) -> io::Result<bool> {
        is_taken(&self.path)
    }
}

/// Says that this probe is set up. It is there for as long as the file is open.
pub(crate) fn hold_witness(path: &Path) -> io::Result<File> {
    make_and_take(path)
}

impl Lifeline {
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        make_and_take(path).map(|file| Self { _file: file })
    }
}

impl LifelineWatch {
    #[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into() })
    }

    /// Whether it was released. Nothing can be waited for, so that it has to be asked again and again.
    pub(crate) fn is_released(&mut self, _patience: Duration) -> io::Result<bool> {
        is_taken(&self.path).map(|is_taken| !is_taken)
    }
}

fn make_and_take(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .write(true)
        .create_new(true)
        .share_mode(0)
        .open(path)
}

/// Whether a process has taken a file. To ask is to share it, which is in the way of no other that asks.
fn is_taken(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(_) => Ok(false),
        Err(error) if is(&error, ERROR_SHARING_VIOLATION) => Ok(true),
        Err(error) if is(&error, ERROR_FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives up what this process got from what started it, and takes no notice of being asked to end.
pub(crate) fn leave_everything() -> io::Result<()> {
    // It fails where there is none, as after a start apart from everything.
    // SAFETY: it takes no memory.
    unsafe { FreeConsole() };
    // SAFETY: the function lives as long as the program.
    check(unsafe { SetConsoleCtrlHandler(Some(hear_nothing), 1) })
}

extern "system" fn hear_nothing(_how: u32) -> BOOL {
    1
}
