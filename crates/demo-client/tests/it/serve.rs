//! The `serve` command: getting ready, misbehaving, ending.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::program::{Client, Program, wait_until};

#[test]
fn a_client_answers_status_and_quits_when_asked() {
    let client = Client::start(&["--number", "2"]);
    let (status, body) = client.get("/status");
    assert_eq!(status, 200);
    assert_eq!(body["status"], "ready");
    assert_eq!(body["number"], 2);
    let port = body["port"].as_u64().expect("a number");
    assert!(client.url.ends_with(&format!(":{port}")));

    assert_eq!(client.post("/quit", "").0, 200);
    client.program.wait().expect_code(0);
}

#[test]
fn an_ipv6_address_is_served() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this host has no IPv6 loopback");
        return;
    }
    let client = Client::start(&["--host", "::1"]);
    assert!(client.url.starts_with("http://[::1]:"), "{}", client.url);
    assert_eq!(client.get("/status").0, 200);
}

#[test]
fn errors_are_json_too() {
    let client = Client::start(&[]);
    for (path, body, expected) in [
        ("/nothing", "", 404),
        ("/spawn_ship", "{", 400),
        (
            "/set_input",
            r#"{"ship":1,"thrust":1,"duration_ms":100}"#,
            404,
        ),
        ("/status", "", 405),
        ("/spawn_ship", &"x".repeat(100_000), 413),
    ] {
        let (status, answer) = client.post(path, body);
        assert_eq!(status, expected, "{path}");
        assert!(answer["error"].is_string(), "{path}");
    }
}

#[test]
fn status_is_503_first_and_200_then() {
    let client = Client::start(&["--unavailable-for", "60s"]);
    let (status, body) = client.get("/status");
    assert_eq!((status, &body["status"]), (503, &"starting".into()));

    let client = Client::start(&["--unavailable-for", "300ms"]);
    let ask = || Some(client.get("/status").0).filter(|status| *status != 503);
    assert_eq!(wait_until("an answer that is not 503", ask), 200);
}

#[test]
fn a_client_does_not_listen_before_it_is_told_to() {
    let client = Client::start(&["--ready-after", "700ms"]);
    let (status, body) = client.get("/status");
    assert_eq!(status, 200);
    // By its own account: a slow host can only make it more.
    let uptime = body["uptime_ms"].as_u64().expect("a number");
    assert!(uptime >= 700, "{uptime}");
}

#[test]
fn a_crash_has_its_code_and_a_line_on_stderr() {
    let client = Client::start(&["--crash-after", "200ms", "--crash-code", "41"]);
    let ended = client.program.wait().expect_code(41);
    assert!(ended.stderr.contains("crashing"), "{}", ended.stderr);
}

#[test]
fn a_client_can_crash_before_it_listens() {
    let ended = Program::start(&[
        "serve",
        "--port",
        "0",
        "--ready-after",
        "60s",
        "--crash-after",
        "10ms",
    ])
    .wait()
    .expect_code(3);
    assert!(!ended.stdout.contains("listening on"), "{}", ended.stdout);
}

#[test]
fn a_client_ends_by_itself() {
    Program::start(&["serve", "--port", "0", "--life", "100ms"])
        .wait()
        .expect_code(0);
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let client = Client::start(&[]);
    let address = client.url.strip_prefix("http://").expect("a URL");
    let port = address.rsplit(':').next().expect("it has a port");
    let ended = Program::start(&["serve", "--port", port, "--life", "60s"])
        .wait()
        .expect_code(1);
    assert!(ended.stderr.contains(address), "{}", ended.stderr);
}

#[test]
fn slow_and_silent_connections_do_not_hold_up_status() {
    let client = Client::start(&[]);
    let address = client.url.strip_prefix("http://").expect("a URL");
    let connect = |first: &[u8]| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(first).expect("a connection");
        stream
    };
    let head = b"POST /spawn_ship HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n{";
    let slow: Vec<TcpStream> = (0..64)
        .flat_map(|_| [connect(head), connect(b"")])
        .collect();
    for _ in 0..20 {
        assert_eq!(client.get("/status").0, 200);
    }
    drop(slow);
}

#[test]
fn too_many_connections_are_turned_away_and_the_place_is_given_back() {
    let client = Client::start(&[]);
    let address = client.url.strip_prefix("http://").expect("a URL");
    let many: Vec<TcpStream> = (0..256)
        .map(|_| TcpStream::connect(address).expect("it listens"))
        .collect();
    let mut turned_away = TcpStream::connect(address).expect("it listens");
    assert_eq!(turned_away.read(&mut [0]).expect("a close"), 0);
    drop(many);
    wait_until("a place", || client.try_get("/status"));
}

#[test]
fn the_log_tells_what_was_asked() {
    let client = Client::start(&["--number", "3"]);
    client.post("/spawn_ship", r#"{"ship":3}"#);
    let line = client.program.wait_for_line("/spawn_ship");
    assert!(line.contains("client 3: POST /spawn_ship 200"), "{line}");
}

#[test]
fn a_bad_duration_is_a_usage_error() {
    let ended = Program::start(&["serve", "--port", "0", "--life", "soon"])
        .wait()
        .expect_code(2);
    assert!(ended.stderr.contains("soon"), "{}", ended.stderr);
}
