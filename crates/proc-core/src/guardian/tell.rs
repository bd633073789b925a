//! Who a guardian talks to: its launcher, visitors at its door, the system.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use super::Happening;
use crate::identity::Identity;
use crate::protocol::{self, Notice, Receiver};
use crate::sys::{self, Link};
use crate::wait::pause;

/// The launcher's number; visitors count from the next one.
pub(super) const LAUNCHER: u64 = 0;

/// How long somebody may take to make room for what is said to them.
const PATIENCE: Duration = Duration::from_millis(500);

/// Everybody who hears what the guardian has to say.
pub(super) struct Audience {
    happenings: Sender<Happening>,
    links: BTreeMap<u64, Link>,
    next: u64,
}

impl Audience {
    pub(super) fn new(happenings: Sender<Happening>) -> Self {
        Self {
            happenings,
            links: BTreeMap::new(),
            next: LAUNCHER + 1,
        }
    }

    pub(super) fn admit_launcher(&mut self, link: Link, receiver: Receiver) -> io::Result<()> {
        link.set_write_timeout(Some(PATIENCE))?;
        self.links.insert(LAUNCHER, link);
        self.listen(LAUNCHER, receiver)
    }

    /// Lets a visitor in. One for whom there is no thread or no descriptor is turned away, and no harm done.
    pub(super) fn admit(&mut self, link: Link) {
        let who = self.next;
        self.next += 1;
        let listen = || {
            link.set_write_timeout(Some(PATIENCE))?;
            self.listen(who, Receiver::new(link.try_clone()?))
        };
        if listen().is_ok() {
            self.links.insert(who, link);
        }
    }

    /// Says no more to this one, and lets it know by closing the link.
    pub(super) fn dismiss(&mut self, who: u64) {
        if let Some(link) = self.links.remove(&who) {
            sys::hang_up(&link);
        }
    }

    /// Says something to everybody. Who does not take it in time has left or stands still, and is told nothing more.
    pub(super) fn tell(&mut self, notice: &Notice) {
        self.links.retain(|_, link| {
            let heard = protocol::send(link, notice).is_ok();
            if !heard {
                sys::hang_up(link);
            }
            heard
        });
    }

    /// Lets visitors in from now on.
    pub(super) fn open_door(&self, folder: &Path, name: &str) -> io::Result<()> {
        let door = sys::open_door(folder, name)?;
        let happenings = self.happenings.clone();
        spawn_thread("door", move || {
            loop {
                match sys::admit(&door) {
                    Ok(link) => {
                        if happenings.send(Happening::Came(link)).is_err() {
                            break;
                        }
                    }
                    // Out of descriptors or memory: whoever knocks waits until there is room again.
                    Err(_) => pause(PATIENCE),
                }
            }
        })
    }

    /// Notices the end of the process that owns the run.
    pub(super) fn watch_owner(&self, owner: &Identity) -> io::Result<()> {
        let handle = sys::pin(owner)?;
        let happenings = self.happenings.clone();
        spawn_thread("owner", move || {
            if let Some(handle) = handle {
                sys::wait_for_exit(&handle);
            }
            let _ = happenings.send(Happening::OwnerEnded);
        })
    }

    fn listen(&self, who: u64, mut receiver: Receiver) -> io::Result<()> {
        let happenings = self.happenings.clone();
        spawn_thread("link", move || {
            while let Ok(Some(request)) = receiver.next() {
                if happenings
                    .send(Happening::Said(who, Box::new(request)))
                    .is_err()
                {
                    return;
                }
            }
            let _ = happenings.send(Happening::Left(who));
        })
    }
}

/// Turns the signals that concern a guardian into happenings.
pub(super) fn listen_for_signals(happenings: Sender<Happening>) -> io::Result<()> {
    let mut signals = sys::GuardianSignals::begin()?;
    spawn_thread("signals", move || {
        while let Some(signal) = signals.next() {
            let happening = match signal {
                sys::GuardianSignal::ChildEnded => Happening::ChildEnded,
                sys::GuardianSignal::AskedToEnd => Happening::AskedToEnd,
            };
            if happenings.send(happening).is_err() {
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
