//! What a guardian hears of, from its launcher, from its control socket and from the system, and its connections.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SendError, Sender};
use std::thread;
use std::time::Duration;

use crate::contain::Waiter;
use crate::identity::Identity;
use crate::protocol::{self, Notice, Receiver, Request};
use crate::sys::{self, Link};
use crate::wait::pause;

/// The launcher's number; other connections count from the next one.
pub(super) const LAUNCHER: u64 = 0;

/// How long the other end may take to make room for a notice.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many control connections there may be at a time. A guardian's descriptors and threads are there to see its run
/// with, so no other process may use them up by connecting; one that is turned away can still send it SIGTERM.
const PERMITS: usize = 8;

/// What a guardian acts upon.
pub(super) enum GuardianEvent {
    /// A request over this connection.
    Requested(u64, Box<Request>),
    /// A process has connected.
    Connected(Connection),
    /// This connection has ended, or something came over it that cannot be understood.
    Disconnected(u64),
    /// A child has ended, or an orphan below this process; or something was started that only looks can tell from
    /// others.
    ChildEnded,
    /// The guardian itself was asked to end.
    AskedToEnd,
    /// The session ends, and this process with it.
    SessionEnds,
    /// The process that owns the run has ended.
    OwnerEnded,
}

/// The links over which the guardian sends its notices: to its launcher, and to what has connected.
pub(super) struct Connections {
    events: Sender<GuardianEvent>,
    links: BTreeMap<u64, (Link, Option<Permit>)>,
    next: u64,
    permits: Permit,
}

/// Counted while it is held.
type Permit = Arc<()>;

/// A new connection at the control socket.
pub(super) struct Connection {
    link: Link,
    permit: Permit,
}

impl Connection {
    /// The process that has connected. `None`: this process cannot see it.
    pub(super) fn pid(&self) -> Option<u32> {
        sys::peer(&self.link).ok()?.pid
    }
}

impl Connections {
    pub(super) fn new(events: Sender<GuardianEvent>) -> Self {
        Self {
            events,
            links: BTreeMap::new(),
            next: LAUNCHER + 1,
            permits: Permit::default(),
        }
    }

    pub(super) fn accept_launcher(
        &mut self,
        link: Link,
        receiver: Receiver,
        launcher: Option<Identity>,
    ) -> io::Result<()> {
        if let Some(launcher) = launcher
            && let Ok(link) = link.try_clone()
        {
            // A launcher that cannot be watched is left to the kernel, which ends the link too.
            let _ = spawn_thread("launcher", move || sys::hang_up_after(&launcher, &link));
        }
        // One that stands still hears later how the run has ended meanwhile, be it of a hundred clients.
        sys::make_room(&link);
        link.set_write_timeout(Some(PATIENCE))?;
        self.links.insert(LAUNCHER, (link, None));
        self.listen(LAUNCHER, receiver)
    }

    /// Adds a connection. One for which there is no thread or no descriptor is closed, and no harm done.
    pub(super) fn accept(&mut self, Connection { link, permit }: Connection) {
        let id = self.next;
        self.next += 1;
        let listen = || {
            link.set_write_timeout(Some(PATIENCE))?;
            self.listen(id, Receiver::of_control(link.try_clone()?))
        };
        if listen().is_ok() {
            self.links.insert(id, (link, Some(permit)));
        }
    }

    /// Closes a connection.
    pub(super) fn disconnect(&mut self, id: u64) {
        if let Some((link, _)) = self.links.remove(&id) {
            sys::hang_up(&link);
        }
    }

    /// Sends a notice over all of them. What does not take it in time has left or stands still, and gets no more of
    /// them.
    pub(super) fn send(&mut self, notice: &Notice) {
        self.links.retain(|_, (link, _)| {
            let is_sent = protocol::send(link, notice).is_ok();
            if !is_sent {
                sys::hang_up(link);
            }
            is_sent
        });
    }

    /// Accepts control connections from now on.
    pub(super) fn open_control_socket(&self, folder: &Path, name: &str) -> io::Result<()> {
        let socket = sys::open_control_socket(folder, name)?;
        let events = self.events.clone();
        let permits = Permit::clone(&self.permits);
        spawn_thread("control", move || {
            loop {
                match sys::accept(&socket) {
                    // The connections and this thread hold one each.
                    Ok(_) if Permit::strong_count(&permits) >= PERMITS + 2 => {}
                    Ok(link) => {
                        let permit = Permit::clone(&permits);
                        let connected = GuardianEvent::Connected(Connection { link, permit });
                        if events.send(connected).is_err() {
                            break;
                        }
                    }
                    // Out of descriptors or memory: what connects waits until there is room again.
                    Err(_) => pause(PATIENCE),
                }
            }
        })
    }

    /// Notices the end of the process that owns the run.
    pub(super) fn watch_owner(&self, owner: &Identity) -> io::Result<()> {
        let handle = sys::pin(owner)?;
        let events = self.events.clone();
        spawn_thread("owner", move || {
            if let Some(handle) = handle {
                sys::wait_for_exit(&handle);
            }
            let _ = events.send(GuardianEvent::OwnerEnded);
        })
    }

    /// Notices what ends of the run without a signal for it.
    pub(super) fn listen_to(&self, mut watch: Waiter) -> io::Result<()> {
        let events = self.events.clone();
        spawn_thread("watch", move || {
            loop {
                let goes_on = watch();
                if report_end(&events).is_err() || !goes_on {
                    break;
                }
            }
        })
    }

    fn listen(&self, id: u64, mut receiver: Receiver) -> io::Result<()> {
        let events = self.events.clone();
        spawn_thread("link", move || {
            while let Ok(Some(request)) = receiver.next() {
                if events
                    .send(GuardianEvent::Requested(id, Box::new(request)))
                    .is_err()
                {
                    return;
                }
            }
            let _ = events.send(GuardianEvent::Disconnected(id));
        })
    }
}

/// Whether an end was reported, and no look has begun since.
static END_IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Reports that a process has ended, unless that is reported already. One look shows all that have, and takes longer
/// than processes need to end that start each other on and on: whatever else happens would wait behind their ends.
fn report_end(events: &Sender<GuardianEvent>) -> Result<(), SendError<GuardianEvent>> {
    if END_IS_REPORTED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    events.send(GuardianEvent::ChildEnded)
}

/// Ends are reported anew from now on.
pub(super) fn begin_to_look() {
    END_IS_REPORTED.swap(false, Ordering::SeqCst);
}

/// Turns the signals that concern a guardian into events.
pub(super) fn listen_for_signals(events: Sender<GuardianEvent>) -> io::Result<()> {
    let mut signals = sys::GuardianSignals::begin()?;
    spawn_thread("signals", move || {
        while let Some(signal) = signals.next() {
            let said = match signal {
                sys::GuardianSignal::ChildEnded => report_end(&events),
                sys::GuardianSignal::AskedToEnd => events.send(GuardianEvent::AskedToEnd),
                sys::GuardianSignal::SessionEnds => events.send(GuardianEvent::SessionEnds),
            };
            if said.is_err() {
                break;
            }
        }
    })
}

/// Writes to standard error, which is the guardian's log in the run's folder.
pub(super) fn complain(error: &io::Error) {
    let _ = writeln!(io::stderr(), "proc-guardian: {error}");
}

/// Each thread waits for one thing with hardly any stack of its own.
fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(256 * 1024)
        .spawn(body)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn ends_do_not_queue_up() {
        let (events, inbox) = mpsc::channel();
        for _ in 0..2 {
            begin_to_look();
            for _ in 0..3 {
                report_end(&events).unwrap();
            }
            assert!(matches!(inbox.try_recv(), Ok(GuardianEvent::ChildEnded)));
            assert!(inbox.try_recv().is_err());
        }
    }
}
