//! The JSON bodies, as both sides of a connection see them.
//!
//! A request with a field that is not known is refused, so that a misspelt one is not silently without effect; an
//! answer may have more fields than the reader knows.

use serde::{Deserialize, Serialize};

use crate::world::{Input, Position, ShipId};

/// Answer of `GET /status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// `ready`, or `starting` with a 503.
    #[serde(rename = "status")]
    pub(crate) state: String,
    pub(crate) number: u32,
    pub(crate) port: u16,
    /// Since the start of the program.
    pub(crate) uptime_ms: u64,
}

/// Body of `POST /spawn_ship`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpawnShip {
    pub(crate) ship: ShipId,
}

/// A ship and where it is said to be: answer of `/spawn_ship` and `/get_position`, body of `POST /validate_peer`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    pub(crate) ship: ShipId,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
}

impl Report {
    pub(crate) fn new(ship: ShipId, position: Position) -> Self {
        let Position { x, y, z } = position;
        Self { ship, x, y, z }
    }

    pub(crate) fn position(self) -> Position {
        let Self { x, y, z, .. } = self;
        Position { x, y, z }
    }
}

/// Answer of `POST /validate_peer`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) ship: ShipId,
    pub(crate) agree: bool,
    /// Between the reported position and the one that this client holds.
    pub(crate) distance: f64,
}

/// Body of `POST /set_input`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetInput {
    pub(crate) ship: ShipId,
    pub(crate) thrust: f64,
    pub(crate) duration_ms: u32,
}

impl SetInput {
    pub(crate) fn input(self) -> Input {
        Input {
            thrust: self.thrust,
            duration_ms: self.duration_ms,
        }
    }
}

/// Answer of `POST /set_input`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Moved {
    pub(crate) ship: ShipId,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
    /// How many peers have taken the input.
    pub(crate) replicated: usize,
    /// One message for each peer that has not.
    pub(crate) failed: Vec<String>,
}

/// Body of `POST /replicate`: an input, as its owner numbered it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replicate {
    pub(crate) ship: ShipId,
    /// From 1, for each ship.
    pub(crate) sequence: u64,
    pub(crate) thrust: f64,
    pub(crate) duration_ms: u32,
}

impl Replicate {
    pub(crate) fn input(self) -> Input {
        Input {
            thrust: self.thrust,
            duration_ms: self.duration_ms,
        }
    }
}

/// Body of `POST /peers`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    pub(crate) urls: Vec<String>,
}

/// Answer of every request that is refused.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) error: String,
}

/// Answer of a request that has nothing else to say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) status: String,
}
