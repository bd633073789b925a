//! What does not take a hint, or gives the wrong answer.

use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use signal_hook::iterator::Signals;

use super::ignore_requests;
use crate::life::{self, SetUp};
use crate::serve::{Answer, answer_one, serve, serve_beside};
use crate::sys;

pub(super) fn ignores_term(listener: Option<&TcpListener>) -> ! {
    ignore_requests();
    serve(listener)
}

pub(super) fn slow_to_end(listener: Option<TcpListener>) -> io::Result<()> {
    let mut signals = Signals::new([libc::SIGTERM])?;
    serve_beside(listener);
    signals.forever().next();
    thread::sleep(Duration::from_secs(4));
    Ok(())
}

pub(super) fn daemonises_on_term(listener: Option<TcpListener>) -> io::Result<()> {
    let mut signals = Signals::new([libc::SIGTERM])?;
    let kept = listener.as_ref().map(TcpListener::try_clone).transpose()?;
    serve_beside(listener);
    signals.forever().next();
    ignore_requests();
    orphan(|set_up| {
        drop(set_up);
        serve(kept.as_ref())
    })
}

pub(super) fn never_ready(listener: Option<&TcpListener>) -> ! {
    match listener {
        Some(listener) => loop {
            answer_one(listener, Answer::NotYet);
        },
        None => life::rest(),
    }
}

pub(super) fn ready_then_crash(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        drop(set_up);
        life::rest()
    })?;
    if let Some(listener) = listener {
        answer_one(listener, Answer::Ready);
    }
    std::process::abort()
}

pub(super) fn leader_exits(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        drop(set_up);
        serve(listener)
    })
}

/// Starts an orphan in a session of its own that does this.
pub(super) fn orphan(body: impl FnOnce(SetUp)) -> io::Result<()> {
    let first = life::fork(|_until_it_ends| {
        let _ = rustix::process::setsid();
        let _ = life::fork(body);
    })?;
    sys::wait_for(first);
    Ok(())
}
