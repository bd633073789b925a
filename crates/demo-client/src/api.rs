//! The routes: which request does what, and with which status it is answered. No sockets here.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, ClientError};
use crate::protocol::{Done, Moved, Peers, Refused, Replicate, Report, SetInput, SpawnShip};
use crate::world::{ShipId, WorldError};

/// A request, taken off the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
}

/// What goes back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: Vec<u8>,
    /// Whether the client has to end once the answer is out.
    pub(crate) quits: bool,
}

/// Whether this asks for `/status`, which a runner does all the time.
pub(crate) fn is_status(target: &str) -> bool {
    split(target).0 == "/status"
}

/// Answers a request.
pub(crate) fn answer(client: &Client, asked: Asked<'_>) -> Answer {
    route(client, asked).unwrap_or_else(|refusal| Answer::refused(refusal.status, refusal.message))
}

fn route(client: &Client, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let (path, query) = split(asked.target);
    let done = || {
        Answer::ok(&Done {
            status: "ok".to_owned(),
        })
    };
    match (asked.method, path) {
        ("GET", "/status") => {
            let status = if client.is_ready() { 200 } else { 503 };
            Ok(Answer::json(status, &client.status()))
        }
        ("POST", "/spawn_ship") => {
            let SpawnShip { ship } = parse(asked.body)?;
            Ok(Answer::ok(&client.spawn_ship(ship)?))
        }
        ("GET", "/get_position") => Ok(Answer::ok(&client.report(ship_in(query)?)?)),
        ("POST", "/set_input") => {
            let (report, replication) = client.set_input(parse::<SetInput>(asked.body)?)?;
            Ok(Answer::ok(&Moved {
                ship: report.ship,
                x: report.x,
                y: report.y,
                z: report.z,
                replicated: replication.replicated,
                failed: replication.failed,
            }))
        }
        ("POST", "/replicate") => {
            client.replicate(parse::<Replicate>(asked.body)?)?;
            Ok(done())
        }
        ("POST", "/validate_peer") => {
            let report: Report = parse(asked.body)?;
            Ok(Answer::ok(&client.validate(report)?))
        }
        ("POST", "/peers") => {
            let Peers { urls } = parse(asked.body)?;
            client.set_peers(urls);
            Ok(done())
        }
        ("POST", "/reset") => {
            client.reset();
            Ok(done())
        }
        ("POST", "/quit") => {
            let stopping = Done {
                status: "stopping".to_owned(),
            };
            Ok(Answer {
                quits: true,
                ..Answer::ok(&stopping)
            })
        }
        (_, "/status" | "/get_position") => Err(Refusal::method(asked.method, path, "GET")),
        (
            _,
            "/spawn_ship" | "/set_input" | "/replicate" | "/validate_peer" | "/peers" | "/reset"
            | "/quit",
        ) => Err(Refusal::method(asked.method, path, "POST")),
        _ => Err(Refusal {
            status: 404,
            message: format!("no {path} here"),
        }),
    }
}

/// An answer other than a good one.
#[derive(Debug)]
struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    fn method(method: &str, path: &str, expected: &str) -> Self {
        Self {
            status: 405,
            message: format!("{path} is for {expected}, not for {method}"),
        }
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        let status = match &error {
            ClientError::NotMyShip { .. } => 403,
            ClientError::World(WorldError::NoShip(_)) => 404,
            ClientError::World(WorldError::OutOfOrder { .. }) => 409,
            ClientError::World(WorldError::Thrust(_) | WorldError::Duration(_)) => 400,
        };
        Self {
            status,
            message: error.to_string(),
        }
    }
}

impl Answer {
    fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }

    /// The answer to a request that is not done; also for those that never get to a route.
    pub(crate) fn refused(status: u16, error: String) -> Self {
        Self::json(status, &Refused { error })
    }

    fn json(status: u16, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                body,
                quits: false,
            },
            Err(_) => Self {
                status: 500,
                body: br#"{"error":"the answer could not be written as JSON"}"#.to_vec(),
                quits: false,
            },
        }
    }
}

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn ship_in(query: &str) -> Result<ShipId, Refusal> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ship="))
        .and_then(|ship| ship.parse().ok())
        .ok_or_else(|| Refusal {
            status: 400,
            message: "which ship: ask for /get_position?ship=1".to_owned(),
        })
}

fn parse<B: DeserializeOwned>(body: &[u8]) -> Result<B, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal {
        status: 400,
        message: format!("the body is not the JSON that is expected here: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::*;
    use crate::client::ClientOptions;

    fn client(number: u32) -> Client {
        client_with(number, Duration::ZERO, false)
    }

    fn client_with(number: u32, unavailable_for: Duration, lies: bool) -> Client {
        Client::new(ClientOptions {
            number,
            port: 8080,
            started: Instant::now(),
            unavailable_for,
            lies,
        })
    }

    fn ask(client: &Client, method: &str, target: &str, body: &str) -> (u16, Value) {
        let asked = Asked {
            method,
            target,
            body: body.as_bytes(),
        };
        let answer = answer(client, asked);
        let body = serde_json::from_slice(&answer.body).expect("every answer is JSON");
        (answer.status, body)
    }

    #[test]
    fn status_tells_who_it_is() {
        let (status, body) = ask(&client(2), "GET", "/status", "");
        assert_eq!(status, 200);
        assert_eq!(body["status"], "ready");
        assert_eq!(body["number"], 2);
        assert_eq!(body["port"], 8080);
        assert!(body["uptime_ms"].is_u64());
    }

    #[test]
    fn status_is_503_while_unavailable() {
        let client = client_with(1, Duration::from_hours(1), false);
        let (status, body) = ask(&client, "GET", "/status", "");
        assert_eq!((status, &body["status"]), (503, &json!("starting")));
    }

    #[test]
    fn a_ship_is_created_once_and_moved_at_once() {
        let client = client(1);
        let at_start = json!({"ship": 1, "x": 0.0, "y": 10.0, "z": 0.0});
        for _ in 0..2 {
            let spawned = ask(&client, "POST", "/spawn_ship", r#"{"ship":1}"#);
            assert_eq!(spawned, (200, at_start.clone()));
        }
        let input = r#"{"ship":1,"thrust":1.0,"duration_ms":1000}"#;
        let (status, moved) = ask(&client, "POST", "/set_input", input);
        assert_eq!(status, 200);
        assert!(moved["x"].as_f64().expect("a number") > 5.0);
        let (_, position) = ask(&client, "GET", "/get_position?ship=1", "");
        assert_eq!(position["x"], moved["x"]);
    }

    #[test]
    fn the_input_of_another_ship_is_refused() {
        let client = client(1);
        ask(&client, "POST", "/spawn_ship", r#"{"ship":2}"#);
        let input = r#"{"ship":2,"thrust":1.0,"duration_ms":1000}"#;
        let (status, body) = ask(&client, "POST", "/set_input", input);
        assert_eq!(status, 403);
        let message = body["error"].as_str().expect("a message");
        assert!(message.contains("client 2"), "{message}");
    }

    #[test]
    fn a_replicated_input_counts_once_and_in_order() {
        let client = client(1);
        ask(&client, "POST", "/spawn_ship", r#"{"ship":2}"#);
        let input = |sequence: u64| {
            json!({"ship": 2, "sequence": sequence, "thrust": 1.0, "duration_ms": 100}).to_string()
        };
        assert_eq!(ask(&client, "POST", "/replicate", &input(1)).0, 200);
        assert_eq!(ask(&client, "POST", "/replicate", &input(1)).0, 409);
        assert_eq!(ask(&client, "POST", "/replicate", &input(3)).0, 409);
        assert_eq!(ask(&client, "POST", "/replicate", &input(2)).0, 200);
    }

    #[test]
    fn a_position_is_compared_within_the_tolerance() {
        let client = client(1);
        ask(&client, "POST", "/spawn_ship", r#"{"ship":1}"#);
        let agree = |x: f64| {
            let report = json!({"ship": 1, "x": x, "y": 10.0, "z": 0.0}).to_string();
            ask(&client, "POST", "/validate_peer", &report).1["agree"].clone()
        };
        assert_eq!(agree(0.0), true);
        assert_eq!(agree(0.0005), true);
        assert_eq!(agree(0.5), false);
    }

    #[test]
    fn a_liar_misplaces_its_own_ship_and_turns_its_verdicts_round() {
        let client = client_with(1, Duration::ZERO, true);
        let own = ask(&client, "POST", "/spawn_ship", r#"{"ship":1}"#).1;
        let other = ask(&client, "POST", "/spawn_ship", r#"{"ship":2}"#).1;
        assert_eq!(own["x"], 1000.0);
        assert_eq!(other["x"], 0.0);
        let (_, verdict) = ask(&client, "POST", "/validate_peer", &other.to_string());
        assert_eq!(verdict["agree"], false);
    }

    #[test]
    fn a_missing_ship_is_404() {
        let client = client(1);
        let input = r#"{"ship":1,"thrust":1.0,"duration_ms":1000}"#;
        let report = r#"{"ship":1,"x":0,"y":0,"z":0}"#;
        for (method, target, body) in [
            ("GET", "/get_position?ship=1", ""),
            ("POST", "/set_input", input),
            ("POST", "/validate_peer", report),
        ] {
            let (status, body) = ask(&client, method, target, body);
            assert_eq!(status, 404, "{target}");
            let message = body["error"].as_str().expect("a message");
            assert!(message.contains("/spawn_ship"), "{message}");
        }
    }

    #[test]
    fn reset_removes_the_ships() {
        let client = client(1);
        ask(&client, "POST", "/spawn_ship", r#"{"ship":1}"#);
        assert_eq!(ask(&client, "POST", "/reset", "").0, 200);
        assert_eq!(ask(&client, "GET", "/get_position?ship=1", "").0, 404);
    }

    #[test]
    fn what_cannot_be_understood_says_so() {
        let client = client(1);
        for (method, target, body, expected, part) in [
            ("GET", "/nothing", "", 404, "/nothing"),
            ("DELETE", "/status", "", 405, "GET"),
            ("GET", "/quit", "", 405, "POST"),
            ("GET", "/get_position", "", 400, "?ship=1"),
            ("GET", "/get_position?ship=one", "", 400, "?ship=1"),
            ("POST", "/spawn_ship", "{", 400, "line 1"),
            ("POST", "/spawn_ship", "", 400, "JSON"),
            ("POST", "/spawn_ship", r#"{"shop":1}"#, 400, "shop"),
            ("POST", "/spawn_ship", r#"{"ship":-1}"#, 400, "-1"),
        ] {
            let (status, answer) = ask(&client, method, target, body);
            assert_eq!(status, expected, "{method} {target} {body}");
            let message = answer["error"].as_str().expect("a message");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn only_quit_quits() {
        let client = client(1);
        let asked = |method, target| Asked {
            method,
            target,
            body: b"",
        };
        assert!(answer(&client, asked("POST", "/quit")).quits);
        assert!(!answer(&client, asked("GET", "/quit")).quits);
        assert!(!answer(&client, asked("GET", "/status")).quits);
    }
}
