//! The `consensus` command: checks that running clients hold the same world.
//!
//! Every check asks every client, and holds when at least two thirds of them say what is expected; so one liar among
//! three or four does not make it fail, and a majority of liars does. What is expected is computed here by a formula,
//! not by the step-by-step simulation that is being tested. A client that does not answer at all fails the test.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, Tested};
use crate::protocol::{Moved, SetInput};
use crate::requests::RequestError;
use crate::world::{ACCELERATION, Position, STEP, STEP_MS, ShipId, start_of};

/// The length of each thrust, in simulated milliseconds.
const THRUST_MS: u32 = 1000;
/// Between two rounds while the test is held.
const PAUSE: Duration = Duration::from_millis(250);

/// What to test.
#[derive(Debug)]
pub(crate) struct ConsensusOptions {
    /// Base URLs, without a trailing slash; at least one.
    pub(crate) urls: Vec<String>,
    /// How long to go on after the first round.
    pub(crate) hold: Duration,
}

/// Runs the test, and prints a line for each check.
pub(crate) fn run(options: &ConsensusOptions) -> ExitCode {
    if test(options) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How many of `clients` make two thirds.
fn quorum(clients: usize) -> usize {
    (2 * clients).div_ceil(3)
}

fn test(options: &ConsensusOptions) -> bool {
    let count = plural(options.urls.len(), "client");
    let ready = format!("{count} ready");
    let fleet = match Fleet::connect(&options.urls) {
        Ok(fleet) => fleet,
        Err(problems) => return print_line(&ready, &Check { problems }),
    };
    let Some(mut pilot) = fleet.clients().first().map(Flight::of) else {
        return false;
    };
    print_line(&ready, &Check::ok());
    let number = pilot.ship;

    let prepared = fleet.prepare().map(|()| Vec::new()).into();
    let ships = plural(fleet.clients().len(), "ship");
    if !print_line(&format!("{count}: {ships} spawned on each"), &prepared) {
        return false;
    }
    if !print_line(
        "every ship is at its start",
        &check_positions(&fleet, &pilot),
    ) {
        return false;
    }
    let moved = check_thrust(&fleet, &mut pilot, 1.0);
    if !print_line(
        &format!("client {number}: thrust moved ship {number} alone"),
        &moved,
    ) {
        return false;
    }
    if !check_agreement(&fleet, Verbosity::EveryShip) {
        return false;
    }
    hold(&fleet, &mut pilot, options.hold)
}

/// Goes on until the time is up; says something only at the end, or about what fails.
fn hold(fleet: &Fleet, pilot: &mut Flight, time: Duration) -> bool {
    if time.is_zero() {
        return true;
    }
    let started = Instant::now();
    let mut rounds = 0_usize;
    while started.elapsed() < time {
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause with an end, in a program of its own"
        )]
        thread::sleep(PAUSE.min(time.saturating_sub(started.elapsed())));
        // Forward and backward in turn, so that the ship does not become ever faster.
        let thrust = if rounds.is_multiple_of(2) { -1.0 } else { 1.0 };
        rounds += 1;
        let moved = check_thrust(fleet, pilot, thrust);
        if !moved.is_ok() {
            let ship = pilot.ship;
            return print_line(
                &format!("round {rounds}: thrust moved ship {ship} alone"),
                &moved,
            );
        }
        if !check_agreement(fleet, Verbosity::FailuresOnly) {
            return false;
        }
    }
    let label = format!("held for {time:?}: {} more", plural(rounds, "round"));
    print_line(&label, &Check::ok())
}

/// What a check found: nothing when it holds.
#[derive(Debug, Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn ok() -> Self {
        Self::default()
    }

    fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl From<Result<Vec<String>, RequestError>> for Check {
    fn from(result: Result<Vec<String>, RequestError>) -> Self {
        Self {
            problems: result.unwrap_or_else(|error| vec![error.to_string()]),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verbosity {
    EveryShip,
    FailuresOnly,
}

/// Where the ship that is thrusted must be.
#[derive(Debug)]
struct Flight {
    ship: ShipId,
    position: Position,
    speed: f64,
}

impl Flight {
    fn of(client: &Tested) -> Self {
        Self {
            ship: client.number,
            position: start_of(client.number),
            speed: 0.0,
        }
    }

    /// Each step first adds to the speed and then moves by it, so `n` steps add `1 + 2 + … + n` times one step's gain.
    fn thrust(&mut self, thrust: f64, duration_ms: u32) {
        let steps = f64::from(duration_ms / STEP_MS);
        let acceleration = thrust * ACCELERATION;
        self.position.x +=
            self.speed * STEP * steps + acceleration * STEP * STEP * steps * (steps + 1.0) / 2.0;
        self.speed += acceleration * STEP * steps;
    }

    /// Where a ship must be: this one where it has flown to, any other at its start.
    fn expected(&self, ship: ShipId) -> Position {
        if ship == self.ship {
            self.position
        } else {
            start_of(ship)
        }
    }
}

/// Thrusts the pilot's ship through its own client, and checks where every ship is then.
fn check_thrust(fleet: &Fleet, pilot: &mut Flight, thrust: f64) -> Check {
    let Some(client) = fleet
        .clients()
        .iter()
        .find(|client| client.number == pilot.ship)
    else {
        let missing = format!("no client flies ship {}", pilot.ship);
        return Check {
            problems: vec![missing],
        };
    };
    let input = SetInput {
        ship: pilot.ship,
        thrust,
        duration_ms: THRUST_MS,
    };
    match fleet.post::<Moved>(client, "/set_input", &input) {
        Err(error) => Err(error).into(),
        Ok(Moved { failed, .. }) if !failed.is_empty() => Check { problems: failed },
        Ok(_) => {
            pilot.thrust(thrust, THRUST_MS);
            check_positions(fleet, pilot)
        }
    }
}

/// Two thirds of the clients must report each ship where it has to be.
fn check_positions(fleet: &Fleet, pilot: &Flight) -> Check {
    let needed = quorum(fleet.clients().len());
    let checked = fleet.reports().map(|reports| {
        let mut problems = Vec::new();
        for (index, ship) in fleet.ships().enumerate() {
            let expected = pilot.expected(ship);
            let of_ship = || reports.iter().map(|of_client| of_client[index].position());
            let right = of_ship().filter(|at| at.agrees_with(expected)).count();
            if right < needed {
                let seen: Vec<String> = of_ship().map(|at| at.to_string()).collect();
                problems.push(format!(
                    "ship {ship} must be at {expected}, which {right} of {} reported; {needed} are needed; \
                     reported: {}",
                    plural(fleet.clients().len(), "client"),
                    seen.join(" ")
                ));
            }
        }
        problems
    });
    checked.into()
}

/// Has every client validate every report, and prints a line for each ship.
///
/// A report is accepted when two thirds of the clients agree with it; there is consensus on a ship when two thirds
/// of the clients have made an accepted report of it.
fn check_agreement(fleet: &Fleet, verbosity: Verbosity) -> bool {
    let total = fleet.clients().len();
    let needed = quorum(total);
    let judged = fleet.reports().and_then(|reports| {
        let verdicts = fleet.verdicts(&reports)?;
        Ok((reports, verdicts))
    });
    let (reports, verdicts) = match judged {
        Ok(judged) => judged,
        Err(error) => return print_line("reports validated", &Err(error).into()),
    };
    let mut all_hold = true;
    for (index, ship) in fleet.ships().enumerate() {
        let mut rejected = Vec::new();
        for (reporter, client) in fleet.clients().iter().enumerate() {
            let agreeing = verdicts
                .iter()
                .filter(|of_judge| of_judge[reporter][index])
                .count();
            if agreeing < needed {
                rejected.push(format!(
                    "client {}'s report of ship {ship} at {}: {agreeing} of {total} agree, {needed} are needed",
                    client.number,
                    reports[reporter][index].position(),
                ));
            }
        }
        let accepted = total - rejected.len();
        let label = format!(
            "ship {ship}: {accepted} of {} accepted",
            plural(total, "report")
        );
        if accepted < needed {
            print_line(&label, &Check { problems: rejected });
            all_hold = false;
        } else if verbosity == Verbosity::EveryShip {
            print_line(&label, &Check::ok());
            print_details(&rejected);
        }
    }
    all_hold
}

/// Prints what was checked and how it went, and says whether it holds. What is wrong goes to stderr.
fn print_line(label: &str, check: &Check) -> bool {
    let outcome = if check.is_ok() { "ok" } else { "FAILED" };
    print(
        &mut io::stdout().lock(),
        format_args!("{label:<40} … {outcome}\n"),
    );
    print_details(&check.problems);
    check.is_ok()
}

fn print_details(details: &[String]) {
    for detail in details {
        print(&mut io::stderr().lock(), format_args!("  {detail}\n"));
    }
}

/// A reader that has gone away does not change the outcome of the test, which is the exit code.
fn print(to: &mut impl Write, line: fmt::Arguments<'_>) {
    let _ = to.write_fmt(line);
    let _ = to.flush();
}

fn plural(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Input, World};

    #[test]
    fn two_thirds_are_rounded_up() {
        let quorums: Vec<usize> = (1..=7).map(quorum).collect();
        assert_eq!(quorums, [1, 2, 2, 3, 4, 4, 5]);
    }

    #[test]
    fn the_formula_and_the_simulation_agree() {
        let mut world = World::default();
        world.spawn(1);
        let mut flight = Flight {
            ship: 1,
            position: start_of(1),
            speed: 0.0,
        };
        for (thrust, duration_ms) in [(1.0, 1000), (-1.0, 1000), (0.25, 3333), (0.0, 500)] {
            let input = Input {
                thrust,
                duration_ms,
            };
            world.steer(1, input).expect("a good input");
            flight.thrust(thrust, duration_ms);
            let simulated = world.position(1).expect("spawned");
            assert!(simulated.agrees_with(flight.position), "{simulated}");
        }
    }
}
