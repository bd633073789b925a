//! What the kernel keeps in odd states.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, getpid, kill_process, set_child_subreaper, setsid};

use super::answers::orphan;
use super::ignore_requests;
use crate::life;
use crate::serve::serve;
use crate::sys::{self, Trace};

pub(super) fn stopped_child(listener: Option<&TcpListener>) -> io::Result<()> {
    let child = life::fork(|set_up| {
        let _ = setsid();
        drop(set_up);
        life::rest()
    })?;
    if let Some(child) = rustix::process::Pid::from_raw(child) {
        kill_process(child, Signal::STOP)?;
    }
    serve(listener)
}

pub(super) fn stuck(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        ignore_requests();
        if sys::fork_and_wait_uninterruptibly().is_ok_and(|pid| pid == 0) {
            life::arm();
            // Nothing ever comes: this process holds the other end itself.
            let ends = pipe_with(PipeFlags::CLOEXEC);
            drop(set_up);
            if let Ok((read, _write)) = ends {
                while rustix::io::read(read.as_fd(), &mut [0; 1]).is_err() {}
            }
        }
        life::rest()
    })?;
    serve(listener)
}

pub(super) fn traced(listener: Option<&TcpListener>) -> io::Result<()> {
    let tracee = start_tracee(|| life::rest())?;
    life::fork(|set_up| {
        ignore_requests();
        if sys::trace(Trace::Seize, tracee).is_ok() && sys::trace(Trace::Interrupt, tracee).is_ok()
        {
            sys::wait_for_stop(tracee);
        }
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

/// The tracer takes every signal away from its tracee that can be taken away, SIGSTOP too; the tracee goes on forking.
pub(super) fn unstoppable(listener: Option<&TcpListener>) -> io::Result<()> {
    let purse = crate::purse::Purse::with(200)?;
    let tracee = start_tracee(|| {
        while purse.take() {
            let _ = life::fork(|set_up| {
                let _ = setsid();
                drop(set_up);
                life::rest()
            });
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        life::rest()
    })?;
    life::fork(|set_up| {
        ignore_requests();
        let seized = sys::trace(Trace::Seize, tracee).is_ok();
        drop(set_up);
        while seized && sys::wait_for_stop(tracee) {
            let _ = sys::trace(Trace::Swallow, tracee);
        }
        life::rest()
    })?;
    serve(listener)
}

fn start_tracee(body: impl FnOnce()) -> io::Result<i32> {
    life::fork(|set_up| {
        sys::allow_tracing();
        let _ = setsid();
        ignore_requests();
        drop(set_up);
        body();
    })
}

pub(super) fn subreaper(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        let _ = set_child_subreaper(Some(getpid()));
        let _ = setsid();
        for _ in 0..3 {
            let _ = orphan(|inner| {
                ignore_requests();
                drop(inner);
                life::rest()
            });
        }
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

/// Where no PID namespace can be had, this is a family in a session of its own.
pub(super) fn own_pid_namespace(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        let _ = sys::unshare_pids();
        let _ = life::fork(|init| {
            let _ = setsid();
            for _ in 0..2 {
                let _ = orphan(|inner| {
                    ignore_requests();
                    drop(inner);
                    life::rest()
                });
            }
            ignore_requests();
            drop(init);
            life::rest()
        });
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}
