//! A kqueue that watches processes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::io::Errno;
use rustix::process::Pid;

/// How many events are taken at once.
const EVENTS: usize = 64;

#[derive(Debug)]
pub(super) struct Queue(OwnedFd);

impl Queue {
    pub(super) fn new() -> io::Result<Self> {
        // No child inherits a kqueue; a program that this process becomes is to have none either.
        let queue = kqueue()?;
        rustix::io::fcntl_setfd(&queue, rustix::io::FdFlags::CLOEXEC)?;
        Ok(Self(queue))
    }

    /// Watches whatever process has this PID now. `false`: none that lives.
    #[expect(
        unsafe_code,
        reason = "an event may name a descriptor, which must live"
    )]
    pub(super) fn watch(&self, pid: u32, what: ProcessEvents) -> io::Result<bool> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let filter = EventFilter::Proc { pid, flags: what };
        let flags = EventFlags::ADD | EventFlags::CLEAR;
        let change = Event::new(filter, flags, std::ptr::null_mut());
        // SAFETY: the event names a process, and no descriptor.
        match unsafe { kevent(&self.0, &[change], &mut [] as &mut [Event; 0], None) } {
            Ok(_) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until something happens.
    #[expect(
        unsafe_code,
        reason = "an event may name a descriptor, which must live"
    )]
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            // SAFETY: there is no change that could name a descriptor.
            match unsafe { kevent(&self.0, &[], spare_capacity(&mut events), None) } {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
