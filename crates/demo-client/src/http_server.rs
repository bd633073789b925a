//! The listening side: a thread for each connection, up to a limit.
//!
//! No connection waits for another one: `/status` must be answered however many peers are slow or silent, or a runner
//! takes a live client for a dead one.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::api::{self, Asked};
use crate::client::Client;
use crate::http_connection::{Connection, Request};
use crate::log::Log;

/// How many connections are held at the same time; one more is closed at once.
const MAX_CONNECTIONS: usize = 256;
/// How long the other side may be silent. Longer than the clients keep an idle connection, so that they close it first:
/// the side that closes first may have just been sent a request.
const SILENCE: Duration = Duration::from_mins(1);
/// How much of a refused request is still read, in bytes, and for how long at a time.
const MAX_LEFTOVER: u64 = 1024 * 1024;
const LEFTOVER_SILENCE: Duration = Duration::from_secs(1);

/// What the server tells the program that runs it.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// `/quit` was asked for, and answered.
    Quit,
    /// It takes no more connections.
    Failed(io::Error),
}

/// A port that is held, but not served yet.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    pub(crate) fn on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the port on threads of its own, which last as long as the process.
    pub(crate) fn serve(
        self,
        client: Client,
        log: Log,
        notify: impl Fn(ServerEvent) + Send + Sync + 'static,
    ) -> io::Result<()> {
        let desk = Arc::new(Desk {
            client,
            log,
            notify,
            connections: AtomicUsize::new(0),
            last_status: AtomicU16::new(0),
        });
        spawn("accept", move || {
            let failed = accept(&self.listener, &desk);
            (desk.notify)(ServerEvent::Failed(failed));
        })
    }
}

/// Takes connections until that fails for a reason that is not the connection's own.
fn accept<N>(listener: &TcpListener, desk: &Arc<Desk<N>>) -> io::Error
where
    N: Fn(ServerEvent) + Send + Sync + 'static,
{
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    loop {
        match listener.accept() {
            Ok((stream, from)) => match Place::take(desk) {
                Some(place) => {
                    let served = spawn("connection", move || place.desk.serve(stream));
                    if let Err(error) = served {
                        desk.log.error(&format!("cannot serve {from}: {error}"));
                    }
                }
                None => desk.log.error(&format!(
                    "closed {from}: there are {MAX_CONNECTIONS} connections already"
                )),
            },
            Err(error)
                if matches!(
                    error.kind(),
                    ConnectionAborted | ConnectionReset | Interrupted
                ) => {}
            Err(error) => return error,
        }
    }
}

/// What every connection needs.
struct Desk<N> {
    client: Client,
    log: Log,
    notify: N,
    connections: AtomicUsize,
    /// Of `/status`, which is asked for so often that only a change is worth a line.
    last_status: AtomicU16,
}

/// The right to be one of the connections; given back when dropped.
struct Place<N> {
    desk: Arc<Desk<N>>,
}

impl<N> Place<N> {
    fn take(desk: &Arc<Desk<N>>) -> Option<Self> {
        let place = Self {
            desk: Arc::clone(desk),
        };
        let taken = desk.connections.fetch_add(1, Ordering::Relaxed);
        (taken < MAX_CONNECTIONS).then_some(place)
    }
}

impl<N> Drop for Place<N> {
    fn drop(&mut self) {
        self.desk.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<N: Fn(ServerEvent)> Desk<N> {
    /// Answers what comes on a connection. That it breaks is the other side's affair, and usual.
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let limited = stream
            .set_read_timeout(Some(SILENCE))
            .and_then(|()| stream.set_write_timeout(Some(SILENCE)));
        if limited.is_err() {
            return;
        }
        let mut connection = Connection::new(stream);
        loop {
            match connection.read() {
                Ok(Some(request)) => {
                    let keep_alive = request.keep_alive;
                    if !self.work(&mut connection, &request) || !keep_alive {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    if let Some(answer) = error.answer() {
                        self.log
                            .info(&format!("refused a request {}: {error}", answer.status));
                        if connection.write(&answer, false).is_ok() {
                            close_gently(&connection.into_stream());
                        }
                    }
                    return;
                }
            }
        }
    }

    /// Answers a request, and says whether the connection is still good.
    fn work(&self, connection: &mut Connection<TcpStream>, request: &Request) -> bool {
        let Request { method, target, .. } = request;
        let answer = api::answer(
            &self.client,
            Asked {
                method,
                target,
                body: &request.body,
            },
        );
        let is_news = !api::is_status(target)
            || self.last_status.swap(answer.status, Ordering::Relaxed) != answer.status;
        if is_news {
            self.log
                .info(&format!("{method} {target} {}", answer.status));
        }
        let written = connection.write(&answer, request.keep_alive);
        if let Err(error) = &written {
            self.log
                .error(&format!("answering {method} {target} failed: {error}"));
        }
        if answer.quits {
            (self.notify)(ServerEvent::Quit);
        }
        written.is_ok()
    }
}

/// Reads on for a while after the answer. Closing with something unread would reset the connection, and the other side
/// might not see the answer.
fn close_gently(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(LEFTOVER_SILENCE));
    let _ = io::copy(&mut stream.take(MAX_LEFTOVER), &mut io::sink());
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(())
}
