//! The states of TCP sockets, by their numbers.

use crate::sys::TcpState;

/// The numbers of states in the kernel's `include/net/tcp_states.h`. All that lie between are those of connections.
const FIRST: u8 = 1;
pub(super) const LISTEN: u8 = 10;
const LAST: u8 = 12;
pub(super) const BOUND: u8 = 13;

pub(super) fn state(number: u8) -> TcpState {
    match number {
        LISTEN => TcpState::Listening,
        BOUND => TcpState::Bound,
        _ => TcpState::Connected,
    }
}

/// The set of their numbers, a bit for each.
pub(super) fn mask(states: &[TcpState]) -> u32 {
    let wanted = (FIRST..=LAST).chain([BOUND]);
    wanted
        .filter(|number| states.contains(&state(*number)))
        .fold(0, |mask, number| mask | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_the_thirteen_of_the_kernel() {
        assert_eq!(mask(&[TcpState::Listening]), 0b100_0000_0000);
        assert_eq!(mask(&[TcpState::Bound]), 0b10_0000_0000_0000);
        assert_eq!(mask(&[TcpState::Connected]), 0b1_1011_1111_1110);
    }
}
