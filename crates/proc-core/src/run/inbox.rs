//! What a launcher hears: its guardian, its watcher of readiness, and interruptions.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use super::RunError;
use crate::identity::Identity;
use crate::interruption::Interruption;
use crate::protocol::{self, Notice, Receiver, Request};
use crate::readiness::Readiness;
use crate::sys::{self, Link};

/// How long a guardian may take to answer. It does so at once, unless it was stopped or the machine stands still.
const GUARDIAN_TIMEOUT: Duration = Duration::from_secs(15);

/// What a stop of this process counts for at the most, when it waits for its guardian.
const PART_OF_PATIENCE: Duration = Duration::from_secs(1);

/// Something that a launcher hears.
#[derive(Debug)]
pub(super) enum Message {
    Notice(Notice),
    GuardianGone,
    Readiness(Readiness),
    /// The process of a test has ended, whether or not its guardian has said so.
    TestGone(Identity),
    Interrupted(Interruption),
}

/// One queue for everything that a launcher hears, and the link on which it speaks.
#[derive(Debug)]
pub(super) struct Inbox {
    sender: Sender<Message>,
    messages: mpsc::Receiver<Message>,
    link: Option<Link>,
}

/// Asks a run to end, from another thread.
#[derive(Clone, Debug)]
pub struct Interrupter(Sender<Message>);

impl Interrupter {
    /// Asks the run to end. The second time, it no longer waits for its clients to end by themselves.
    pub fn interrupt(&self, how: Interruption) {
        // A run that no longer listens has ended.
        let _ = self.0.send(how.into());
    }
}

/// Turns Ctrl+C, requests to end and the end of the terminal into interruptions of this run, from now on.
pub fn interrupt_on_signals(interrupter: Interrupter) -> io::Result<()> {
    let mut signals = sys::LauncherSignals::begin()?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            while let Some(interruption) = signals.next() {
                interrupter.interrupt(interruption);
            }
        })
        .map(drop)
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (sender, messages) = mpsc::channel();
        Self {
            sender,
            messages,
            link: None,
        }
    }

    pub(super) fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone())
    }

    pub(super) fn sender(&self) -> Sender<Message> {
        self.sender.clone()
    }

    /// Notices the end of the guardian, even where another process keeps its end of the link open. Without a thread for
    /// it, the end of the link has to do.
    pub(super) fn watch_guardian(&self, guardian: Identity) {
        let Some(Ok(link)) = self.link.as_ref().map(Link::try_clone) else {
            return;
        };
        let _ = thread::Builder::new()
            .name("watch".into())
            .spawn(move || sys::hang_up_after(&guardian, &link));
    }

    /// Begins to listen to a guardian.
    pub(super) fn listen(&mut self, link: Link) -> io::Result<()> {
        let mut receiver = Receiver::new(link.try_clone()?);
        let sender = self.sender();
        thread::Builder::new()
            .name("guardian".into())
            .spawn(move || {
                while let Ok(Some(notice)) = receiver.next() {
                    if sender.send(Message::Notice(notice)).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Message::GuardianGone);
            })?;
        self.link = Some(link);
        Ok(())
    }

    /// Notices the end of a test. Without a thread for it, the word of the guardian has to do.
    pub(super) fn watch(&self, test: Identity) {
        let sender = self.sender();
        let _ = thread::Builder::new().name("test".into()).spawn(move || {
            if let Ok(handle) = sys::pin(&test) {
                if let Some(handle) = handle {
                    sys::wait_for_exit(&handle);
                }
                let _ = sender.send(Message::TestGone(test));
            }
        });
    }

    /// Says something to the guardian.
    pub(super) fn say(&self, request: &Request) -> Result<(), RunError> {
        let gone = |error: io::Error| RunError::Guardian {
            error: error.to_string(),
        };
        match &self.link {
            Some(link) => protocol::send(link, request).map_err(gone),
            None => Err(gone(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The next message of a guardian that has been asked something.
    pub(super) fn answer(&self) -> Result<Message, RunError> {
        self.next_within(GUARDIAN_TIMEOUT)
            .ok_or_else(|| RunError::Guardian {
                error: format!("it has not answered for {} s", GUARDIAN_TIMEOUT.as_secs()),
            })
    }

    /// The next message. Without a time-out it waits for as long as it takes.
    pub(super) fn next(&self, timeout: Option<Duration>) -> Message {
        self.try_next(timeout).unwrap_or(Message::GuardianGone)
    }

    /// The next message of a guardian that may take so long. `None`: it has not said anything.
    ///
    /// This process may stand still meanwhile, and when it goes on, this thread may do so before the one that listens:
    /// time that has passed at one go is no proof of silence.
    pub(super) fn next_within(&self, patience: Duration) -> Option<Message> {
        let mut open = patience;
        while !open.is_zero() {
            let part = open.min(PART_OF_PATIENCE);
            if let Some(message) = self.try_next(Some(part)) {
                return Some(message);
            }
            open -= part;
        }
        None
    }

    /// The next message. `None`: the time is up.
    pub(super) fn try_next(&self, timeout: Option<Duration>) -> Option<Message> {
        match timeout {
            Some(timeout) => self.messages.recv_timeout(timeout).ok(),
            // This end keeps a sender, so the channel is never closed.
            None => self.messages.recv().ok(),
        }
    }
}
