//! Reading what a launch prints for scripts: one JSON object a line.

use proc_core::identity::Identity;
use serde_json::Value;

/// The events in a text of one JSON object a line.
#[track_caller]
pub fn parse_events(text: &str) -> Vec<Value> {
    // The last line may still be being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The events of one kind.
pub fn named(events: &[Value], name: &str) -> Vec<Value> {
    let events = events.iter().filter(|event| event["event"] == name);
    events.cloned().collect()
}

/// An identity, as events and documents have it.
#[track_caller]
pub fn identity(value: &Value) -> Identity {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// The PID in an identity, as events and documents have it.
#[track_caller]
pub fn pid_of(value: &Value) -> u32 {
    identity(value).pid
}

/// The port of a client, as events and documents have it.
#[track_caller]
pub fn port_of(client: &Value) -> u16 {
    let port = client["port"].as_u64().expect("a port");
    u16::try_from(port).expect("a port is no larger")
}
