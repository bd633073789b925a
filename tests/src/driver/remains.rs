//! What is left of a run by what its events have told of: identities and ports, which no process can change.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use proc_core::identity::Identity;
use proc_core::table::Table;
use serde_json::Value;

use super::{PATIENCE, identity, named, poll, port_of};

/// Guardian and clients of a run, and the ports of the clients, by its events.
#[track_caller]
pub fn cast(events: &[Value]) -> (Identity, Vec<Identity>, Vec<u16>) {
    let run = &named(events, "run_started")[0];
    let clients = named(events, "client_started");
    let ports = clients.iter().map(port_of);
    let identities = clients.iter().map(|client| identity(&client["identity"]));
    (
        identity(&run["guardian"]),
        identities.collect(),
        ports.collect(),
    )
}

/// Those of these processes that live.
pub fn living(identities: &[Identity]) -> Vec<Identity> {
    let table = Table::read().expect("the process table can be read");
    let lives = |identity: &&Identity| {
        table
            .find(identity)
            .is_some_and(|process| !process.is_zombie())
    };
    identities.iter().filter(lives).copied().collect()
}

/// Waits until none of these processes lives and no process listens on these ports.
#[track_caller]
pub fn assert_ended(identities: &[Identity], ports: &[u16]) {
    assert!(!identities.is_empty() && !ports.is_empty());
    let held = || {
        let ports = ports.iter().copied();
        ports.filter(|port| is_served(*port)).collect::<Vec<_>>()
    };
    let is_gone = poll(PATIENCE, || {
        (living(identities).is_empty() && held().is_empty()).then_some(())
    });
    assert!(
        is_gone.is_some(),
        "left: {:?}, held: {:?}",
        living(identities),
        held()
    );
}

/// Waits until nothing of a run is left, by its events.
#[track_caller]
pub fn assert_over(events: &[Value]) {
    let (guardian, clients, ports) = cast(events);
    assert_ended(&[&[guardian], &clients[..]].concat(), &ports);
}

/// Whether a process listens on a port. To bind it would not tell: what is left of closed connections may be in the way.
fn is_served(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}
