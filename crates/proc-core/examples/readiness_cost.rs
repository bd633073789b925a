//! What waiting for clients costs, and how soon they are noticed.
//!
//! `cargo run --release -p proc-core --example readiness_cost`
//!
//! Clients are threads of this process that listen after a random pause. The delay is counted from the moment at which
//! one could first have been answered. CPU time is that of the whole process, servers included.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints its figures, and cannot hand errors on"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use proc_core::mark::MemberNumber;
use proc_core::port::{Lease, choose};
use proc_core::readiness::{ClientProcesses, Readiness, Ready, Target, Watcher};

const CLIENTS: MemberNumber = 3;
const ROUNDS: usize = 150;
const MANY: MemberNumber = 100;
const SPAN: Duration = Duration::from_secs(10);

struct This;

impl ClientProcesses for This {
    fn is_member(&self, _: MemberNumber, pid: u32) -> bool {
        pid == std::process::id()
    }

    fn candidates(&self, _: MemberNumber) -> Vec<u32> {
        vec![std::process::id()]
    }
}

fn main() {
    let mut delays = delays();
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!("delay from first possible answer to outcome, {CLIENTS} clients, {ROUNDS} rounds");
    println!("  {:<34}{:>8.1} ms", "median", at(50));
    println!("  {:<34}{:>8.1} ms", "99 %", at(99));
    println!("CPU time, % of one core over {} s", SPAN.as_secs());
    for (clients, age) in [
        (0, Duration::ZERO),
        (CLIENTS, Duration::ZERO),
        (MANY, Duration::ZERO),
        (MANY, Duration::from_secs(6)),
    ] {
        let what = format!("{clients} waiting, from {} s", age.as_secs());
        println!("  {what:<34}{:>8.2}", waiting(clients, age));
    }
    for clients in [CLIENTS, MANY] {
        let what = format!("{clients} answering 503");
        println!("  {what:<34}{:>8.2}", refusing(clients));
    }
}

fn watcher() -> (Watcher, Receiver<(Readiness, Instant)>) {
    let (sender, outcomes) = channel();
    let watcher = Watcher::start(Arc::new(This), move |outcome| {
        let _ = sender.send((outcome, Instant::now()));
    });
    (watcher.unwrap(), outcomes)
}

fn ports(count: MemberNumber) -> Vec<(u16, Lease)> {
    choose(usize::from(count), &BTreeSet::new()).unwrap()
}

fn target(client: MemberNumber, port: u16) -> Target {
    Target {
        client,
        port,
        ready: Ready::default(),
    }
}

fn delays() -> Vec<Duration> {
    let mut delays = Vec::new();
    let (watcher, outcomes) = watcher();
    for _ in 0..ROUNDS {
        let ports = ports(CLIENTS);
        for (client, (port, _)) in (0..).zip(&ports) {
            watcher.add(target(client, *port));
        }
        let servers: Vec<thread::JoinHandle<(Instant, TcpListener)>> = ports
            .iter()
            .map(|(port, _)| {
                let port = *port;
                thread::spawn(move || {
                    pause(Duration::from_micros(getrandom::u64().unwrap() % 60_000));
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
                    let first = Instant::now();
                    answer(&mut listener.accept().unwrap().0, 200);
                    // A client that no longer listens when its answer is looked at is not ready.
                    (first, listener)
                })
            })
            .collect();
        let mut noticed = vec![None; usize::from(CLIENTS)];
        for _ in 0..CLIENTS {
            match outcomes.recv().unwrap() {
                (Readiness::Ready { client, .. }, at) => noticed[usize::from(client)] = Some(at),
                (other, _) => panic!("{other:?}"),
            }
        }
        for (server, noticed) in servers.into_iter().zip(noticed) {
            let (first, _listener) = server.join().unwrap();
            delays.push(noticed.unwrap().duration_since(first));
        }
    }
    delays
}

fn waiting(clients: MemberNumber, age: Duration) -> f64 {
    let ports = ports(clients);
    let (watcher, _outcomes) = watcher();
    for (client, (port, _)) in (0..).zip(&ports) {
        watcher.add(target(client, *port));
    }
    pause(age);
    // At first the look-out is closer; the two spans must not mix.
    cpu_share(if age.is_zero() { SPAN / 2 } else { SPAN })
}

fn refusing(clients: MemberNumber) -> f64 {
    let (watcher, _outcomes) = watcher();
    for client in 0..clients {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        watcher.add(target(client, listener.local_addr().unwrap().port()));
        // It ends with this process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), 503);
            }
        });
    }
    cpu_share(SPAN)
}

fn answer(stream: &mut TcpStream, status: u16) {
    let _ = stream.read(&mut [0; 1024]);
    let _ = write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n");
}

fn cpu_share(span: Duration) -> f64 {
    let (cpu, started) = (cpu_time(), Instant::now());
    pause(span);
    cpu_time().saturating_sub(cpu).as_secs_f64() / started.elapsed().as_secs_f64() * 100.0
}

/// User and system time of this process, ended threads included, in steps of 10 ms.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_ascii_whitespace();
    // Fields 14 and 15, counted from behind the name, which is field 2.
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn pause(duration: Duration) {
    let (_keep, nothing) = channel::<()>();
    let _ = nothing.recv_timeout(duration);
}
