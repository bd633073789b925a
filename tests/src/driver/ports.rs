//! Ports that no process uses.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::is_free;

/// Ports that no process uses at this moment, and that this process gives to no other call before it has given all
/// others.
///
/// They lie below those that the system and `--base-port auto` choose from.
pub fn free_ports(count: usize) -> Vec<u16> {
    // Two test programs at the same time begin in different places.
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| RandomState::new().hash_one(()).into());
    const FIRST: u16 = 10_000;
    const ROOM: u16 = 10_000;
    let candidates = (0..ROOM).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % u64::from(ROOM);
        FIRST + u16::try_from(step).expect("it is less than the room")
    });
    let ports: Vec<u16> = candidates
        .filter(|port| is_free(*port))
        .take(count)
        .collect();
    assert_eq!(ports.len(), count, "no port is free");
    ports
}

/// One port that no process uses, as [`free_ports`] gives it.
pub fn free_port() -> u16 {
    free_ports(1)[0]
}
