//! The end that every process sets itself.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// In ms since 1970, which all processes of one start share.
static END: OnceLock<u64> = OnceLock::new();

/// Gives this process, and all that it will start, so many seconds, or until a moment.
pub(super) fn begin(seconds: u64, until: Option<u64>) {
    let longest = now() + seconds * 1000;
    let _ = END.set(until.map_or(longest, |until| until.min(longest)));
    thread::spawn(rest);
}

/// The moment at which everything dies.
pub(super) fn end() -> u64 {
    END.get().copied().unwrap_or(0)
}

/// Whether the moment has come.
pub(super) fn is_over() -> bool {
    now() >= end()
}

/// Does nothing until the end, which is that of the whole process.
pub(super) fn rest() {
    while !is_over() {
        thread::sleep(Duration::from_millis(end().saturating_sub(now()).max(1)));
    }
    #[expect(
        clippy::exit,
        reason = "whatever the other threads do, this process ends now"
    )]
    std::process::exit(0)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
