//! System calls that neither std nor rustix offer, because a program that behaves has no use for them.

#![expect(
    unsafe_code,
    reason = "fork, clone, signal dispositions and ptrace have no safe form"
)]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use libc::{c_int, c_void};

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks. 0: this is the child.
pub(crate) fn fork() -> io::Result<i32> {
    // SAFETY: the child uses the allocator and std's pipes only, which the C library keeps usable after a fork; no lock
    // of this crate is held across a fork.
    checked(unsafe { libc::fork() })
}

/// Forks a child of this process's own parent. 0: this is the child.
pub(crate) fn fork_sibling() -> io::Result<i32> {
    let flags = libc::c_ulong::try_from(libc::CLONE_PARENT | libc::SIGCHLD).unwrap_or(0);
    // SAFETY: without CLONE_VM this is a fork, and no other thread runs in the species that calls it.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    checked(c_int::try_from(pid).unwrap_or(-1))
}

/// Forks, and stands still in a wait that no signal but SIGKILL ends (state D) until the child ends or executes
/// another program. 0: this is the child.
pub(crate) fn fork_and_wait_uninterruptibly() -> io::Result<i32> {
    let flags = libc::c_ulong::try_from(libc::CLONE_VFORK | libc::SIGCHLD).unwrap_or(0);
    // SAFETY: without CLONE_VM the child has its own copy of everything, as after a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    checked(c_int::try_from(pid).unwrap_or(-1))
}

/// Ends this process at once.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Ends this thread only, without unwinding, even if it is the first one of the process.
pub(crate) fn exit_thread() -> ! {
    // SAFETY: the other threads use nothing that lives on this thread's stack.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has exited")
}

/// Sets a timer that sends SIGKILL to this process.
pub(crate) fn kill_me_in(time: Duration) {
    let mut event = MaybeUninit::<libc::sigevent>::zeroed();
    let event = event.as_mut_ptr();
    // SAFETY: `event` points to live, zeroed memory of this type.
    unsafe { (*event).sigev_notify = libc::SIGEV_SIGNAL };
    // SAFETY: as above.
    unsafe { (*event).sigev_signo = libc::SIGKILL };
    let mut timer = MaybeUninit::<libc::timer_t>::zeroed();
    // SAFETY: both pointers are valid for the call.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, event, timer.as_mut_ptr()) };
    let spec = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(1),
            tv_nsec: libc::c_long::from(time.subsec_nanos()),
        },
    };
    // SAFETY: zeroed memory is a valid `timer_t`, also where making the timer has failed.
    let timer = unsafe { timer.assume_init() };
    // SAFETY: the timer is valid where it was made, and the new value lives through the call.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const spec, std::ptr::null_mut()) };
    if made != 0 || set != 0 {
        // Nothing lives here without an end.
        exit_now(97);
    }
}

/// Sends SIGALRM to this process in so many seconds, also when it executes another program.
pub(crate) fn alarm(seconds: u32) {
    // SAFETY: it takes a number.
    unsafe { libc::alarm(seconds) };
}

/// ms of the clock that all processes share.
pub(crate) fn monotonic_ms() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Ignores a signal from now on.
pub(crate) fn ignore(signal: c_int) {
    // SAFETY: ignoring runs no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Closes all descriptors of a range.
pub(crate) fn close_from_to(first: u32, last: u32) {
    // SAFETY: the caller goes on without any of them; nothing of std's that owns one is used afterwards.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Waits for a child to end. `false`: there is no such child.
pub(crate) fn wait_for(pid: i32) -> bool {
    loop {
        // SAFETY: no status is asked for.
        let result = unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        if result == pid {
            return true;
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return false;
        }
    }
}

/// What may be asked of ptrace here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trace {
    Seize,
    Interrupt,
    /// Let it go on, without the signal for which it stands still.
    Swallow,
}

/// Traces another process.
pub(crate) fn trace(what: Trace, pid: i32) -> io::Result<()> {
    let request = match what {
        Trace::Seize => libc::PTRACE_SEIZE,
        Trace::Interrupt => libc::PTRACE_INTERRUPT,
        Trace::Swallow => libc::PTRACE_CONT,
    };
    let nothing = std::ptr::null_mut::<c_void>();
    // SAFETY: none of these requests reads or writes memory of either process.
    let result = unsafe { libc::ptrace(request, pid, nothing, nothing) };
    checked(c_int::try_from(result).unwrap_or(-1)).map(drop)
}

/// Waits until a traced process stands still. `false`: it is gone.
pub(crate) fn wait_for_stop(pid: i32) -> bool {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is valid for the call.
        let result = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if result == pid {
            return libc::WIFSTOPPED(status);
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return false;
        }
    }
}

/// Lets any process of this user trace this one.
pub(crate) fn allow_tracing() {
    // SAFETY: this request takes a number.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
}

/// Hides this process's memory, descriptors and environment from other processes of this user.
pub(crate) fn become_undumpable() {
    // SAFETY: this request takes a number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

/// Moves this process's future children to a PID namespace of their own, through a user namespace unless this is root.
pub(crate) fn unshare_pids() -> io::Result<()> {
    unshare(libc::CLONE_NEWPID)
}

/// Moves this process to a mount namespace of its own, through a user namespace unless this is root.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)
}

fn unshare(what: c_int) -> io::Result<()> {
    // SAFETY: no other thread runs in the species that calls it.
    if unsafe { libc::unshare(what) } == 0 {
        return Ok(());
    }
    // SAFETY: as above.
    checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | what) }).map(drop)
}

/// Becomes another user for good.
pub(crate) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: no groups are named.
    checked(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: it takes numbers.
    checked(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: it takes numbers.
    checked(unsafe { libc::setresuid(id, id, id) }).map(drop)
}
