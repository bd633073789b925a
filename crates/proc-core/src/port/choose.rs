//! Free ports for a client that does not care which.
//!
//! They are drawn at random, so that two runs seldom meet; from below the range from which the system serves outgoing
//! connections, so that none of these takes a port before its client does; and leased, so that no other run draws it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Bindable, Lease, PortError, bind_all, lease};
use crate::sys;

/// Where to draw from when the system does not say what it draws from itself.
const DEFAULT: RangeInclusive<u16> = 20_000..=30_000;

/// Below are ports that well-known services use, and some that browsers refuse.
const FIRST: u16 = 20_000;

/// Draws free ports and leases them, none of them in `taken`.
///
/// Each can be bound at this moment; the lease keeps it from other runs, not from other programs.
pub fn choose(count: usize, taken: &BTreeSet<u16>) -> Result<Vec<(u16, Lease)>, PortError> {
    let range = range(sys::ephemeral_ports());
    let mut ports: Vec<u16> = range.clone().filter(|port| !taken.contains(port)).collect();
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let Some(port) = draw(&mut ports)? else {
            return Err(PortError::Exhausted {
                wanted: count,
                found: chosen.len(),
                first: *range.start(),
                last: *range.end(),
            });
        };
        // The lease comes first: from then on no other run tries this port.
        if let Some(lease) = lease(port)?
            && matches!(bind_all(port)?, Bindable::Free)
        {
            chosen.push((port, lease));
        }
    }
    Ok(chosen)
}

/// Takes one port out, each with the same chance.
fn draw(ports: &mut Vec<u16>) -> Result<Option<u16>, PortError> {
    if ports.is_empty() {
        return Ok(None);
    }
    let random = getrandom::u64().map_err(PortError::Random)?;
    let index = usize::try_from(random % ports.len() as u64).unwrap_or(0);
    Ok(Some(ports.swap_remove(index)))
}

/// The ports to draw from: below the system's own, or above them where there is no room below.
fn range(ephemeral: Option<RangeInclusive<u16>>) -> RangeInclusive<u16> {
    const ROOM: u16 = 1000;
    let Some(ephemeral) = ephemeral else {
        return DEFAULT;
    };
    let (first, last) = (*ephemeral.start(), *ephemeral.end());
    if first >= FIRST + ROOM {
        FIRST..=first - 1
    } else if last <= u16::MAX - ROOM {
        (last + 1).max(FIRST)..=u16::MAX
    } else {
        // The system draws from everywhere. A port may be taken before its client binds it; that is then reported.
        DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_keeps_clear_of_the_systems_own() {
        let cases = [
            (None, 20_000..=30_000),
            (Some(32_768..=60_999), 20_000..=32_767),
            (Some(49_152..=65_535), 20_000..=49_151),
            (Some(1024..=60_000), 60_001..=65_535),
            (Some(1024..=9_999), 20_000..=65_535),
            (Some(1024..=65_535), 20_000..=30_000),
            (Some(20_500..=65_535), 20_000..=30_000),
        ];
        for (ephemeral, expected) in cases {
            assert_eq!(range(ephemeral.clone()), expected, "{ephemeral:?}");
        }
    }

    #[test]
    fn chosen_ports_are_distinct_leased_and_not_taken() {
        let first = choose(5, &BTreeSet::new()).unwrap();
        let taken: BTreeSet<u16> = first.iter().map(|(port, _)| *port).collect();
        assert_eq!(taken.len(), 5);
        for (port, held) in &first {
            assert_eq!(held.port(), *port);
            assert!(lease(*port).unwrap().is_none());
        }
        let second = choose(5, &taken).unwrap();
        assert!(second.iter().all(|(port, _)| !taken.contains(port)));
    }

    #[test]
    fn a_range_that_is_used_up_is_an_error_that_counts() {
        let all: BTreeSet<u16> = range(sys::ephemeral_ports()).collect();
        let error = choose(2, &all).unwrap_err();
        assert!(matches!(
            error,
            PortError::Exhausted {
                wanted: 2,
                found: 0,
                ..
            }
        ));
    }

    #[test]
    fn every_port_is_drawn_once() {
        let mut ports: Vec<u16> = (1..=50).collect();
        let mut drawn = BTreeSet::new();
        while let Some(port) = draw(&mut ports).unwrap() {
            assert!(drawn.insert(port));
        }
        assert_eq!(drawn.len(), 50);
    }
}
