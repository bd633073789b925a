use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::port::tests::listen;
use crate::port::{Lease, choose};
use crate::wait::{Deadline, poll_until};

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(1);

/// A server in a thread. It answers each request with the next of its statuses, and with the last one ever after.
/// Without any status it takes connections and never answers. It ends when it is dropped.
struct Server {
    address: SocketAddr,
    /// The port is no other process's, at the other address family neither.
    #[expect(dead_code, reason = "held until the server ends")]
    lease: Lease,
    requests: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(listener: TcpListener, lease: Lease, statuses: &'static [u16]) -> Self {
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&requests), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let Some(status) = statuses.get(number).or(statuses.last()) else {
                    unanswered.push(stream);
                    continue;
                };
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                if length > 0 {
                    assert!(request.starts_with(b"GET /status HTTP/1.1\r\n"));
                }
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} Whatever\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nok"
                );
            }
        });
        Self {
            address,
            lease,
            requests,
            ended,
            thread: Some(thread),
        }
    }

    fn on_loopback(statuses: &'static [u16]) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), statuses).unwrap()
    }

    /// `None`: there is no such address here.
    fn on(address: IpAddr, statuses: &'static [u16]) -> Option<Self> {
        let lease = silent_port();
        let Ok(listener) = listen(address, lease.port()) else {
            eprintln!("skipped {address}: cannot be bound here");
            return None;
        };
        Some(Self::start(listener, lease, statuses))
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let ip = match self.address.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let _ = std::net::TcpStream::connect((ip, self.address.port()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// This test process stands for all clients but number 666.
struct Watched {
    watcher: Watcher,
    outcomes: Receiver<Readiness>,
}

fn watch() -> Watched {
    let (sender, outcomes) = channel();
    let members =
        Arc::new(|client: MemberNumber, pid: u32| client != 666 && pid == std::process::id());
    let watcher = Watcher::start(members, move |outcome| sender.send(outcome).unwrap()).unwrap();
    Watched { watcher, outcomes }
}

impl Watched {
    fn next(&self) -> Readiness {
        self.outcomes.recv_timeout(LONG).expect("an outcome")
    }

    fn no_more(self) {
        self.watcher.stop();
        let left: Vec<Readiness> = self.outcomes.iter().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn target(client: MemberNumber, port: u16) -> Target {
    Target {
        client,
        port,
        ready: Ready {
            request_timeout: LONG,
            timeout: LONG,
            ..Ready::default()
        },
    }
}

/// A port on which nothing listens.
fn silent_port() -> Lease {
    choose(1, &BTreeSet::new()).unwrap().remove(0).1
}

fn assert_ready(outcome: Readiness, number: MemberNumber, expected: &str) {
    match outcome {
        Readiness::Ready { client, url, .. } => assert_eq!((client, &*url), (number, expected)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_is_ready_at_the_wanted_status_and_not_before() {
    let server = Server::on_loopback(&[503, 404, 302, 200]);
    let watched = watch();
    watched.watcher.add(target(1, server.address.port()));
    assert_ready(watched.next(), 1, &format!("http://{}", server.address));
    assert_eq!(server.requests(), 4);
    watched.no_more();
}

#[test]
fn any_status_may_be_the_wanted_one() {
    let server = Server::on_loopback(&[302]);
    let watched = watch();
    let mut redirect = target(1, server.address.port());
    redirect.ready.status = 302;
    watched.watcher.add(redirect);
    assert_ready(watched.next(), 1, &format!("http://{}", server.address));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_client_that_listens_later_is_noticed() {
    let lease = silent_port();
    let watched = watch();
    watched.watcher.add(target(1, lease.port()));
    let listener = listen(Ipv4Addr::LOCALHOST, lease.port()).unwrap();
    let server = Server::start(listener, lease, &[200]);
    assert_ready(watched.next(), 1, &format!("http://{}", server.address));
}

#[test]
fn a_server_that_never_answers_delays_neither_the_others_nor_the_end() {
    let mute = Server::on_loopback(&[]);
    let watched = watch();
    watched.watcher.add(target(1, mute.address.port()));
    poll_until(Deadline::after(LONG), || {
        (mute.requests() > 0).then_some(())
    })
    .expect("a request");
    let server = Server::on_loopback(&[503, 200]);
    watched.watcher.add(target(2, server.address.port()));
    assert_ready(watched.next(), 2, &format!("http://{}", server.address));
    let started = Instant::now();
    watched.no_more();
    assert!(started.elapsed() < LONG, "the end waited for the request");
}

#[test]
fn a_request_that_takes_too_long_is_followed_by_another() {
    let mute = Server::on_loopback(&[]);
    let watched = watch();
    let mut impatient = target(1, mute.address.port());
    impatient.ready.request_timeout = Duration::from_millis(50);
    watched.watcher.add(impatient);
    poll_until(Deadline::after(LONG), || {
        (mute.requests() > 2).then_some(())
    })
    .expect("several requests");
    watched.no_more();
}

#[test]
fn another_process_on_the_port_is_named_and_never_asked() {
    let server = Server::on_loopback(&[200]);
    let watched = watch();
    watched.watcher.add(target(666, server.address.port()));
    match watched.next() {
        Readiness::Foreign {
            client,
            port,
            holder,
        } => {
            assert_eq!((client, port), (666, server.address.port()));
            assert_eq!(holder.pid(), Some(std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests(), 0);
    watched.no_more();
}

#[test]
fn a_member_that_is_known_a_little_late_is_no_stranger() {
    struct Late(AtomicUsize);
    impl ClientProcesses for Late {
        fn is_member(&self, _: MemberNumber, _: u32) -> bool {
            self.0.fetch_add(1, Ordering::SeqCst) > 0
        }
    }
    let server = Server::on_loopback(&[200]);
    let (sender, outcomes) = channel();
    let members = Arc::new(Late(AtomicUsize::new(0)));
    let watcher = Watcher::start(members, move |outcome| sender.send(outcome).unwrap()).unwrap();
    watcher.add(target(1, server.address.port()));
    let outcome = outcomes.recv_timeout(LONG).unwrap();
    assert_ready(outcome, 1, &format!("http://{}", server.address));
}

#[test]
fn an_ipv6_client_is_asked_at_its_address() {
    let Some(server) = Server::on(Ipv6Addr::LOCALHOST.into(), &[200]) else {
        return;
    };
    let watched = watch();
    watched.watcher.add(target(1, server.address.port()));
    let url = format!("http://[::1]:{}", server.address.port());
    assert_ready(watched.next(), 1, &url);
}

#[test]
fn a_client_on_all_addresses_is_asked_at_loopback() {
    for address in [
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::from(Ipv6Addr::UNSPECIFIED),
    ] {
        let Some(server) = Server::on(address, &[200]) else {
            continue;
        };
        let port = server.address.port();
        let watched = watch();
        watched.watcher.add(target(1, port));
        match watched.next() {
            // An IPv6 socket takes IPv4 too, unless this machine is set up otherwise or the kernel does not tell.
            Readiness::Ready { url, .. } => assert!(
                url == format!("http://127.0.0.1:{port}")
                    || (address.is_ipv6() && url == format!("http://[::1]:{port}")),
                "{url}"
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_name_may_be_asked() {
    let server = Server::on_loopback(&[200]);
    let watched = watch();
    let mut named = target(1, server.address.port());
    named.ready.host = Some("localhost".to_owned());
    watched.watcher.add(named);
    let url = format!("http://localhost:{}", server.address.port());
    assert_ready(watched.next(), 1, &url);
}

#[test]
fn an_address_that_cannot_be_asked_fails_at_once() {
    let server = Server::on_loopback(&[200]);
    let watched = watch();
    let mut impossible = target(1, server.address.port());
    impossible.ready.path = "/no spaces".to_owned();
    watched.watcher.add(impossible);
    match watched.next() {
        Readiness::Failed { client: 1, error } => assert!(error.to_string().contains("cannot ask")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_last_seen_tells_how_far_a_late_client_came() {
    let silent = silent_port();
    let mute = Server::on_loopback(&[]);
    let busy = Server::on_loopback(&[503]);
    let watched = watch();
    // Long enough for a request and its answer on any machine.
    let timeout = Duration::from_secs(2);
    let targets = [
        (1, silent.port(), LONG),
        (2, mute.address.port(), LONG),
        (3, mute.address.port(), Duration::from_millis(20)),
        (4, busy.address.port(), LONG),
    ];
    for (client, port, request_timeout) in targets {
        let mut late = target(client, port);
        late.ready.request_timeout = request_timeout;
        late.ready.timeout = timeout;
        watched.watcher.add(late);
    }
    for _ in 0..targets.len() {
        match watched.next() {
            Readiness::TimedOut {
                client,
                port,
                waited,
                last_seen,
            } => {
                assert_eq!(port, targets[usize::from(client) - 1].1);
                assert!(waited >= timeout);
                match client {
                    1 => assert_eq!(last_seen, LastSeen::NothingListens),
                    4 => assert_eq!(last_seen, LastSeen::Status(503)),
                    _ => assert!(matches!(last_seen, LastSeen::NoAnswer(_)), "{last_seen:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    watched.no_more();
}

#[test]
fn a_client_that_is_removed_or_left_at_the_end_has_no_outcome() {
    let silent = silent_port();
    let server = Server::on_loopback(&[503]);
    let watched = watch();
    watched.watcher.add(target(1, server.address.port()));
    poll_until(Deadline::after(LONG), || {
        (server.requests() > 1).then_some(())
    })
    .expect("several requests");
    watched.watcher.remove(1);
    watched.watcher.add(target(2, silent.port()));
    watched.no_more();
}

#[test]
fn a_watch_may_be_ended_from_within_an_outcome() {
    let server = Server::on_loopback(&[200]);
    let slot: Arc<std::sync::Mutex<Option<Watcher>>> = Arc::default();
    let own = Arc::clone(&slot);
    let (sender, ended) = channel();
    let members = Arc::new(|_: MemberNumber, _: u32| true);
    let watcher = Watcher::start(members, move |_| {
        drop(own.lock().unwrap().take());
        sender.send(()).unwrap();
    })
    .unwrap();
    let mut held = slot.lock().unwrap();
    held.insert(watcher).add(target(1, server.address.port()));
    drop(held);
    ended.recv_timeout(LONG).expect("the end");
}
