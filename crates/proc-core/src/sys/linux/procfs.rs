//! Reading `/proc`.
//!
//! Every function answers `None` where the process is gone or may not be looked at; callers treat both as "nothing is
//! known", which never selects a process for anything.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::identity::{Boot, Identity};
use crate::sys::Stat;

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`, in field 9 of `/proc/PID/stat`.
const PF_KTHREAD: u64 = 0x0020_0000;

/// The boot id of this machine.
pub(crate) fn boot() -> io::Result<Boot> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The PID namespace of this process: PIDs mean the same only within one.
pub(crate) fn pid_namespace() -> io::Result<u64> {
    fs::metadata("/proc/self/ns/pid").map(|m| m.ino())
}

/// The user on whose behalf this process acts.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// All PIDs, in the kernel's order.
///
/// Refused where `/proc` shows another PID namespace: the same number means another process there, and to pin one
/// that was found so is to pin another.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let own = fs::read_link("/proc/self")?;
    if own.to_str() != Some(&std::process::id().to_string()) {
        let why =
            "`/proc` shows another PID namespace; mount one here (`mount -t proc proc /proc`)";
        return Err(io::Error::other(why));
    }
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// The children of a process, over all of its threads.
///
/// `None` where the kernel does not list them (`CONFIG_PROC_CHILDREN`) or where the process is gone.
pub(crate) fn children(pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let Ok(task) = task else { continue };
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => children.extend(
                list.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            ),
            // A thread that has ended between the two calls has handed its children to another thread.
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && task.path().exists() => {
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(children)
}

/// State, lineage and start time of a process.
pub(crate) fn stat(pid: u32, boot: Boot) -> Option<Stat> {
    try_stat(pid, boot).ok()?
}

/// The same. `None`: there is no such process; an error: it could not be learned, because this process may open no more
/// files.
pub(super) fn try_stat(pid: u32, boot: Boot) -> io::Result<Option<Stat>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => Ok(parse_stat(pid, boot, &line)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is no such process, or none any more.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::SRCH)
}

/// The CPU time that a process has used so far, in clock ticks; in the kernel too, while it ends.
pub(crate) fn work(pid: u32) -> Option<u64> {
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = split_stat(&line)?;
    Some(number(&fields, 14)? + number(&fields, 15)?)
}

/// The name, and the fields of proc(5) behind it.
fn split_stat(line: &[u8]) -> Option<(String, Vec<&str>)> {
    // The name may hold anything, parentheses and spaces too, so the fields start behind the last parenthesis.
    let open = line.iter().position(|b| *b == b'(')?;
    let close = line.iter().rposition(|b| *b == b')')?;
    let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    Some((name, rest.split_ascii_whitespace().collect()))
}

/// A field of proc(5), where the state of a process is number 3.
fn number(fields: &[&str], field: usize) -> Option<u64> {
    fields.get(field - 3)?.parse().ok()
}

fn parse_stat(pid: u32, boot: Boot, line: &[u8]) -> Option<Stat> {
    let (short_name, fields) = split_stat(line)?;
    let number = |field: usize| number(&fields, field);
    let pid_field = |field: usize| number(field).and_then(|n| u32::try_from(n).ok());
    let state = *fields.first()?;
    // The first thread of a process may exit before the others: it shows as a zombie, and the process lives on.
    let other_threads = number(20).is_some_and(|threads| threads > 1);
    Some(Stat {
        identity: Identity {
            pid,
            start: number(22)?,
            boot,
        },
        parent: pid_field(4)?,
        group: pid_field(5).unwrap_or(0),
        session: pid_field(6).unwrap_or(0),
        zombie: matches!(state, "Z" | "X" | "x") && !other_threads,
        kernel: number(9)? & PF_KTHREAD != 0,
        short_name,
    })
}

/// The user that owns a process (its effective user; root for one that may not be dumped).
pub(crate) fn owner(pid: u32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|m| m.uid())
}

/// The file that a process executes; without the kernel's ` (deleted)`.
pub(crate) fn executable(pid: u32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe"))
        .ok()?
        .into_os_string()
        .into_vec();
    let path = path
        .strip_suffix(b" (deleted)")
        .map_or(path.clone(), <[u8]>::to_vec);
    Some(PathBuf::from(OsString::from_vec(path)))
}

/// The working directory of a process.
pub(crate) fn working_directory(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Whether a path is a folder that is another one to each process.
pub(crate) fn is_own_to_each(path: &Path) -> bool {
    path == Path::new("/proc/self") || path == Path::new("/proc/thread-self")
}

/// The arguments of a process, the program's name first. Empty for a kernel thread or a zombie.
pub(crate) fn arguments(pid: u32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    Some(
        bytes
            .split(|b| *b == 0)
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect(),
    )
}

/// The value that a process was started with for one environment variable.
pub(crate) fn environment(pid: u32, name: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    bytes.split(|b| *b == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(
            OsString::from_vec(value.to_vec())
                .to_string_lossy()
                .into_owned(),
        )
    })
}

/// The hard limit of `RLIMIT_RTTIME`, in µs.
pub(crate) fn real_time_limit(pid: u32) -> Option<u64> {
    let limits = fs::read(format!("/proc/{pid}/limits")).ok()?;
    parse_real_time_limit(&limits)
}

fn parse_real_time_limit(limits: &[u8]) -> Option<u64> {
    let line = limits
        .split(|b| *b == b'\n')
        .find_map(|line| line.strip_prefix(b"Max realtime timeout"))?;
    let line = std::str::from_utf8(line).ok()?;
    let mut columns = line.split_ascii_whitespace();
    // The soft limit, which a program may change as it likes.
    columns.next()?;
    columns.next()?.parse().ok()
}

/// The process that traces this one (a debugger), if any.
pub(crate) fn tracer(pid: u32) -> Option<u32> {
    status_field(pid, "TracerPid:")?
        .parse()
        .ok()
        .filter(|pid| *pid != 0)
}

/// The pipes that a process has to do with, by inode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes {
    /// Those that it can read from.
    pub(crate) read: Vec<u64>,
    /// Those that its standard output and standard error lead to.
    pub(crate) written: Vec<u64>,
}

/// The pipes of a process.
pub(crate) fn pipes(pid: u32) -> Option<Pipes> {
    let mut pipes = Pipes::default();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
        let Some(inode) = fs::read_link(entry.path())
            .ok()
            .and_then(|target| inode_of(&target, "pipe:["))
        else {
            continue;
        };
        // The link's own permissions say what the descriptor is open for.
        let mode = fs::symlink_metadata(entry.path()).map_or(0, |link| link.mode());
        if mode & 0o400 != 0 {
            pipes.read.push(inode);
        }
        let is_output = matches!(entry.file_name().to_str(), Some("1" | "2"));
        if is_output && mode & 0o200 != 0 {
            pipes.written.push(inode);
        }
    }
    Some(pipes)
}

/// The signals that a process ignores: bit 0 is signal 1.
pub(crate) fn ignored_signals(pid: u32) -> Option<u64> {
    u64::from_str_radix(&status_field(pid, "SigIgn:")?, 16).ok()
}

/// The PID by which a process knows itself: in the innermost of the PID namespaces that it is in.
pub(crate) fn innermost_pid(pid: u32) -> Option<u32> {
    status_field(pid, "NSpid:")?
        .split_ascii_whitespace()
        .next_back()?
        .parse()
        .ok()
}

/// The process that a thread belongs to.
pub(crate) fn process_of(thread: u32) -> Option<u32> {
    status_field(thread, "Tgid:")?.trim().parse().ok()
}

fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .split(|b| *b == b'\n')
        .find_map(|line| line.strip_prefix(name.as_bytes()))?;
    Some(String::from_utf8_lossy(line).trim().to_owned())
}

/// The socket inodes that a process holds open.
pub(in crate::sys) fn sockets(pid: u32) -> Option<Vec<u64>> {
    let mut inodes = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()? {
        let Ok(entry) = entry else { continue };
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        inodes.extend(inode_of(&target, "socket:["));
    }
    Some(inodes)
}

/// The inode in what a descriptor's link says, such as `socket:[123]`.
fn inode_of(target: &Path, kind: &str) -> Option<u64> {
    let number = target.to_str()?.strip_prefix(kind)?.strip_suffix(']')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"42 (a) b (c) S 7 8 9 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1 1\n";
        let stat = parse_stat(42, Boot::new(1), line).unwrap();
        assert_eq!(stat.short_name, "a) b (c");
        assert_eq!(
            (stat.parent, stat.group, stat.session, stat.identity.start),
            (7, 8, 9, 12345)
        );
        assert!(!stat.kernel && !stat.zombie);
    }

    #[test]
    fn a_process_lives_on_when_its_first_thread_has_exited() {
        let line =
            |threads: u32| format!("42 (a) Z 7 8 9 0 -1 0 1 0 0 0 0 0 0 0 20 0 {threads} 0 5 1");
        for (threads, zombie) in [(1, true), (0, true), (2, false)] {
            let stat = parse_stat(42, Boot::new(1), line(threads).as_bytes()).unwrap();
            assert_eq!(stat.zombie, zombie, "{threads} threads");
        }
    }

    #[test]
    fn of_a_limit_only_the_hard_one_counts() {
        let line = |soft: &str, hard: &str| {
            format!("Max realtime timeout      {soft}   {hard}   us        \n")
        };
        assert_eq!(parse_real_time_limit(line("17", "17").as_bytes()), Some(17));
        assert_eq!(
            parse_real_time_limit(line("200000", "18").as_bytes()),
            Some(18)
        );
        assert_eq!(
            parse_real_time_limit(line("unlimited", "unlimited").as_bytes()),
            None
        );
    }

    #[test]
    fn this_process_is_found_where_the_kernel_says() {
        let boot = boot().unwrap();
        let own = stat(std::process::id(), boot).unwrap();
        assert_eq!(own.identity.pid, std::process::id());
        assert!(pids().unwrap().contains(&own.identity.pid));
        assert_eq!(executable(own.identity.pid), std::env::current_exe().ok());
        assert_eq!(innermost_pid(own.identity.pid), Some(own.identity.pid));
        assert_eq!(
            working_directory(own.identity.pid),
            std::env::current_dir().ok()
        );
    }
}
