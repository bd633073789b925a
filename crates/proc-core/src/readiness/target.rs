//! What is waited for, and what comes of it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::mark::MemberNumber;
use crate::port::Holder;

/// Which processes belong to which client.
///
/// A closure `|client: MemberNumber, pid: u32| -> bool` will do.
pub trait ClientProcesses: Send + Sync {
    /// Whether the process belongs to the client *now*. It is asked of processes that were found listening; an answer
    /// out of a list that is older than the process would make the client a stranger to itself.
    fn is_member(&self, client: MemberNumber, pid: u32) -> bool;

    /// Processes that probably belong to the client, to be looked at first. Without any, all processes are looked at
    /// when a client begins to listen.
    fn candidates(&self, client: MemberNumber) -> Vec<u32> {
        let _ = client;
        Vec::new()
    }
}

impl<F: Fn(MemberNumber, u32) -> bool + Send + Sync> ClientProcesses for F {
    fn is_member(&self, client: MemberNumber, pid: u32) -> bool {
        self(client, pid)
    }
}

/// When a client counts as ready: an HTTP request to its port is answered as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The path of the request, from the slash.
    pub path: String,
    /// The status that means ready. Redirects are not followed.
    pub status: u16,
    /// How long the client may take in all; more than zero.
    pub timeout: Duration,
    /// How long one request may wait for the connection, and then for its answer; more than zero. A client that listens
    /// long before it answers is noticed sooner with a longer one, since a request that it finds waiting is answered at
    /// once.
    pub request_timeout: Duration,
    /// The host to ask: an address or a name. `None`: the loopback address that the client listens on.
    pub host: Option<String>,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            path: "/status".to_owned(),
            status: 200,
            timeout: Duration::from_mins(3),
            request_timeout: Duration::from_secs(2),
            host: None,
        }
    }
}

/// A client that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The client's number, by which outcomes name it.
    pub client: MemberNumber,
    /// The port on which it is to listen.
    pub port: u16,
    /// When it counts as ready. The time-out counts from [`Watcher::add`](super::Watcher::add).
    pub ready: Ready,
}

/// How waiting for a client has ended. After its outcome a client is not watched any more.
#[derive(Debug)]
pub enum Readiness {
    /// It gave the answer that was waited for.
    Ready {
        /// The client.
        client: MemberNumber,
        /// Where it is reached, such as `http://127.0.0.1:8080`.
        url: String,
        /// How long that took.
        waited: Duration,
    },
    /// A process that is none of the client's listens on its port. Two looks in a row said so.
    Foreign {
        /// The client.
        client: MemberNumber,
        /// Its port.
        port: u16,
        /// What listens there.
        holder: Holder,
    },
    /// It was not ready in time.
    TimedOut {
        /// The client.
        client: MemberNumber,
        /// Its port.
        port: u16,
        /// How long it was waited for.
        waited: Duration,
        /// How far it had come.
        last_seen: LastSeen,
    },
    /// It cannot be watched.
    Failed {
        /// The client.
        client: MemberNumber,
        /// Why not.
        error: ReadinessError,
    },
}

/// How far a client had come when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastSeen {
    /// Nothing listens on its port.
    NothingListens,
    /// It listens, but a request brought no answer, for this reason.
    NoAnswer(String),
    /// It answered with this status, which is not the one waited for.
    Status(u16),
}

/// Readiness cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum ReadinessError {
    /// The thread that watches could not be started.
    #[error("cannot start the thread that watches clients")]
    Thread(#[source] io::Error),
    /// Neither netlink nor `/proc/net` gave the list of sockets.
    #[error("cannot list the sockets of this machine")]
    Sockets(#[source] Arc<io::Error>),
    /// No request can be sent to this address.
    #[error("cannot ask {url}: {reason}; check the host and the path of the readiness check")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for LastSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingListens => write!(f, "nothing listens"),
            Self::NoAnswer(reason) => write!(f, "it listens, but does not answer ({reason})"),
            Self::Status(status) => write!(f, "it answers with status {status}"),
        }
    }
}
