//! The world: ships, and how an input moves one of them. Pure: no clock, no network.
//!
//! Time passes for a ship only while an input of its own is computed, in whole steps of a fixed length. The same inputs
//! in the same order therefore give the same world on every client, whenever they arrive.

use std::collections::BTreeMap;

use thiserror::Error;

/// The length of one step of the simulation, in milliseconds.
pub(crate) const STEP_MS: u32 = 10;
/// The length of one step of the simulation, in seconds.
pub(crate) const STEP: f64 = 0.01;
/// What full thrust does to a ship, in units per square second.
pub(crate) const ACCELERATION: f64 = 10.0;
/// The longest single input, in milliseconds; it bounds the work that one request can ask for.
pub(crate) const MAX_DURATION_MS: u32 = 60_000;
/// How far apart two positions may be that count as the same.
pub(crate) const TOLERANCE: f64 = 1e-3;

/// The number of a ship, which is the number of the client that owns it.
pub(crate) type ShipId = u32;

/// A place in the world, in units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) z: f64,
}

/// What a pilot does: some thrust for some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Input {
    /// From -1 (full backward) to 1 (full forward); forward is along x.
    pub(crate) thrust: f64,
    /// Cut into whole steps; a rest is dropped.
    pub(crate) duration_ms: u32,
}

/// Why the world did not take something.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum WorldError {
    #[error("no ship {0} here: create it with POST /spawn_ship")]
    NoShip(ShipId),
    #[error("thrust {0} is out of range: it goes from -1 to 1")]
    Thrust(f64),
    #[error("duration_ms {0} is out of range: it goes from {STEP_MS} to {MAX_DURATION_MS}")]
    Duration(u32),
    #[error("input {got} of ship {ship} is out of order: input {expected} comes next")]
    OutOfOrder {
        ship: ShipId,
        expected: u64,
        got: u64,
    },
}

/// All ships, as one client sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    ships: BTreeMap<ShipId, Ship>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Ship {
    position: Position,
    speed: f64,
    /// How many inputs it has had; the next one bears this number plus one.
    inputs: u64,
}

impl World {
    /// Puts a ship at its start, and says whether it is new; one that is there already stays where it is.
    pub(crate) fn spawn(&mut self, id: ShipId) -> bool {
        let mut is_new = false;
        self.ships.entry(id).or_insert_with(|| {
            is_new = true;
            Ship {
                position: start_of(id),
                speed: 0.0,
                inputs: 0,
            }
        });
        is_new
    }

    pub(crate) fn position(&self, id: ShipId) -> Result<Position, WorldError> {
        match self.ships.get(&id) {
            Some(ship) => Ok(ship.position),
            None => Err(WorldError::NoShip(id)),
        }
    }

    /// Takes a new input of a ship, and returns the number of it, counted from 1.
    pub(crate) fn steer(&mut self, id: ShipId, input: Input) -> Result<u64, WorldError> {
        let next = self.ships.get(&id).map_or(1, |ship| ship.inputs + 1);
        self.replay(id, next, input)?;
        Ok(next)
    }

    /// Takes an input that was numbered elsewhere. Each is taken once and in order, or the views would drift apart.
    pub(crate) fn replay(
        &mut self,
        id: ShipId,
        sequence: u64,
        input: Input,
    ) -> Result<(), WorldError> {
        let ship = self.ships.get_mut(&id).ok_or(WorldError::NoShip(id))?;
        let steps = input.steps()?;
        if sequence != ship.inputs + 1 {
            return Err(WorldError::OutOfOrder {
                ship: id,
                expected: ship.inputs + 1,
                got: sequence,
            });
        }
        for _ in 0..steps {
            ship.speed += input.thrust * ACCELERATION * STEP;
            ship.position.x += ship.speed * STEP;
        }
        ship.inputs = sequence;
        Ok(())
    }

    /// Removes every ship.
    pub(crate) fn clear(&mut self) {
        self.ships.clear();
    }
}

impl Input {
    fn steps(self) -> Result<u32, WorldError> {
        if !(-1.0..=1.0).contains(&self.thrust) {
            return Err(WorldError::Thrust(self.thrust));
        }
        if !(STEP_MS..=MAX_DURATION_MS).contains(&self.duration_ms) {
            return Err(WorldError::Duration(self.duration_ms));
        }
        Ok(self.duration_ms / STEP_MS)
    }
}

impl Position {
    pub(crate) fn distance(self, other: Self) -> f64 {
        let (x, y, z) = (self.x - other.x, self.y - other.y, self.z - other.z);
        (x * x + y * y + z * z).sqrt()
    }

    /// Whether both are the same place, as far as the tolerance goes.
    pub(crate) fn agrees_with(self, other: Self) -> bool {
        self.distance(other) <= TOLERANCE
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "({:.3}, {:.3}, {:.3})", self.x, self.y, self.z)
    }
}

/// Where a ship starts: side by side along y, ten units apart.
pub(crate) fn start_of(id: ShipId) -> Position {
    Position {
        x: 0.0,
        y: 10.0 * f64::from(id),
        z: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL_SECOND: Input = Input {
        thrust: 1.0,
        duration_ms: 1000,
    };

    fn world_of(ships: std::ops::RangeInclusive<ShipId>) -> World {
        let mut world = World::default();
        for ship in ships {
            assert!(world.spawn(ship));
        }
        world
    }

    #[test]
    fn ships_start_apart() {
        let world = world_of(1..=3);
        for (one, other) in [(1, 2), (2, 3), (1, 3)] {
            let distance = world
                .position(one)
                .expect("spawned")
                .distance(world.position(other).expect("spawned"));
            assert!(distance >= 10.0);
        }
    }

    #[test]
    fn spawning_again_leaves_the_ship_where_it_is() {
        let mut world = world_of(1..=1);
        world.steer(1, FULL_SECOND).expect("a good input");
        let before = world.clone();
        assert!(!world.spawn(1));
        assert_eq!(world, before);
    }

    #[test]
    fn a_full_second_moves_the_ship_as_computed_by_hand() {
        let mut world = world_of(1..=2);
        assert_eq!(world.steer(1, FULL_SECOND), Ok(1));
        // 10 units per square second, 0.01² each step, 1 + 2 + … + 100 of them.
        let expected = Position {
            x: 10.0 * 0.0001 * 5050.0,
            ..start_of(1)
        };
        assert!(world.position(1).expect("spawned").agrees_with(expected));
        assert_eq!(world.position(2), Ok(start_of(2)));
    }

    #[test]
    fn braking_as_long_as_thrusting_brings_the_ship_to_rest() {
        let mut world = world_of(1..=1);
        world.steer(1, FULL_SECOND).expect("a good input");
        let back = Input {
            thrust: -1.0,
            ..FULL_SECOND
        };
        world.steer(1, back).expect("a good input");
        let at_rest = world.position(1).expect("spawned");
        let none = Input {
            thrust: 0.0,
            ..FULL_SECOND
        };
        assert_eq!(world.steer(1, none), Ok(3));
        assert!(world.position(1).expect("spawned").agrees_with(at_rest));
        assert!(at_rest.x > 9.0);
    }

    #[test]
    fn two_halves_make_a_whole() {
        let (mut halves, mut whole) = (world_of(1..=1), world_of(1..=1));
        let half = Input {
            duration_ms: 500,
            ..FULL_SECOND
        };
        halves.steer(1, half).expect("a good input");
        halves.steer(1, half).expect("a good input");
        whole.steer(1, FULL_SECOND).expect("a good input");
        assert_eq!(halves.position(1), whole.position(1));
    }

    #[test]
    fn replayed_inputs_give_the_same_world() {
        let (mut owner, mut peer) = (world_of(1..=2), world_of(1..=2));
        for thrust in [1.0, -0.3, 0.7] {
            let input = Input {
                thrust,
                duration_ms: 770,
            };
            let sequence = owner.steer(2, input).expect("a good input");
            peer.replay(2, sequence, input).expect("in order");
        }
        assert_eq!(owner, peer);
    }

    #[test]
    fn an_input_out_of_order_changes_nothing() {
        let mut world = world_of(1..=1);
        world.replay(1, 1, FULL_SECOND).expect("the first");
        let before = world.clone();
        for got in [1, 3] {
            assert_eq!(
                world.replay(1, got, FULL_SECOND),
                Err(WorldError::OutOfOrder {
                    ship: 1,
                    expected: 2,
                    got
                })
            );
        }
        assert_eq!(world, before);
    }

    #[test]
    fn bad_inputs_and_missing_ships_are_refused() {
        let mut world = world_of(1..=1);
        let before = world.clone();
        let with = |thrust, duration_ms| Input {
            thrust,
            duration_ms,
        };
        assert_eq!(world.steer(1, with(1.5, 100)), Err(WorldError::Thrust(1.5)));
        assert!(world.steer(1, with(f64::NAN, 100)).is_err());
        assert_eq!(world.steer(1, with(1.0, 9)), Err(WorldError::Duration(9)));
        assert_eq!(
            world.steer(1, with(1.0, 60_001)),
            Err(WorldError::Duration(60_001))
        );
        assert_eq!(world.steer(7, FULL_SECOND), Err(WorldError::NoShip(7)));
        assert_eq!(world.position(7), Err(WorldError::NoShip(7)));
        assert_eq!(world, before);
    }
}
