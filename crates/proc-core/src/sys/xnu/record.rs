//! The kernel's records of processes, read by the layouts that its headers declare.
//!
//! A layout here is never a value: a record arrives as bytes, and the declaration only says where in them each fact lies.
//! Pointers are numbers of 64 bits; the headers are those of the xnu source.

use std::mem::offset_of;

use super::bytes::{field, u32_at, u64_at};

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

// Counted from the fields of these headers: 296 and 648 are also what a C compiler makes of them, by what
// `golang.org/x/sys/unix` was generated from (`SizeofKinfoProc`).
const _: () = assert!(offset_of!(ExternProc, flag) == 32);
const _: () = assert!(offset_of!(ExternProc, pid) == 40);
const _: () = assert!(offset_of!(ExternProc, sigignore) == 232);
const _: () = assert!(offset_of!(ExternProc, comm) == 243);
const _: () = assert!(size_of::<ExternProc>() == 296);
const _: () = assert!(offset_of!(KinfoProc, more) + offset_of!(Eproc, ucred_uid) == 420);
const _: () = assert!(offset_of!(KinfoProc, more) + offset_of!(Eproc, ppid) == 560);
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
        let u32_at = |offset| u32_at(bytes, offset);
        let flag = u32_at(offset_of!(ExternProc, flag));
        let seconds = u64_at(bytes, offset_of!(ExternProc, start_seconds));
        let microseconds = u32_at(offset_of!(ExternProc, start_microseconds));
        // A process that traces another takes its parent's place meanwhile.
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

/// `struct proc_uniqidentifierinfo` of `bsd/sys/proc_info_private.h`, which is private to the system. Newer systems have a
/// meaning for some of what is reserved.
#[repr(C)]
struct UniqueIdentifierInfo {
    uuid: [u8; 16],
    unique: u64,
    parent_unique: u64,
    id_version: i32,
    reserved: [u32; 5],
}

// Counted from the fields: 16, 8, 8, 4, 4, 8 and 8 bytes.
const _: () = assert!(offset_of!(UniqueIdentifierInfo, id_version) == 32);
const _: () = assert!(size_of::<UniqueIdentifierInfo>() == 56);

/// The size of what the kernel gives for `PROC_PIDUNIQIDENTIFIERINFO`.
pub(crate) const UNIQUE_SIZE: usize = size_of::<UniqueIdentifierInfo>();

/// Numbers that the kernel gives to no second process of the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uniques {
    /// The process's own, from its start to its end. They are counted up with each fork.
    pub(crate) own: u64,
    /// That of the process that has started it, whichever its parent is by now. But a process that executes a program
    /// gets that of the parent which it has at that moment (`pinsertchild` of `bsd/kern/kern_proc.c`, since a process
    /// in exec is replaced by a copy): if it is an orphan by then, the system's first process.
    pub(crate) starter: u64,
    /// Another one with each fork, and with each program that is executed.
    pub(crate) version: u32,
}

impl Uniques {
    pub(crate) fn parse(bytes: &[u8; UNIQUE_SIZE]) -> Self {
        Self {
            own: u64_at(bytes, offset_of!(UniqueIdentifierInfo, unique)),
            starter: u64_at(bytes, offset_of!(UniqueIdentifierInfo, parent_unique)),
            version: u32_at(bytes, offset_of!(UniqueIdentifierInfo, id_version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::put;
    use super::*;

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
    fn what_a_process_ignores_and_what_is_the_kernels_is_read() {
        let mut bytes = [0; PROCESS_SIZE];
        put(&mut bytes, 32, P_SYSTEM.to_ne_bytes());
        // SIGHUP is signal 1.
        put(&mut bytes, 232, 1_u32.to_ne_bytes());
        put(&mut bytes, 44, 17_u32.to_ne_bytes());
        put(&mut bytes, 560, 18_u32.to_ne_bytes());
        let record = ProcessRecord::parse(0, &bytes).unwrap();
        assert!(record.kernel && !record.zombie);
        assert_eq!(record.ignored, 1);
        // A parent from before a debugger came counts only while it is there.
        assert_eq!((record.parent, record.tracer), (18, None));
    }

    #[test]
    fn unique_numbers_are_those_of_a_process_and_of_its_starter() {
        let mut bytes = [0; UNIQUE_SIZE];
        put(&mut bytes, 16, 90_u64.to_ne_bytes());
        put(&mut bytes, 24, 80_u64.to_ne_bytes());
        put(&mut bytes, 32, 70_u32.to_ne_bytes());
        let expected = Uniques {
            own: 90,
            starter: 80,
            version: 70,
        };
        assert_eq!(Uniques::parse(&bytes), expected);
    }
}
