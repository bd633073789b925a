//! What the kernel says of a socket that a process has open (`proc_pidfdinfo` with `PROC_PIDFDSOCKETINFO`).

use std::mem::offset_of;

use super::bytes::{u32_at, u64_at};

/// `struct socket_fdinfo` of `bsd/sys/proc_info.h`, with what it has of a TCP socket.
#[repr(C)]
struct SocketFdInfo {
    /// `struct proc_fileinfo`.
    file: [u64; 3],
    /// `struct vinfo_stat`, which `fill_socketinfo` of `bsd/kern/socket_info.c` leaves empty: no user is told here.
    stat: [u64; 17],
    so: u64,
    pcb: u64,
    kind_of_socket: i32,
    protocol: i32,
    family: i32,
    shorts: [i16; 8],
    oobmark: u32,
    buffers: [[u32; 6]; 2],
    kind: i32,
    reserved: u32,
    tcp: TcpSockInfo,
    /// The largest of what else may be there is `struct un_sockinfo`.
    rest: [u8; 528 - size_of::<TcpSockInfo>()],
}

/// `struct tcp_sockinfo` of `bsd/sys/proc_info.h`, which begins with its `struct in_sockinfo`.
#[repr(C)]
struct TcpSockInfo {
    foreign_port: i32,
    local_port: i32,
    generation: u64,
    flags: u32,
    flow: u32,
    versions: u8,
    time_to_live: u8,
    reserved: u32,
    foreign_address: [u32; 4],
    local_address: [u32; 4],
    v4: u8,
    v6: [u32; 3],
    state: i32,
    timers: [i32; 4],
    segment: i32,
    tcp_flags: u32,
    tcp_reserved: u32,
    control_block: u64,
}

// Counted from the fields of these headers: 24 bytes of `proc_fileinfo`, 136 of `vinfo_stat`, 104 from `soi_so` to
// `soi_proto`, 528 of `un_sockinfo` (two times 8, two times SOCK_MAXADDRLEN = 255, filled up to 8).
const _: () = assert!(offset_of!(SocketFdInfo, so) == 24 + 136);
const _: () = assert!(offset_of!(SocketFdInfo, kind) == 24 + 232);
const _: () = assert!(offset_of!(SocketFdInfo, tcp) == 24 + 240);
const _: () = assert!(offset_of!(TcpSockInfo, state) == 80);
const _: () = assert!(size_of::<TcpSockInfo>() == 120);
const _: () = assert!(size_of::<SocketFdInfo>() == 792);

/// The size of what the kernel gives for `PROC_PIDFDSOCKETINFO`.
pub(crate) const SOCKET_SIZE: usize = size_of::<SocketFdInfo>();

/// `SOCKINFO_TCP` of `bsd/sys/proc_info.h`.
const SOCKINFO_TCP: u32 = 2;

/// The number of a TCP socket: `inp_gencnt`, which the kernel counts up with each one that is made, and which the list of
/// all sockets has too ([`super::pcblist`]). `None`: it is another kind of socket.
///
/// The handles of socket and control block are no numbers to compare: some kernels hide the addresses behind them in
/// different ways in the two answers.
pub(crate) fn tcp_number(record: &[u8; SOCKET_SIZE]) -> Option<u64> {
    const NUMBER: usize = offset_of!(SocketFdInfo, tcp) + offset_of!(TcpSockInfo, generation);
    let is_tcp = u32_at(record, offset_of!(SocketFdInfo, kind)) == SOCKINFO_TCP;
    is_tcp.then(|| u64_at(record, NUMBER))
}

#[cfg(test)]
mod tests {
    use super::super::bytes::put;
    use super::*;

    #[test]
    fn only_a_tcp_socket_has_a_number() {
        let mut record = [0; SOCKET_SIZE];
        put(&mut record, 24 + 240 + 8, 0xabcd_u64.to_ne_bytes());
        // SOCKINFO_IN, SOCKINFO_TCP, SOCKINFO_UN.
        for (kind, number) in [(1, None), (2, Some(0xabcd)), (3, None)] {
            put(&mut record, 24 + 232, i32::to_ne_bytes(kind));
            assert_eq!(tcp_number(&record), number);
        }
    }
}
