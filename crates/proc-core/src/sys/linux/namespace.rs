//! PID namespaces: processes that the kernel ends with the first of them.
//!
//! A process without privileges gets them in a user namespace of its own, for nothing but what is in it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities};
use signal_hook::consts::SIGCHLD;

use crate::sys::{Link, Reaped, reap};

/// Lets this process make namespaces if it may not yet: in a user namespace, in which its user and its group are what
/// they are outside, and all others are nobody.
///
/// To be called while this process has no other thread: the kernel refuses it afterwards.
pub(crate) fn become_able_to_make_namespaces() -> io::Result<()> {
    let able = capabilities(None)?.effective;
    if able.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    let user = rustix::process::geteuid();
    let group = rustix::process::getegid();
    leave(UnshareFlags::NEWUSER).map_err(|error| refused("make a user namespace", &error))?;
    let files = [
        // Without this no group may be mapped: a process could leave one that keeps it out of a file.
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ];
    for (name, text) in files {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(|error| refused(&format!("write {path}"), &error))?;
    }
    Ok(())
}

/// Makes a PID namespace and a mount namespace for whatever the calling thread starts from now on.
///
/// The thread itself is in the new mount namespace from here on, and in the PID namespace that it has been in. It can
/// start no further thread, and cannot go back.
pub(crate) fn make_pid_namespace() -> io::Result<()> {
    leave(UnshareFlags::NEWNS).map_err(|error| refused("make a mount namespace", &error))?;
    // What is mounted outside later is seen inside; what is mounted inside stays there.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave)
        .map_err(|error| refused("keep mounts to a mount namespace", &error.into()))?;
    leave(UnshareFlags::NEWPID).map_err(|error| refused("make a PID namespace", &error))
}

#[expect(unsafe_code, reason = "rustix marks it so because of `FILES`")]
fn leave(what: UnshareFlags) -> io::Result<()> {
    // SAFETY: the table of descriptors goes on to be shared, as `FILES` is never among the flags here.
    unsafe { rustix::thread::unshare_unsafe(what) }.map_err(Into::into)
}

/// Names the operation, and a setting of this system that forbids it, if there is one that is known to.
fn refused(operation: &str, error: &io::Error) -> io::Error {
    let settings = [
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    let hint = settings.into_iter().find(|(name, forbids)| {
        fs::read_to_string(format!("/proc/sys/{name}")).is_ok_and(|now| now.trim() == *forbids)
    });
    let hint = hint.map_or_else(String::new, |(name, value)| {
        format!(", and {} is {value}", name.replace('/', "."))
    });
    io::Error::new(error.kind(), format!("cannot {operation}: {error}{hint}"))
}

/// What the first process of a namespace tells over its link while it starts: one byte when it has come so far.
const STEPS: [&str; 3] = [
    "start a process in the PID namespace",
    "mount /proc in the PID namespace",
    "run the first program of the PID namespace",
];

/// Lets a command, whose standard input is the far end of a link, start as the first process of the namespace that the
/// calling thread has made: with a `/proc` that shows the namespace, and so that it is killed when the thread ends.
#[expect(
    unsafe_code,
    reason = "executing a program leaves no privileges in a user namespace"
)]
pub(crate) fn start_as_init(command: &mut Command) {
    command.process_group(0);
    let before_exec = || {
        rustix::io::write(rustix::stdio::stdin(), b".")?;
        // Whether the thread was gone before this cannot be asked for in here. It would be noticed at the link's end.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"proc", c"/proc", c"proc", flags, None)?;
        rustix::io::write(rustix::stdio::stdin(), b".")?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(before_exec) };
}

/// What has kept the first process of a namespace from starting, by how far it has come.
pub(crate) fn explain_init(mut link: &Link, error: &io::Error) -> io::Error {
    let mut steps = [0; STEPS.len()];
    // Where there is nothing to read, the process has not come as far as the first step.
    let _ = link.set_nonblocking(true);
    let step = link.read(&mut steps).unwrap_or(0);
    refused(STEPS[step.min(STEPS.len() - 1)], error)
}

/// Waits until the first process of a namespace does its work.
pub(crate) fn await_init(mut link: &Link, patience: std::time::Duration) -> io::Result<()> {
    link.set_read_timeout(Some(patience))?;
    link.read_exact(&mut [0; STEPS.len()])
        .map_err(|error| refused(STEPS[STEPS.len() - 1], &error))?;
    link.set_read_timeout(None)
}

/// Is the first process of a namespace: collects orphans, and says so over the link, until the other end is gone.
pub(crate) fn be_init(mut link: &Link) -> io::Result<()> {
    let (mut ended, end) = UnixStream::pair()?;
    ended.set_nonblocking(true)?;
    link.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, end)?;
    // A byte that finds no room is not missed: those before it have not been read yet.
    let say = || (&*link).write(b".").map(drop);
    let _ = say();
    loop {
        let mut has_collected = false;
        while let Reaped::Exited(..) = reap()? {
            has_collected = true;
        }
        if has_collected {
            let _ = say();
        }
        let mut sources =
            [link.as_fd(), ended.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut sources, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match link.read(&mut [0; 16]) {
            Ok(0) => return Ok(()),
            Err(error) if !is_for_later(&error) => return Err(error),
            _ => {}
        }
        while ended.read(&mut [0; 16]).is_ok_and(|length| length > 0) {}
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
