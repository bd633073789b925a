//! The kernel's list of all TCP sockets (`sysctl` with `net.inet.tcp.pcblist_n`).
//!
//! It is private to the system, which reads it by `netstat`; every user gets all of it. It begins with a `struct xinpgen`.
//! Then come several records for each socket, and another `struct xinpgen`. A record says its length and its kind, and
//! is filled up to 8 bytes; newer systems append to records, so nothing here depends on how long one is.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv6Addr};

use super::bytes::{field, u32_at, u64_at};

/// `struct xinpgen` of `bsd/netinet/in_pcb.h`.
#[repr(C, packed(4))]
struct Xinpgen {
    length: u32,
    count: u32,
    generation: u64,
    socket_generation: u64,
}

/// How each of the other records begins: `struct xgen_n` of `netstat`.
#[repr(C, packed(4))]
struct XgenN {
    length: u32,
    kind: u32,
}

/// `struct xinpcb_n` of `bsd/netinet/in_pcb.h`.
#[repr(C, packed(4))]
struct XinpcbN {
    head: XgenN,
    inpp: u64,
    foreign_port: u16,
    local_port: u16,
    ppcb: u64,
    generation: u64,
    flags: i32,
    flow: u32,
    versions: u8,
    time_to_live: u8,
    protocol: u8,
    foreign_address: [u32; 4],
    local_address: [u32; 4],
    v4: u8,
    v6: [u32; 3],
    flowhash: u32,
    flags2: u32,
}

/// What is at the beginning of `struct xsocket_n` of `bsd/sys/socketvar.h` on all systems.
#[repr(C, packed(4))]
struct XsocketN {
    head: XgenN,
    so: u64,
    kind_of_socket: i16,
    options: u32,
    linger: i16,
    state: u16,
    pcb: u64,
    protocol: i32,
    family: i32,
    queues: [i16; 3],
    timeo: i16,
    error: u16,
    group: i32,
    oobmark: u32,
    user: u32,
    last_pid: i32,
    effective_pid: i32,
}

/// What is at the beginning of `struct xtcpcb_n` of `bsd/netinet/tcp_var.h`.
#[repr(C, packed(4))]
struct XtcpcbN {
    head: XgenN,
    segq: u64,
    dupacks: i32,
    timers: [i32; 4],
    state: i32,
}

// As others have measured it on systems that run: a `struct xinpcb_n` of 104 bytes with the local port at 18, the flags of
// the versions at 44 and the local address at 64, a `struct xsocket_n` with the last PID at 68, the state at 36.
const _: () = assert!(size_of::<Xinpgen>() == 24);
const _: () = assert!(size_of::<XinpcbN>() == 104);
const _: () = assert!(offset_of!(XinpcbN, local_port) == 18);
const _: () = assert!(offset_of!(XinpcbN, generation) == 28);
const _: () = assert!(offset_of!(XinpcbN, versions) == 44);
const _: () = assert!(offset_of!(XinpcbN, local_address) == 64);
const _: () = assert!(offset_of!(XsocketN, state) == 26);
const _: () = assert!(offset_of!(XsocketN, user) == 64);
const _: () = assert!(offset_of!(XsocketN, last_pid) == 68);
const _: () = assert!(offset_of!(XtcpcbN, state) == 36);

/// `XSO_SOCKET`, `XSO_INPCB` and `XSO_TCPCB` of `bsd/sys/socketvar.h`.
const XSO_SOCKET: u32 = 0x001;
const XSO_INPCB: u32 = 0x010;
const XSO_TCPCB: u32 = 0x020;
/// `INP_IPV4` and `INP_IPV6` of `bsd/netinet/in_pcb.h`. A socket for both has both.
const INP_IPV4: u8 = 1;
const INP_IPV6: u8 = 2;
/// `SS_NOFDREF` of `bsd/sys/socketvar.h`: no descriptor leads to it.
const SS_NOFDREF: u16 = 1;

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    /// The number that no other socket has; 0 where no process has it open any more, or none has accepted it yet.
    pub(crate) number: u64,
    /// The effective user of the process that made it.
    pub(crate) user: u32,
    /// The local port.
    pub(crate) port: u16,
    /// The local address.
    pub(crate) address: IpAddr,
    /// `None`: an IPv4 socket.
    pub(crate) v6only: Option<bool>,
    /// By the numbers `TCPS_…` of `bsd/netinet/tcp_fsm.h`.
    pub(crate) state: u8,
}

/// Takes the list apart. `None`: this is no such list, or the end of it is missing.
pub(crate) fn tcp_sockets(list: &[u8]) -> Option<Vec<TcpSocket>> {
    let (first, mut rest) = take(list)?;
    if first.len() < size_of::<Xinpgen>() {
        return None;
    }
    let mut sockets = Vec::new();
    let (mut inpcb, mut socket) = (None, None);
    // Where there is no socket, nothing follows at all.
    while !rest.is_empty() {
        let (record, behind) = take(rest)?;
        if record.len() <= size_of::<Xinpgen>() {
            break;
        }
        match u32_at(record, offset_of!(XgenN, kind)) {
            XSO_INPCB => inpcb = Some(record),
            XSO_SOCKET => socket = Some(record),
            // The last one of each socket.
            XSO_TCPCB => sockets.push(TcpSocket::parse(inpcb.take()?, socket.take()?, record)),
            _ => {}
        }
        rest = behind;
    }
    Some(sockets)
}

/// A record, and what follows it.
fn take(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*list.first_chunk()?)).ok()?;
    let record = list.get(..length).filter(|_| length > 0)?;
    let behind = list.get(length.next_multiple_of(8)..)?;
    Some((record, behind))
}

impl TcpSocket {
    fn parse(inpcb: &[u8], socket: &[u8], tcpcb: &[u8]) -> Self {
        const ADDRESS: usize = offset_of!(XinpcbN, local_address);
        let [versions] = field(inpcb, offset_of!(XinpcbN, versions));
        let is_v6 = versions & INP_IPV6 != 0;
        let state = u16::from_ne_bytes(field(socket, offset_of!(XsocketN, state)));
        Self {
            number: if state & SS_NOFDREF == 0 {
                u64_at(inpcb, offset_of!(XinpcbN, generation))
            } else {
                0
            },
            user: u32_at(socket, offset_of!(XsocketN, user)),
            // In the order of the network.
            port: u16::from_be_bytes(field(inpcb, offset_of!(XinpcbN, local_port))),
            address: if is_v6 {
                Ipv6Addr::from(field::<16>(inpcb, ADDRESS)).to_canonical()
            } else {
                // Behind three words of nothing.
                IpAddr::from(field::<4>(inpcb, ADDRESS + 12))
            },
            v6only: is_v6.then_some(versions & INP_IPV4 == 0),
            state: u8::try_from(u32_at(tcpcb, offset_of!(XtcpcbN, state))).unwrap_or(u8::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::bytes::put;
    use super::*;

    /// A record of this length, filled up to 8 bytes.
    fn record(length: usize, kind: u32) -> Vec<u8> {
        let mut record = vec![0; length.next_multiple_of(8)];
        let number = u32::try_from(length).unwrap();
        put(&mut record, 0, number.to_ne_bytes());
        put(&mut record, 4, kind.to_ne_bytes());
        record
    }

    /// All records of a listener, in the kernel's order and as long as some system makes them.
    fn listener(versions: u8, address: [u8; 16], socket_state: u16) -> Vec<u8> {
        let mut inpcb = record(104, 0x10);
        put(&mut inpcb, 16, 9_u16.to_be_bytes());
        put(&mut inpcb, 18, 8080_u16.to_be_bytes());
        put(&mut inpcb, 28, 0xabcd_u64.to_ne_bytes());
        put(&mut inpcb, 44, [versions]);
        put(&mut inpcb, 48, [7; 16]);
        put(&mut inpcb, 64, address);
        // It was 76 bytes once.
        let mut socket = record(104, 0x1);
        put(&mut socket, 26, socket_state.to_ne_bytes());
        put(&mut socket, 64, 501_u32.to_ne_bytes());
        put(&mut socket, 68, 4711_u32.to_ne_bytes());
        let mut tcpcb = record(204, 0x20);
        put(&mut tcpcb, 36, 1_i32.to_ne_bytes());
        let (received, sent) = (record(32, 0x2), record(32, 0x4));
        [inpcb, socket, received, sent, record(136, 0x8), tcpcb].concat()
    }

    fn list(sockets: &[Vec<u8>]) -> Vec<u8> {
        let end = record(24, 2);
        [&end[..], &sockets.concat(), &end].concat()
    }

    fn v4(address: [u8; 4]) -> [u8; 16] {
        let mut bytes = [0; 16];
        put(&mut bytes, 12, address);
        bytes
    }

    #[test]
    fn a_listener_is_read_in_either_family() {
        let cases = [
            (1, v4([127, 0, 0, 1]), Ipv4Addr::LOCALHOST.into(), None),
            (
                2,
                Ipv6Addr::LOCALHOST.octets(),
                Ipv6Addr::LOCALHOST.into(),
                Some(true),
            ),
            (3, [0; 16], Ipv6Addr::UNSPECIFIED.into(), Some(false)),
        ];
        let all: Vec<_> = cases
            .iter()
            .map(|(versions, address, ..)| listener(*versions, *address, 0))
            .collect();
        let sockets = tcp_sockets(&list(&all)).unwrap();
        let expected = cases.map(|(_, _, address, v6only): (_, _, IpAddr, _)| TcpSocket {
            number: 0xabcd,
            user: 501,
            port: 8080,
            address,
            v6only,
            state: 1,
        });
        assert_eq!(sockets, expected);
    }

    #[test]
    fn what_no_descriptor_leads_to_has_no_number() {
        let sockets = tcp_sockets(&list(&[listener(1, v4([0; 4]), 1)])).unwrap();
        assert_eq!((sockets[0].number, sockets[0].port), (0, 8080));
    }

    #[test]
    fn a_machine_without_sockets_has_a_list_all_the_same() {
        assert_eq!(tcp_sockets(&record(24, 0)), Some(Vec::new()));
        assert_eq!(tcp_sockets(&list(&[])), Some(Vec::new()));
    }

    #[test]
    fn a_torn_list_is_none() {
        let whole = list(&[listener(1, v4([0; 4]), 0)]);
        // Without its last record, too, it names all sockets.
        let records = whole.len() - 24;
        for end in 0..records {
            let torn = tcp_sockets(&whole[..end]);
            let has_some = torn.is_some_and(|sockets| !sockets.is_empty());
            assert!(!has_some, "cut at {end}");
        }
        assert_eq!(tcp_sockets(&[0; 24]), None);
        assert_eq!(tcp_sockets(&list(&[record(204, 0x20)])), None);
    }
}
