//! What is many, or never stands still.

use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, kill_current_process_group, setsid};

use super::{Species, ignore_requests};
use crate::life::{self, program};
use crate::purse::Purse;
use crate::serve::{serve, serve_beside};
use crate::sys;

const CHILDREN: usize = 50;
const GRANDCHILDREN: usize = 2;

pub(super) fn crowd(listener: Option<&TcpListener>) -> io::Result<()> {
    for child in 0..CHILDREN {
        life::fork(|set_up| {
            if child % 2 == 0 {
                let _ = setsid();
            }
            for _ in 0..GRANDCHILDREN {
                let _ = life::fork(|inner| {
                    drop(inner);
                    life::rest()
                });
            }
            drop(set_up);
            life::rest()
        })?;
    }
    serve(listener)
}

/// Each of the two sees the other end, and starts it anew.
pub(super) fn respawner(listener: Option<&TcpListener>) -> io::Result<()> {
    ignore_requests();
    let purse = Purse::with(300)?;
    serve_beside(listener.map(TcpListener::try_clone).transpose()?);
    keep_a_partner(listener, &purse)
}

fn keep_a_partner(listener: Option<&TcpListener>, purse: &Purse) -> io::Result<()> {
    while purse.take() {
        let (is_there, here) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut here = Some(here);
        let partner = life::fork(|set_up| {
            // Only the starter is to hold this end.
            here.take();
            let _ = setsid();
            drop(set_up);
            // End of file when its starter is gone, which it then becomes.
            while rustix::io::read(&is_there, &mut [0; 1]) == Err(rustix::io::Errno::INTR) {}
            serve_beside(listener.and_then(|listener| listener.try_clone().ok()));
            let _ = keep_a_partner(listener, purse);
            life::rest()
        })?;
        sys::wait_for(partner);
    }
    life::rest()
}

pub(super) fn fork_storm(listener: Option<&TcpListener>) -> io::Result<()> {
    let purse = Purse::with(300)?;
    life::fork(|set_up| {
        ignore_requests();
        drop(set_up);
        blow(&purse)
    })?;
    serve(listener)
}

/// The children of a process that is killed do not stop.
fn blow(purse: &Purse) -> ! {
    while purse.take() {
        let _ = life::fork(|set_up| {
            let _ = setsid();
            drop(set_up);
            thread::sleep(Duration::from_millis(5));
            blow(purse)
        });
        thread::sleep(Duration::from_millis(20));
    }
    life::rest()
}

pub(super) fn comet(listener: Option<&TcpListener>) -> io::Result<()> {
    let purse = Purse::with(30_000)?;
    for _ in 0..3 {
        life::fork(|set_up| {
            ignore_requests();
            drop(set_up);
            fly(&purse);
        })?;
    }
    serve(listener)
}

fn fly(purse: &Purse) {
    while purse.take() {
        let Ok(pid) = sys::fork() else { continue };
        if pid != 0 {
            sys::exit_now(0);
        }
        life::arm();
        thread::sleep(Duration::from_millis(2));
    }
    life::rest()
}

pub(super) fn re_exec(listener: Option<&TcpListener>) -> io::Result<()> {
    let mut command = program(Species::ReExecuted)?;
    life::fork(|set_up| {
        let _ = setsid();
        // Closed by the exec.
        let _kept = set_up;
        let _ = command.exec();
    })?;
    serve(listener)
}

pub(super) fn re_executed() -> ! {
    thread::sleep(Duration::from_millis(5));
    if let Ok(mut command) = program(Species::ReExecuted) {
        let _ = command.exec();
    }
    life::rest()
}

pub(super) fn continuer(listener: Option<&TcpListener>) -> io::Result<()> {
    for _ in 0..2 {
        life::fork(|set_up| {
            ignore_requests();
            drop(set_up);
            loop {
                let _ = kill_current_process_group(Signal::CONT);
                thread::sleep(Duration::from_micros(200));
            }
        })?;
    }
    serve(listener)
}
