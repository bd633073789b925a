//! Waiting, always with a deadline.

use std::time::{Duration, Instant};

/// How long anything in a test may take before the test gives up. Far longer than anything takes, under Wine too.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Tries until there is an answer, or the time is up.
pub fn poll<T>(time: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + time;
    loop {
        let last = Instant::now() >= end;
        if let Some(answer) = attempt() {
            return Some(answer);
        }
        if last {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Fails unless this comes true in time.
#[track_caller]
pub fn wait_for(time: Duration, what: &str, mut is_true: impl FnMut() -> bool) {
    assert!(
        poll(time, || is_true().then_some(())).is_some(),
        "waited {time:?} for {what}"
    );
}
