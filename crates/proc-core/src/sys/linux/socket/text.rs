//! `/proc/net/tcp` and `/proc/net/tcp6`: the same list as text, where netlink is not available.
//!
//! Slower, since the kernel writes out every connection, and without the flag that tells whether an IPv6 listener takes
//! IPv4 too.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::state::state;
use super::{Socket, TcpState};

/// Lists the sockets in one of these states.
pub(super) fn read(states: &[TcpState], port: Option<u16>) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (path, required) in [("/proc/net/tcp", true), ("/proc/net/tcp6", false)] {
        match fs::read_to_string(path) {
            Ok(text) => sockets.extend(text.lines().skip(1).filter_map(line).filter(|socket| {
                states.contains(&socket.state) && port.is_none_or(|port| port == socket.port)
            })),
            // A kernel without IPv6 has no second file.
            Err(error) if !required && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// One line, by the columns of `proc_net_tcp(5)`: `sl local rem st queues timer retransmits uid timeout inode`.
fn line(line: &str) -> Option<Socket> {
    let mut columns = line.split_ascii_whitespace();
    let (address, port) = columns.nth(1)?.split_once(':')?;
    let number = columns.nth(1)?;
    let user = columns.nth(3)?;
    let inode = columns.nth(1)?;
    Some(Socket {
        port: u16::from_str_radix(port, 16).ok()?,
        address: parse_address(address)?.to_canonical(),
        v6only: None,
        inode: inode.parse().ok()?,
        user: user.parse().ok()?,
        state: state(u8::from_str_radix(number, 16).ok()?),
    })
}

/// An address as the kernel prints it: 32-bit words in network order, each written as a number of this machine.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| -> Option<[u8; 4]> {
        let digits = hex.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(address: IpAddr) -> String {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let word = |word: &[u8]| u32::from_ne_bytes(word.try_into().unwrap());
        let words: Vec<String> = octets
            .chunks(4)
            .map(|bytes| format!("{:08X}", word(bytes)))
            .collect();
        words.concat()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_a_real_file_are_read() {
        let cases = [
            (
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 \
                 0000000000000000 100 0 0 10 0",
                "127.0.0.1",
                8080,
                TcpState::Listening,
                1000,
                4711,
            ),
            (
                "  12: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 \
                 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0",
                "::1",
                22,
                TcpState::Listening,
                0,
                99,
            ),
            (
                "   3: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A001 06 \
                 00000000:00000000 03:00000EBB 00000000     0        0 0 3 0000000000000000",
                "127.0.0.1",
                8080,
                TcpState::Connected,
                0,
                0,
            ),
        ];
        for (text, address, port, state, user, inode) in cases {
            let expected = Socket {
                port,
                address: address.parse().unwrap(),
                v6only: None,
                inode,
                user,
                state,
            };
            assert_eq!(line(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_line_is_nothing() {
        for text in [
            "",
            "  sl  local_address rem_address   st",
            "0: x:y z 0A a b c 1 2 3",
            "0: é:1 a",
        ] {
            assert_eq!(line(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_read_back(address in any::<IpAddr>()) {
            prop_assert_eq!(parse_address(&hex(address)), Some(address));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,120}") {
            let _ = line(&text);
            let _ = parse_address(&text);
        }
    }
}
