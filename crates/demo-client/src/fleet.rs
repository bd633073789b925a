//! The clients under test, and asking all of them side by side.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::{Done, Peers, Report, SpawnShip, Status, Verdict};
use crate::requests::{RequestError, Requests};
use crate::world::ShipId;

/// How long one request may take. A thrust waits for the peers of the client that is asked, so this is longer than the
/// time that a client gives each of them.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client under test.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) url: String,
    /// What it calls itself; its ship has the same number.
    pub(crate) number: ShipId,
}

/// All clients under test.
#[derive(Debug)]
pub(crate) struct Fleet {
    requests: Requests,
    clients: Vec<Tested>,
}

impl Fleet {
    /// Asks every client which one it is. Says of each what is wrong with it.
    pub(crate) fn connect(urls: &[String]) -> Result<Self, Vec<String>> {
        let mut fleet = Self {
            requests: Requests::new(TIMEOUT),
            clients: Vec::new(),
        };
        let mut problems = Vec::new();
        for url in urls {
            match fleet.requests.get::<Status>(&format!("{url}/status")) {
                Err(error) => problems.push(error.to_string()),
                Ok(Status { number, .. }) => {
                    let same = fleet.clients.iter().find(|other| other.number == number);
                    if let Some(other) = same {
                        problems.push(format!(
                            "{} and {url} are both client {number}: start each with a --number of its own",
                            other.url
                        ));
                    }
                    fleet.clients.push(Tested {
                        url: url.clone(),
                        number,
                    });
                }
            }
        }
        if problems.is_empty() {
            Ok(fleet)
        } else {
            Err(problems)
        }
    }

    pub(crate) fn clients(&self) -> &[Tested] {
        &self.clients
    }

    /// The ships, one for each client and in their order.
    pub(crate) fn ships(&self) -> impl Iterator<Item = ShipId> + '_ {
        self.clients.iter().map(|client| client.number)
    }

    /// Gives every client an empty world, its peers, and every ship.
    pub(crate) fn prepare(&self) -> Result<(), RequestError> {
        self.ask_all(|client| {
            let urls = self
                .clients
                .iter()
                .filter(|other| other.number != client.number)
                .map(|other| other.url.clone())
                .collect();
            self.post::<Done>(client, "/reset", &())?;
            self.post::<Done>(client, "/peers", &Peers { urls })?;
            for ship in self.ships() {
                self.post::<Report>(client, "/spawn_ship", &SpawnShip { ship })?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The reports by client and ship, both in the order of the clients.
    pub(crate) fn reports(&self) -> Result<Vec<Vec<Report>>, RequestError> {
        self.ask_all(|client| {
            self.ships()
                .map(|ship| {
                    self.requests
                        .get(&format!("{}/get_position?ship={ship}", client.url))
                })
                .collect()
        })
    }

    /// Which clients agree: by judging client, reporting client and ship.
    pub(crate) fn verdicts(
        &self,
        reports: &[Vec<Report>],
    ) -> Result<Vec<Vec<Vec<bool>>>, RequestError> {
        let judge = |client: &Tested, report: &Report| {
            self.post::<Verdict>(client, "/validate_peer", report)
                .map(|verdict| verdict.agree)
        };
        self.ask_all(|client| {
            reports
                .iter()
                .map(|of_client| {
                    of_client
                        .iter()
                        .map(|report| judge(client, report))
                        .collect()
                })
                .collect()
        })
    }

    /// Does the same with every client, side by side; the answers are in the order of the clients.
    fn ask_all<T: Send>(
        &self,
        ask: impl Fn(&Tested) -> Result<T, RequestError> + Sync,
    ) -> Result<Vec<T>, RequestError> {
        let ask = &ask;
        thread::scope(|scope| {
            let asking: Vec<_> = self
                .clients
                .iter()
                .map(|client| scope.spawn(move || ask(client)))
                .collect();
            asking
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(answer) => answer,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    pub(crate) fn post<A: DeserializeOwned>(
        &self,
        client: &Tested,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, RequestError> {
        self.requests.post(&format!("{}{path}", client.url), body)
    }
}
