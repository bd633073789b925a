//! What one client holds and does, apart from how it is asked over HTTP.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::peers::{PeerList, Replication};
use crate::protocol::{Replicate, Report, SetInput, Status, Verdict};
use crate::world::{Position, ShipId, World, WorldError};

/// How far off a lying client reports its own ship, in units.
const LIE: f64 = 1000.0;

/// Which client this is, and how it misbehaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientOptions {
    pub(crate) number: u32,
    pub(crate) port: u16,
    /// When the program started.
    pub(crate) started: Instant,
    /// How long it is not ready, from now on.
    pub(crate) unavailable_for: Duration,
    pub(crate) lies: bool,
}

/// Why a client did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("ship {ship} is not flown by client {number}: send its inputs to client {ship}")]
    NotMyShip { ship: ShipId, number: u32 },
}

/// A client: its view of the world, and its peers.
#[derive(Debug)]
pub(crate) struct Client {
    options: ClientOptions,
    listening_since: Instant,
    world: Mutex<World>,
    peers: Mutex<PeerList>,
    /// Held from taking an input until every peer has had it: peers take inputs in order only.
    replicating: Mutex<()>,
}

impl Client {
    pub(crate) fn new(options: ClientOptions) -> Self {
        Self {
            options,
            listening_since: Instant::now(),
            world: Mutex::default(),
            peers: Mutex::new(PeerList::none()),
            replicating: Mutex::default(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.listening_since.elapsed() >= self.options.unavailable_for
    }

    pub(crate) fn status(&self) -> Status {
        let ClientOptions {
            number,
            port,
            started,
            ..
        } = self.options;
        let state = if self.is_ready() { "ready" } else { "starting" };
        Status {
            state: state.to_owned(),
            number,
            port,
            uptime_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn spawn_ship(&self, ship: ShipId) -> Result<Report, ClientError> {
        lock(&self.world).spawn(ship);
        self.report(ship)
    }

    /// Where this client says that a ship is.
    pub(crate) fn report(&self, ship: ShipId) -> Result<Report, ClientError> {
        let Position { x, y, z } = lock(&self.world).position(ship)?;
        let lie = if self.options.lies && ship == self.options.number {
            LIE
        } else {
            0.0
        };
        Ok(Report::new(ship, Position { x: x + lie, y, z }))
    }

    /// Moves the own ship, here and at every peer.
    pub(crate) fn set_input(&self, set: SetInput) -> Result<(Report, Replication), ClientError> {
        let ClientOptions { number, .. } = self.options;
        if set.ship != number {
            return Err(ClientError::NotMyShip {
                ship: set.ship,
                number,
            });
        }
        let _in_order = lock(&self.replicating);
        let sequence = lock(&self.world).steer(set.ship, set.input())?;
        let peers = lock(&self.peers).clone();
        let replication = peers.replicate(&Replicate {
            ship: set.ship,
            sequence,
            thrust: set.thrust,
            duration_ms: set.duration_ms,
        });
        Ok((self.report(set.ship)?, replication))
    }

    /// Takes an input that a peer has given its ship.
    pub(crate) fn replicate(&self, replicate: Replicate) -> Result<(), ClientError> {
        lock(&self.world).replay(replicate.ship, replicate.sequence, replicate.input())?;
        Ok(())
    }

    /// Compares a reported position with the one that this client has computed itself.
    pub(crate) fn validate(&self, report: Report) -> Result<Verdict, ClientError> {
        let own = lock(&self.world).position(report.ship)?;
        let reported = report.position();
        Ok(Verdict {
            ship: report.ship,
            agree: own.agrees_with(reported) != self.options.lies,
            distance: own.distance(reported),
        })
    }

    pub(crate) fn set_peers(&self, urls: Vec<String>) {
        lock(&self.peers).set(urls);
    }

    /// Empties the world; the peers stay known.
    pub(crate) fn reset(&self) {
        lock(&self.world).clear();
    }
}

/// No operation leaves the data half changed, so a panic elsewhere is no reason to stop serving it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
