//! Waiting until clients are ready: they listen, no other process does in their place, and they answer as wanted.
//!
//! One thread watches any number of clients. It asks the kernel once a tick which sockets listen, and sends a request
//! only to a port on which one does, from a short-lived thread of its own, so that a server that never answers keeps
//! no other client waiting. While there is no client to watch, nothing runs.
//!
//! An answer does not prove which process gave it: a server that an earlier run left behind answers too. So an answer
//! counts only if every socket that could have given it belongs to the client's own processes, before the request
//! *and* after the answer. What else listens there is reported as [`Readiness::Foreign`], by name.
//!
//! Linux does not show every process's sockets to every user. Where none is seen to have a socket, the client is
//! believed to have it only if one of its own processes hides what it has open and could have made that socket;
//! otherwise a stranger has it ([`Holder::Unknown`](crate::port::Holder::Unknown)).

mod target;

mod ask;
mod reach;

mod awaited;
mod ownership;

mod watch;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::mark::MemberNumber;
pub use target::{ClientProcesses, LastSeen, Readiness, ReadinessError, Ready, Target};
use watch::{Watch, WatchMessage};

/// Watches clients until each is ready, or it is clear that it will not be.
///
/// Dropping it stops it.
#[derive(Debug)]
pub struct Watcher {
    inbox: Sender<WatchMessage>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to watch. Outcomes are told from the watching thread, one at a time; what takes long does not belong
    /// there.
    pub fn start(
        members: Arc<dyn ClientProcesses>,
        on_outcome: impl FnMut(Readiness) + Send + 'static,
    ) -> Result<Self, ReadinessError> {
        let (inbox, messages) = channel();
        let watch = Watch::new(members, on_outcome, messages, inbox.clone());
        let thread = thread::Builder::new()
            .name("readiness".to_owned())
            .spawn(move || watch.run())
            .map_err(ReadinessError::Thread)?;
        Ok(Self {
            inbox,
            thread: Some(thread),
        })
    }

    /// Watches a client from now on, in place of one with the same number.
    pub fn add(&self, target: Target) {
        self.send(WatchMessage::Add(target, Instant::now()));
    }

    /// Forgets a client, such as one that has ended. An outcome that is being told at this moment may still arrive.
    pub fn remove(&self, client: MemberNumber) {
        self.send(WatchMessage::Remove(client));
    }

    /// Ends the watch, without outcomes for the clients that are left, and without waiting for servers.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.send(WatchMessage::Stop);
        if let Some(thread) = self.thread.take()
            // A thread that stops it from within an outcome cannot wait for itself.
            && thread.thread().id() != thread::current().id()
        {
            // A panic in `on_outcome` was printed where it happened, and must not become one in a destructor.
            let _ = thread.join();
        }
    }

    fn send(&self, message: WatchMessage) {
        // It fails only if `on_outcome` has panicked: then there is nothing left to tell.
        let _ = self.inbox.send(message);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;
