//! The log lines of a client, as a server writes them.

use std::io::{self, Write};
use std::time::Instant;

/// Writes lines with the time since the start and the client's number. Each line is flushed at once: a reader of the
/// log of a client that hangs must see the last one. A reader that has gone away is no reason to end.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    number: u32,
    started: Instant,
}

impl Log {
    pub(crate) fn new(number: u32, started: Instant) -> Self {
        Self { number, started }
    }

    pub(crate) fn info(&self, message: &str) {
        self.write(&mut io::stdout().lock(), message);
    }

    pub(crate) fn error(&self, message: &str) {
        self.write(&mut io::stderr().lock(), message);
    }

    fn write(&self, to: &mut impl Write, message: &str) {
        let line = format!(
            "[{:9.3}] client {}: {message}\n",
            self.started.elapsed().as_secs_f64(),
            self.number
        );
        let _ = to.write_all(line.as_bytes());
        let _ = to.flush();
    }
}
