//! The kernel's records of processes and sockets, read by the layouts that its headers declare.
//!
//! A layout here is never a value: a record arrives as bytes, and the declaration only says where in them each fact lies.
//! Pointers are numbers of 64 bits; the headers are those of the xnu source.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv6Addr};

/// `struct kinfo_proc` of `bsd/sys/sysctl.h`, as `sysctl` gives it with `KERN_PROC`.
#[repr(C)]
struct KinfoProc {
    process: ExternProc,
    more: Eproc,
}

/// `struct extern_proc` of `bsd/sys/proc.h`.
#[repr(C)]
struct ExternProc {
    start_seconds: i64,
    start_microseconds: i32,
    vmspace: u64,
    sigacts: u64,
    flag: i32,
    stat: u8,
    pid: i32,
    oppid: i32,
    dupfd: i32,
    user_stack: u64,
    exit_thread: u64,
    debugger: i32,
    sigwait: i32,
    estcpu: u32,
    cpticks: i32,
    pctcpu: u32,
    wchan: u64,
    wmesg: u64,
    swtime: u32,
    slptime: u32,
    realtimer: [u64; 4],
    rtime: [u64; 2],
    ticks: [u64; 3],
    traceflag: i32,
    tracep: u64,
    siglist: i32,
    textvp: u64,
    holdcnt: i32,
    sigmask: u32,
    sigignore: u32,
    sigcatch: u32,
    priority: u8,
    usrpri: u8,
    nice: i8,
    comm: [u8; 17],
    pgrp: u64,
    addr: u64,
    xstat: u16,
    acflag: u16,
    ru: u64,
}

/// `struct eproc` of `bsd/sys/sysctl.h`.
#[repr(C)]
struct Eproc {
    paddr: u64,
    sess: u64,
    pcred: Pcred,
    ucred_ref: i32,
    ucred_uid: u32,
    ucred_ngroups: i16,
    ucred_groups: [u32; 16],
    vm: [u64; 8],
    ppid: i32,
    pgid: i32,
    jobc: i16,
    tdev: i32,
    tpgid: i32,
    tsess: u64,
    wmesg: [u8; 8],
    xsize: i32,
    xrssize: i16,
    xccount: i16,
    xswrss: i16,
    flag: i32,
    login: [u8; 12],
    spare: [i32; 4],
}

/// `struct _pcred` of `bsd/sys/sysctl.h`.
#[repr(C)]
struct Pcred {
    lock: [u8; 72],
    ucred: u64,
    ids: [u32; 4],
    refcnt: i32,
}

const _: () = assert!(size_of::<ExternProc>() == 296);
const _: () = assert!(size_of::<KinfoProc>() == 648);

/// `SZOMB` of `bsd/sys/proc.h`.
const SZOMB: u8 = 5;
/// `P_SYSTEM` of `bsd/sys/proc.h`.
const P_SYSTEM: u32 = 0x200;
/// `P_TRACED` of `bsd/sys/proc.h`.
const P_TRACED: u32 = 0x800;

/// The size of what `sysctl` gives for one process.
pub(crate) const PROCESS_SIZE: usize = size_of::<KinfoProc>();

/// What `sysctl` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessRecord {
    /// When it was started, in µs by the machine's clock at that moment.
    pub(crate) start: u64,
    pub(crate) parent: u32,
    /// The process that traces it.
    pub(crate) tracer: Option<u32>,
    pub(crate) group: u32,
    /// Its effective user.
    pub(crate) user: u32,
    pub(crate) zombie: bool,
    pub(crate) kernel: bool,
    /// The signals that it ignores: bit 0 is signal 1.
    pub(crate) ignored: u32,
    /// At most 16 bytes.
    pub(crate) short_name: String,
}

impl ProcessRecord {
    /// `None`: it is of another process than the one that was asked for.
    pub(crate) fn parse(pid: u32, bytes: &[u8; PROCESS_SIZE]) -> Option<Self> {
        const MORE: usize = offset_of!(KinfoProc, more);
        let u32_at = |offset: usize| u32::from_ne_bytes(field(bytes, offset));
        let flag = u32_at(offset_of!(ExternProc, flag));
        let seconds = u64::from_ne_bytes(field(bytes, offset_of!(ExternProc, start_seconds)));
        let microseconds = u32_at(offset_of!(ExternProc, start_microseconds));
        // Whoever traces a process takes its parent's place meanwhile.
        let parent = u32_at(MORE + offset_of!(Eproc, ppid));
        let before = u32_at(offset_of!(ExternProc, oppid));
        let tracer = (flag & P_TRACED != 0).then_some(parent);
        let name: [u8; 17] = field(bytes, offset_of!(ExternProc, comm));
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        (u32_at(offset_of!(ExternProc, pid)) == pid).then(|| Self {
            start: seconds
                .saturating_mul(1_000_000)
                .saturating_add(microseconds.into()),
            parent: tracer
                .and(Some(before))
                .filter(|pid| *pid != 0)
                .unwrap_or(parent),
            tracer,
            group: u32_at(MORE + offset_of!(Eproc, pgid)),
            user: u32_at(MORE + offset_of!(Eproc, ucred_uid)),
            zombie: bytes[offset_of!(ExternProc, stat)] == SZOMB,
            kernel: flag & P_SYSTEM != 0,
            ignored: u32_at(offset_of!(ExternProc, sigignore)),
            short_name: String::from_utf8_lossy(name).into_owned(),
        })
    }
}

/// `struct proc_uniqidentifierinfo` of `bsd/sys/proc_info_private.h`.
#[repr(C)]
struct UniqueIdentifierInfo {
    uuid: [u8; 16],
    unique: u64,
    parent_unique: u64,
    id_version: i32,
    reserved: [u32; 5],
}

const _: () = assert!(size_of::<UniqueIdentifierInfo>() == 56);

/// The size of what the kernel gives for `PROC_PIDUNIQIDENTIFIERINFO`.
pub(crate) const UNIQUE_SIZE: usize = size_of::<UniqueIdentifierInfo>();

/// Numbers that the kernel gives to no second process of the same boot. They grow with each fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uniques {
    /// The process's own, from its start to its end.
    pub(crate) own: u64,
    /// That of the process that has started it, whoever its parent is by now.
    pub(crate) starter: u64,
}

impl Uniques {
    pub(crate) fn parse(bytes: &[u8; UNIQUE_SIZE]) -> Self {
        let u64_at = |offset| u64::from_ne_bytes(field(bytes, offset));
        Self {
            own: u64_at(offset_of!(UniqueIdentifierInfo, unique)),
            starter: u64_at(offset_of!(UniqueIdentifierInfo, parent_unique)),
        }
    }
}

/// `struct socket_fdinfo` of `bsd/sys/proc_info.h`, with what it has of a TCP socket.
#[repr(C)]
struct SocketFdInfo {
    file: [u64; 3],
    stat: VinfoStat,
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

/// `struct vinfo_stat` of `bsd/sys/proc_info.h`.
#[repr(C)]
struct VinfoStat {
    dev: u32,
    mode: u16,
    nlink: u16,
    ino: u64,
    uid: u32,
    gid: u32,
    times: [i64; 8],
    size: i64,
    blocks: i64,
    numbers: [u32; 4],
    spare: [i64; 2],
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

const _: () = assert!(size_of::<VinfoStat>() == 136);
const _: () = assert!(offset_of!(TcpSockInfo, state) == 80);
const _: () = assert!(size_of::<SocketFdInfo>() == 792);

/// The size of what the kernel gives for `PROC_PIDFDSOCKETINFO`.
pub(crate) const SOCKET_SIZE: usize = size_of::<SocketFdInfo>();

/// `SOCKINFO_TCP` of `bsd/sys/proc_info.h`.
const SOCKINFO_TCP: u32 = 2;
/// `INI_IPV4` of `bsd/sys/proc_info.h`.
const INI_IPV4: u8 = 1;
/// `AF_INET6` of `bsd/sys/socket.h`.
const AF_INET6: u32 = 30;

/// A socket that a process has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketRecord {
    /// The kernel's number of it, the same for every process that has it open.
    pub(crate) number: u64,
    /// The user that made it.
    pub(crate) user: u32,
    /// `None`: it is no TCP socket.
    pub(crate) tcp: Option<TcpRecord>,
}

/// What is particular about a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpRecord {
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
    /// `None`: an IPv4 socket.
    pub(crate) v6only: Option<bool>,
    /// By the numbers `TSI_S_…` of `bsd/sys/proc_info.h`.
    pub(crate) state: u8,
}

impl SocketRecord {
    pub(crate) fn parse(bytes: &[u8; SOCKET_SIZE]) -> Self {
        const STAT: usize = offset_of!(SocketFdInfo, stat);
        let u32_at = |offset: usize| u32::from_ne_bytes(field(bytes, offset));
        let is_tcp = u32_at(offset_of!(SocketFdInfo, kind)) == SOCKINFO_TCP;
        Self {
            number: u64::from_ne_bytes(field(bytes, offset_of!(SocketFdInfo, so))),
            user: u32_at(STAT + offset_of!(VinfoStat, uid)),
            tcp: is_tcp.then(|| TcpRecord::parse(bytes)),
        }
    }
}

impl TcpRecord {
    fn parse(bytes: &[u8; SOCKET_SIZE]) -> Self {
        const TCP: usize = offset_of!(SocketFdInfo, tcp);
        const PORT: usize = TCP + offset_of!(TcpSockInfo, local_port);
        const ADDRESS: usize = TCP + offset_of!(TcpSockInfo, local_address);
        let takes_v4 = bytes[TCP + offset_of!(TcpSockInfo, versions)] & INI_IPV4 != 0;
        let is_v6 = u32::from_ne_bytes(field(bytes, offset_of!(SocketFdInfo, family))) == AF_INET6;
        let address = if is_v6 {
            Ipv6Addr::from(field::<16>(bytes, ADDRESS)).to_canonical()
        } else {
            // Behind three words of nothing.
            IpAddr::from(field::<4>(bytes, ADDRESS + 12))
        };
        Self {
            // A number whose lower half is in the order of the network.
            port: u16::from_be_bytes(field(bytes, PORT)),
            address,
            v6only: is_v6.then_some(!takes_v4),
            state: bytes[TCP + offset_of!(TcpSockInfo, state)],
        }
    }
}

/// The bytes of a field that lies within the record. A record of another layout has none.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let field = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    field.copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn put<const N: usize>(bytes: &mut [u8], offset: usize, value: [u8; N]) {
        bytes[offset..offset + N].copy_from_slice(&value);
    }

    /// Offsets that others have measured on macOS, as numbers: what the declarations come to is checked against them.
    #[test]
    fn a_process_is_read_at_the_offsets_of_the_system() {
        let mut bytes = [0; PROCESS_SIZE];
        put(&mut bytes, 0, 1_700_000_000_u64.to_ne_bytes());
        put(&mut bytes, 8, 250_000_u32.to_ne_bytes());
        put(&mut bytes, 32, (0x4000_u32 | P_TRACED).to_ne_bytes());
        put(&mut bytes, 36, [SZOMB]);
        put(&mut bytes, 44, 17_u32.to_ne_bytes());
        put(&mut bytes, 40, 4711_u32.to_ne_bytes());
        put(&mut bytes, 243, *b"sixteen letters!\0");
        put(&mut bytes, 420, 501_u32.to_ne_bytes());
        put(&mut bytes, 560, 19_u32.to_ne_bytes());
        put(&mut bytes, 564, 18_u32.to_ne_bytes());
        let record = ProcessRecord::parse(4711, &bytes).unwrap();
        let expected = ProcessRecord {
            start: 1_700_000_000_250_000,
            parent: 17,
            tracer: Some(19),
            group: 18,
            user: 501,
            zombie: true,
            kernel: false,
            ignored: 0,
            short_name: "sixteen letters!".into(),
        };
        assert_eq!(record, expected);
        assert_eq!(ProcessRecord::parse(4712, &bytes), None);
    }

    #[test]
    fn unique_numbers_are_those_of_a_process_and_of_its_starter() {
        let mut bytes = [0; UNIQUE_SIZE];
        put(&mut bytes, 16, 90_u64.to_ne_bytes());
        put(&mut bytes, 24, 80_u64.to_ne_bytes());
        let expected = Uniques {
            own: 90,
            starter: 80,
        };
        assert_eq!(Uniques::parse(&bytes), expected);
    }

    fn socket(family: u32, versions: u8, address: [u8; 16]) -> [u8; SOCKET_SIZE] {
        const TCP: usize = 24 + 240;
        let mut bytes = [0; SOCKET_SIZE];
        put(&mut bytes, 24 + 16, 501_u32.to_ne_bytes());
        put(&mut bytes, 24 + 136, 0xabcd_u64.to_ne_bytes());
        put(&mut bytes, 24 + 160, family.to_ne_bytes());
        put(&mut bytes, 24 + 232, SOCKINFO_TCP.to_ne_bytes());
        put(&mut bytes, TCP + 4, 8080_u16.to_be_bytes());
        put(&mut bytes, TCP + 24, [versions]);
        put(&mut bytes, TCP + 48, address);
        put(&mut bytes, TCP + 80, 1_u32.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_listener_is_read_in_either_family() {
        let mut v4 = [0; 16];
        put(&mut v4, 12, [127, 0, 0, 1]);
        let cases = [
            (socket(2, 1, v4), IpAddr::from(Ipv4Addr::LOCALHOST), None),
            (
                socket(AF_INET6, 2, Ipv6Addr::LOCALHOST.octets()),
                IpAddr::from(Ipv6Addr::LOCALHOST),
                Some(true),
            ),
            (
                socket(AF_INET6, 3, [0; 16]),
                IpAddr::from(Ipv6Addr::UNSPECIFIED),
                Some(false),
            ),
        ];
        for (bytes, address, v6only) in cases {
            let record = SocketRecord::parse(&bytes);
            assert_eq!((record.number, record.user), (0xabcd, 501));
            let expected = TcpRecord {
                port: 8080,
                address,
                v6only,
                state: 1,
            };
            assert_eq!(record.tcp, Some(expected));
        }
    }

    #[test]
    fn a_socket_of_another_kind_is_not_taken_for_a_tcp_socket() {
        let mut bytes = socket(1, 0, [0; 16]);
        put(&mut bytes, 24 + 232, 3_u32.to_ne_bytes());
        assert_eq!(SocketRecord::parse(&bytes).tcp, None);
    }
}
