//! `sock_diag`: the kernel's own list of sockets, over netlink.
//!
//! One request asks for the sockets of one address family in given states, and the kernel filters before it answers.
//! The layouts are those of `include/uapi/linux/{netlink,sock_diag,inet_diag}.h`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::Socket;
use super::state::state;

/// A connection to the kernel's socket list.
#[derive(Debug)]
pub(super) struct Diag {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

/// What one datagram of an answer said.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const MESSAGE: usize = 72;
const ALIGNMENT: usize = 4;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_SKV6ONLY: u16 = 11;

/// The kernel fills at most 32 KiB at once.
const FIRST_BUFFER: usize = 32 << 10;
const LARGEST_BUFFER: usize = 1 << 20;

/// The kernel answers at once. This is for the day on which it does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether netlink is not available here at all, as opposed to having failed once.
pub(super) fn is_unavailable(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| {
        matches!(
            errno,
            Errno::PERM
                | Errno::ACCESS
                | Errno::NOENT
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::AFNOSUPPORT
                | Errno::PROTONOSUPPORT
                | Errno::SOCKTNOSUPPORT
                | Errno::INVAL
        )
    })
}

impl Diag {
    pub(super) fn open() -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self {
            fd,
            buffer: vec![0; FIRST_BUFFER],
            sequence: 0,
        })
    }

    /// Lists the sockets of both families. After an error the connection is of no further use.
    pub(super) fn read(&mut self, states: u32, port: Option<u16>) -> io::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            loop {
                let before = sockets.len();
                if self.dump(family, states, port, &mut sockets)? {
                    break;
                }
                // A datagram was cut off: once more, with the larger buffer.
                sockets.truncate(before);
            }
        }
        // The kernel heeds the port for listeners and connections, but not for sockets that are bound only.
        sockets.retain(|socket: &Socket| port.is_none_or(|port| port == socket.port));
        Ok(sockets)
    }

    /// One request and its answer. `false`: the buffer was too small, and has grown.
    fn dump(
        &mut self,
        family: AddressFamily,
        states: u32,
        port: Option<u16>,
        sockets: &mut Vec<Socket>,
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(family, states, port, self.sequence);
        let kernel = SocketAddrNetlink::new(0, 0);
        retry_on_intr(|| sendto(&self.fd, &request, SendFlags::empty(), &kernel))?;
        let mut whole = true;
        loop {
            let (_, length) =
                retry_on_intr(|| recv(&self.fd, self.buffer.as_mut_slice(), RecvFlags::TRUNC))?;
            let Some(datagram) = self.buffer.get(..length) else {
                let larger = length.next_power_of_two();
                if larger > LARGEST_BUFFER {
                    return Err(invalid("a netlink message is larger than any should be"));
                }
                // The rest of the answer is still read, or it would be taken for that to the next request.
                self.buffer.resize(larger, 0);
                whole = false;
                continue;
            };
            if parse(datagram, self.sequence, sockets)? == Progress::Done {
                return Ok(whole);
            }
        }
    }
}

/// An `inet_diag_req_v2` behind its header.
fn request(family: AddressFamily, states: u32, port: Option<u16>, sequence: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    let mut put = |offset: usize, field: &[u8]| {
        bytes[offset..offset + field.len()].copy_from_slice(field);
    };
    put(0, &u32::try_from(REQUEST).unwrap_or(0).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    put(HEADER, &[family.as_raw().to_le_bytes()[0], IPPROTO_TCP]);
    put(HEADER + 4, &states.to_ne_bytes());
    // The source port of the socket id; 0 is any.
    put(HEADER + 8, &port.unwrap_or(0).to_be_bytes());
    bytes
}

/// Takes the sockets out of one datagram. Messages that answer another request are passed over.
fn parse(mut datagram: &[u8], sequence: u32, sockets: &mut Vec<Socket>) -> io::Result<Progress> {
    while datagram.len() >= HEADER {
        let length = u32_at(datagram, 0).map_or(0, |length| length as usize);
        let message = datagram
            .get(..length)
            .filter(|message| message.len() >= HEADER)
            .ok_or_else(|| invalid("a netlink message runs past its datagram"))?;
        let payload = &message[HEADER..];
        if u32_at(message, 8) == Some(sequence) {
            match u16_at(message, 4) {
                Some(NLMSG_DONE) => {
                    check(payload)?;
                    return Ok(Progress::Done);
                }
                Some(NLMSG_ERROR) => {
                    check(payload)?;
                    return Err(invalid(
                        "netlink acknowledged where it should have answered",
                    ));
                }
                // Flags are not looked at: a listing that the kernel calls interrupted is as good as any other, since
                // sockets come and go at any time anyhow.
                Some(SOCK_DIAG_BY_FAMILY) => sockets.extend(socket(payload)),
                _ => {}
            }
        }
        datagram = datagram.get(align(length)..).unwrap_or_default();
    }
    Ok(Progress::More)
}

/// The error code that ends an answer, if it is one.
fn check(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map(u32::cast_signed) {
        Some(code) if code < 0 => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        _ => Ok(()),
    }
}

/// One `inet_diag_msg` and the attributes behind it.
fn socket(payload: &[u8]) -> Option<Socket> {
    let message = payload.get(..MESSAGE)?;
    let family = AddressFamily::from_raw(message[0].into());
    let address = match family {
        AddressFamily::INET => IpAddr::from(Ipv4Addr::from(array_at::<4>(message, 8)?)),
        AddressFamily::INET6 => IpAddr::from(Ipv6Addr::from(array_at::<16>(message, 8)?)),
        _ => return None,
    };
    Some(Socket {
        port: u16::from_be_bytes(array_at(message, 4)?),
        address: address.to_canonical(),
        v6only: v6only(&payload[MESSAGE..]),
        inode: u32_at(message, 68)?.into(),
        user: u32_at(message, 64)?,
        state: state(message[1]),
    })
}

/// The attribute that tells whether an IPv6 socket takes IPv4 too.
fn v6only(mut attributes: &[u8]) -> Option<bool> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if u16_at(attributes, 2)? == INET_DIAG_SKV6ONLY {
            return value.first().map(|flag| *flag != 0);
        }
        attributes = attributes.get(align(length)..)?;
    }
}

fn align(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_ne_bytes)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::state::{BOUND, LISTEN};
    use super::*;
    use crate::sys::TcpState;

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = HEADER + payload.len();
        let mut bytes = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(align(length), 0);
        bytes
    }

    fn encode(socket: &Socket) -> Vec<u8> {
        let mut bytes = vec![0; MESSAGE];
        let mut put = |offset: usize, field: &[u8]| {
            bytes[offset..offset + field.len()].copy_from_slice(field);
        };
        match socket.address {
            IpAddr::V4(address) => {
                put(0, &[2]);
                put(8, &address.octets());
            }
            IpAddr::V6(address) => {
                put(0, &[10]);
                put(8, &address.octets());
            }
        }
        let state = match socket.state {
            TcpState::Listening => LISTEN,
            TcpState::Bound => BOUND,
            TcpState::Connected => 1,
        };
        put(1, &[state]);
        put(4, &socket.port.to_be_bytes());
        put(64, &socket.user.to_ne_bytes());
        put(68, &u32::try_from(socket.inode).unwrap().to_ne_bytes());
        // An attribute that is not asked for, before the one that is.
        bytes.extend([5, 0, 8, 0, 0, 0, 0, 0]);
        if let Some(flag) = socket.v6only {
            bytes.extend(5u16.to_ne_bytes());
            bytes.extend(INET_DIAG_SKV6ONLY.to_ne_bytes());
            bytes.extend([u8::from(flag), 0, 0, 0]);
        }
        bytes
    }

    fn any_socket() -> impl Strategy<Value = Socket> {
        let fields = (any::<u16>(), any::<IpAddr>(), any::<u32>(), any::<u32>());
        (fields, 1..=13u8, any::<Option<bool>>()).prop_map(
            |((port, address, inode, user), number, v6only)| Socket {
                port,
                address: address.to_canonical(),
                v6only,
                inode: inode.into(),
                user,
                state: state(number),
            },
        )
    }

    proptest! {
        #[test]
        fn sockets_are_read_back(expected in prop::collection::vec(any_socket(), 0..5)) {
            let mut datagram = message(SOCK_DIAG_BY_FAMILY, 6, &encode_other());
            for socket in &expected {
                datagram.extend(message(SOCK_DIAG_BY_FAMILY, 7, &encode(socket)));
            }
            let mut sockets = Vec::new();
            prop_assert_eq!(parse(&datagram, 7, &mut sockets).unwrap(), Progress::More);
            prop_assert_eq!(sockets, expected);
        }

        #[test]
        fn no_bytes_panic_or_loop(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&datagram, 0, &mut Vec::new());
            let _ = socket(&datagram);
            let _ = v6only(&datagram);
        }

        #[test]
        fn a_cut_message_is_an_error_or_nothing(cut in 0usize..200) {
            let whole = message(SOCK_DIAG_BY_FAMILY, 7, &encode_other());
            let mut sockets = Vec::new();
            let result = parse(&whole[..cut.min(whole.len() - 1)], 7, &mut sockets);
            prop_assert!(sockets.is_empty());
            prop_assert_eq!(result.is_ok(), cut < HEADER);
        }
    }

    fn encode_other() -> Vec<u8> {
        encode(&Socket {
            port: 1,
            address: Ipv4Addr::LOCALHOST.into(),
            v6only: None,
            inode: 2,
            user: 3,
            state: TcpState::Listening,
        })
    }

    #[test]
    fn the_end_and_errors_are_told_apart() {
        let mut none = Vec::new();
        let done = message(NLMSG_DONE, 7, &0i32.to_ne_bytes());
        assert_eq!(parse(&done, 7, &mut none).unwrap(), Progress::Done);
        assert_eq!(parse(&done, 8, &mut none).unwrap(), Progress::More);
        for kind in [NLMSG_DONE, NLMSG_ERROR] {
            let refused = message(kind, 7, &(-1i32).to_ne_bytes());
            let error = parse(&refused, 7, &mut none).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::PERM));
            assert!(is_unavailable(&error));
        }
        assert!(!is_unavailable(&io::Error::from_raw_os_error(
            Errno::BUSY.raw_os_error()
        )));
    }
}
