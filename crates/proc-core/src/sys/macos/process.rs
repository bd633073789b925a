//! The process table, by `sysctl` and `libproc`.
//!
//! Every function answers `None` where the process is gone or may not be looked at; callers treat both as "nothing is
//! known", which never selects a process for anything. Of other users' processes an ordinary user learns no more than
//! what `ps` shows.

use std::ffi::{OsString, c_int};
use std::io;
use std::mem::offset_of;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::ask;
use crate::identity::{Boot, Identity};
use crate::sys::xnu::arguments::Arguments;
use crate::sys::xnu::record::{PROCESS_SIZE, ProcessRecord, UNIQUE_SIZE, Uniques};
use crate::sys::xnu::socket::{SOCKET_SIZE, tcp_number};
use crate::sys::{Origin, Stat};

/// Of `bsd/sys/proc_info_private.h`, which is private to the system. The kernel answers to every process, and says
/// nothing of zombies.
const PROC_PIDUNIQIDENTIFIERINFO: c_int = 17;
/// Of `bsd/sys/proc_info.h`.
const PROC_PIDFDSOCKETINFO: c_int = 3;

// Counted from the fields of `bsd/sys/proc_info.h`: two times 136 bytes of `vinfo_stat`, 16 more of `vnode_info`, and
// MAXPATHLEN.
const _: () = assert!(size_of::<libc::proc_vnodepathinfo>() == 2 * (136 + 16 + 1024));
const _: () = assert!(size_of::<libc::proc_fdinfo>() == 8);

/// The id of this boot.
pub(crate) fn boot() -> io::Result<Boot> {
    let mut buffer = [0; 64];
    let length = ask::sysctl_by_name(c"kern.bootsessionuuid", &mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length.min(buffer.len())]);
    text.trim_end_matches('\0')
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// All PIDs mean the same here.
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there are PID namespaces, asking for one may fail"
)]
pub(crate) fn pid_namespace() -> io::Result<u64> {
    Ok(0)
}

/// The user on whose behalf this process acts.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// All PIDs, in ascending order.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let mut pids = ask::list_pids(ask::PROC_ALL_PIDS, 0)?;
    // The kernel itself is 0.
    pids.retain(|pid| *pid != 0);
    pids.sort_unstable();
    Ok(pids)
}

/// State, lineage and start time of a process.
///
/// A start time is what the machine's clock said then, in µs. It is not changed when the clock is set, so it tells one
/// process from another all the same; but a process that was started before the clock was set back may look younger
/// than its children, which are then not taken for its children.
pub(crate) fn stat(pid: u32, boot: Boot) -> Option<Stat> {
    let record = record(pid)?;
    Some(Stat {
        identity: Identity {
            pid,
            start: record.start,
            boot,
        },
        parent: record.parent,
        group: record.group,
        // A process that is about to end has none any more.
        session: ask::session(pid).unwrap_or(0),
        zombie: record.zombie,
        // Only threads have such a state here.
        kernel: record.kernel,
        short_name: record.short_name,
    })
}

fn record(pid: u32) -> Option<ProcessRecord> {
    let number = c_int::try_from(pid).ok()?;
    let question = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, number];
    let mut bytes = [0; PROCESS_SIZE];
    // Of a process that is not there, the kernel says nothing, and no error.
    let length = ask::sysctl(question, &mut bytes).ok()?;
    (length == bytes.len()).then(|| ProcessRecord::parse(pid, &bytes))?
}

/// By what the kernel tells which process has started another. `None`: it is gone, or has ended.
pub(crate) fn origin(pid: u32) -> Option<Origin> {
    uniques(pid).map(|uniques| Origin {
        number: uniques.own,
        starter: uniques.starter,
    })
}

/// The numbers that no second process of this boot has.
pub(super) fn uniques(pid: u32) -> Option<Uniques> {
    let mut bytes = [0; UNIQUE_SIZE];
    let length = ask::process_info(pid, PROC_PIDUNIQIDENTIFIERINFO, &mut bytes)?;
    (length == bytes.len()).then(|| Uniques::parse(&bytes))
}

/// The CPU time that a process has used so far.
pub(crate) fn work(pid: u32) -> Option<u64> {
    let mut bytes = [0; size_of::<libc::proc_taskinfo>()];
    let length = ask::process_info(pid, libc::PROC_PIDTASKINFO, &mut bytes)?;
    let time = |offset: usize| bytes.get(offset..)?.first_chunk().copied();
    let user = time(offset_of!(libc::proc_taskinfo, pti_total_user))?;
    let system = time(offset_of!(libc::proc_taskinfo, pti_total_system))?;
    (length == bytes.len()).then(|| u64::from_ne_bytes(user) + u64::from_ne_bytes(system))
}

/// The user that owns a process (its effective user).
pub(crate) fn owner(pid: u32) -> Option<u32> {
    record(pid).map(|record| record.user)
}

/// The file that a process executes.
pub(crate) fn executable(pid: u32) -> Option<PathBuf> {
    let mut bytes = vec![0; usize::try_from(libc::PROC_PIDPATHINFO_MAXSIZE).ok()?];
    let length = ask::process_path(pid, &mut bytes)?;
    bytes.truncate(length);
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

/// The working directory of a process.
pub(crate) fn working_directory(pid: u32) -> Option<PathBuf> {
    const PATH: usize = offset_of!(libc::proc_vnodepathinfo, pvi_cdir)
        + offset_of!(libc::vnode_info_path, vip_path);
    let mut bytes = vec![0; size_of::<libc::proc_vnodepathinfo>()];
    ask::process_info(pid, libc::PROC_PIDVNODEPATHINFO, &mut bytes)?;
    let path = bytes.get(PATH..)?.split(|byte| *byte == 0).next()?;
    (!path.is_empty()).then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
}

/// The arguments of a process, the program's name first.
pub(crate) fn arguments(pid: u32) -> Option<Vec<String>> {
    let memory = argument_memory(pid)?;
    let arguments = Arguments::parse(&memory)?.arguments();
    Some(
        arguments
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect(),
    )
}

/// The value that a process was started with for one environment variable. The system keeps to itself that of programs
/// that it protects (System Integrity Protection), which are most of its own, and that of other users' processes.
pub(crate) fn environment(pid: u32, name: &str) -> Option<String> {
    let memory = argument_memory(pid)?;
    let value = Arguments::parse(&memory)?.variable(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn argument_memory(pid: u32) -> Option<Vec<u8>> {
    /// The number of arguments and `ARG_MAX` of `bsd/sys/syslimits.h`: for more the kernel has no answer, and no process
    /// has more.
    const MOST: usize = size_of::<c_int>() + 1024 * 1024;
    let question = [
        libc::CTL_KERN,
        libc::KERN_PROCARGS2,
        c_int::try_from(pid).ok()?,
    ];
    let mut room = ask::sysctl_length(question).ok()?;
    while room < MOST {
        room = (room * 2).min(MOST);
        let mut memory = vec![0; room];
        let length = ask::sysctl(question, &mut memory).ok()?;
        // What fills all of the room is the end of something longer: the process has executed another program meanwhile.
        if length < room {
            memory.truncate(length);
            return Some(memory);
        }
    }
    None
}

/// The process that traces this one (a debugger), if any.
pub(crate) fn tracer(pid: u32) -> Option<u32> {
    record(pid)?.tracer
}

/// The signals that a process ignores: bit 0 is signal 1.
pub(crate) fn ignored_signals(pid: u32) -> Option<u64> {
    record(pid).map(|record| record.ignored.into())
}

/// The numbers of the TCP sockets that a process holds open. `None`: it is gone, or may not be looked at.
pub(in crate::sys) fn sockets(pid: u32) -> Option<Vec<u64>> {
    const SIZE: usize = size_of::<libc::proc_fdinfo>();
    // The kernel adds some room to the length that it tells, so it tells one of a process that has nothing open, too.
    let length = ask::process_info_length(pid, libc::PROC_PIDLISTFDS)?;
    // It may open more before it is asked which.
    let mut list = vec![0; length + 32 * SIZE];
    let length = ask::process_info(pid, libc::PROC_PIDLISTFDS, &mut list).unwrap_or(0);
    let number = |entry: &[u8], offset: usize| {
        let bytes = entry.get(offset..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*bytes))
    };
    let entries = list[..length.min(list.len())].chunks_exact(SIZE);
    let sockets = entries.filter_map(|entry| {
        let kind = number(entry, offset_of!(libc::proc_fdinfo, proc_fdtype))?;
        let descriptor = number(entry, offset_of!(libc::proc_fdinfo, proc_fd))?;
        (kind == libc::PROX_FDTYPE_SOCKET).then_some(descriptor)
    });
    let numbers = sockets.filter_map(|descriptor| {
        let mut record = [0; SOCKET_SIZE];
        let length = ask::descriptor_info(pid, descriptor, PROC_PIDFDSOCKETINFO, &mut record)?;
        (length == record.len()).then(|| tcp_number(&record))?
    });
    Some(numbers.collect())
}
