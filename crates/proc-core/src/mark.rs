//! A mark that everything that a run starts carries, and cannot take off.
//!
//! The mark is a resource limit with a number that no other run has: soft and hard `RLIMIT_RTTIME`, in µs. The limit
//! concerns real-time tasks that run for that long without a pause; at more than 36,000 years it concerns no task. It
//! is inherited through fork and exec, survives a new session, closed descriptors and an emptied environment, and may
//! be lowered but never raised again without privilege. Read is the hard limit alone: programs that play sound lower
//! the soft one.
//!
//! Layout, from the top: two zero bits, one set bit, 49 random bits for the run, 12 bits for the member. The set bit
//! makes each mark larger than any limit that a person would set, and smaller than "unlimited".

use std::fmt;

use serde::{Deserialize, Serialize};

/// The mark of a run: the upper bits of the limit, with the member's bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark(u64);

/// What in a run carries a mark: the clients by number from 1, the test, or the guardian's own helpers.
pub type MemberNumber = u16;

/// The largest member number: 12 bits.
pub const MAX_MEMBER: MemberNumber = 0xfff;

const MEMBER_BITS: u32 = 12;
const MEMBER_MASK: u64 = (1 << MEMBER_BITS) - 1;
const SENTINEL: u64 = 1 << 61;

impl Mark {
    /// A mark from random bits; bits that the layout does not leave to chance are ignored.
    pub fn from_random(random: u64) -> Self {
        Self(SENTINEL | (random & (SENTINEL - 1) & !MEMBER_MASK))
    }

    /// A mark from random bits that a process whose own limit is `limit` may still set: a limit can only be lowered.
    pub fn below(random: u64, limit: Option<u64>) -> Self {
        let mark = Self::from_random(random);
        match limit.and_then(Self::read) {
            Some((outer, _)) if mark >= outer => {
                let room = (outer.0 & !SENTINEL) >> MEMBER_BITS;
                let lower = (mark.0 & !SENTINEL) >> MEMBER_BITS;
                Self(SENTINEL | (lower.checked_rem(room).unwrap_or(0) << MEMBER_BITS))
            }
            _ => mark,
        }
    }

    /// Reads the mark and the member from a resource limit. `None`: it is no mark.
    pub fn read(limit: u64) -> Option<(Self, MemberNumber)> {
        (limit >> 61 == 1).then(|| (Self(limit & !MEMBER_MASK), member_of(limit)))
    }

    /// The limit that a member carries.
    pub fn for_member(self, member: MemberNumber) -> u64 {
        self.0 | u64::from(member.min(MAX_MEMBER))
    }
}

fn member_of(limit: u64) -> MemberNumber {
    MemberNumber::try_from(limit & MEMBER_MASK).unwrap_or(MAX_MEMBER)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013x}", (self.0 & !SENTINEL) >> MEMBER_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_back_from_its_limit() {
        for random in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let mark = Mark::from_random(random);
            for member in [0, 1, 100, MAX_MEMBER] {
                assert_eq!(Mark::read(mark.for_member(member)), Some((mark, member)));
            }
        }
    }

    #[test]
    fn a_nested_mark_can_be_set_by_lowering() {
        let outer = Mark::from_random(0x0123_4567_89ab_cdef);
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef, 0x1fff_0000_0000_0000] {
            let inner = Mark::below(random, Some(outer.for_member(3)));
            assert!(inner < outer);
            assert!(Mark::read(inner.for_member(MAX_MEMBER)).is_some());
        }
        assert_eq!(Mark::below(7 << 20, None), Mark::from_random(7 << 20));
    }

    #[test]
    fn ordinary_limits_are_no_marks() {
        for limit in [0, 200_000, 1 << 40, 1 << 60, 1 << 62, u64::MAX] {
            assert_eq!(Mark::read(limit), None, "{limit}");
        }
    }
}
