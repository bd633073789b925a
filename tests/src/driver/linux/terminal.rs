//! A terminal of a test's own: what a person types at, and closes.
//!
//! The test has the master side, a command below it has the other. A thread reads what is printed there, because
//! a process that writes to a terminal that is not read is kept waiting.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Ctrl+C, as a keyboard sends it.
pub const CONTROL_C: &[u8] = b"\x03";

/// A terminal. Dropping it closes it, as closing its window does.
#[derive(Debug)]
pub struct Terminal {
    master: Arc<OwnedFd>,
    output: PathBuf,
    reader: Option<JoinHandle<()>>,
    /// Closed to end the reader.
    alive: Option<PipeWriter>,
}

impl Terminal {
    /// A terminal whose output is kept in this file.
    pub(crate) fn open(output: PathBuf) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a pseudo-terminal can be had");
        grantpt(&master).expect("a pseudo-terminal can be used");
        unlockpt(&master).expect("a pseudo-terminal can be used");
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("a pseudo-terminal has a size");
        let master = Arc::new(master);
        let file = File::create(&output).expect("a file can be made");
        let (ended, alive) = io::pipe().expect("a pipe can be made");
        let read = Arc::clone(&master);
        let reader = std::thread::spawn(move || keep_reading(&read, &ended, file));
        Self {
            master,
            output,
            reader: Some(reader),
            alive: Some(alive),
        }
    }

    /// Where its output is kept.
    pub(crate) fn output(&self) -> &Path {
        &self.output
    }

    /// The side of it that a program gets.
    pub(crate) fn stream(&self) -> File {
        let name = ptsname(&self.master, Vec::new()).expect("a pseudo-terminal has a name");
        // It is to become the terminal of a session below this test, and of none else.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let stream = rustix::fs::open(name, flags, Mode::empty());
        File::from(stream.expect("a pseudo-terminal can be opened"))
    }

    /// Types something.
    pub fn press(&self, keys: &[u8]) {
        rustix::io::write(&self.master, keys).expect("a process has the terminal open");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal is closed when the last one closes it, and the reader is one.
        self.alive = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Keeps what is printed, until the terminal is to be closed or no process is left that could print.
fn keep_reading(master: &OwnedFd, ended: &PipeReader, mut file: File) {
    let mut bytes = [0; 4096];
    loop {
        let mut ready = [
            PollFd::new(master, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
        ];
        let polled = poll(&mut ready, None);
        if polled == Err(rustix::io::Errno::INTR) {
            continue;
        }
        let [printed, over] = ready.map(|fd| !fd.revents().is_empty());
        if polled.is_err() || over {
            return;
        }
        if !printed {
            continue;
        }
        match rustix::io::read(master, &mut bytes) {
            Ok(length) if length > 0 => {
                let _ = file.write_all(&bytes[..length]);
            }
            _ => return,
        }
    }
}
