//! What the functions of all systems speak of.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::status::ExitStatus;

/// The argument that makes the guardian's program be the first process of a PID namespace.
pub(crate) const INIT: &str = "init";

/// State, lineage and start time of a process.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// Exited, and waiting for its parent to collect it.
    pub(crate) zombie: bool,
    pub(crate) kernel: bool,
    /// At most 15 or 16 bytes.
    pub(crate) short_name: String,
}

/// By what a kernel tells which process has started which, whether or not that one is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The process's own number, which no second process of this boot gets.
    pub(crate) number: u64,
    /// The number of the process that has started it.
    pub(crate) starter: u64,
}

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End in your own way (`SIGTERM`).
    Terminate,
    /// End now (`SIGKILL`).
    Kill,
    /// Stand still (`SIGSTOP`).
    Stop,
    /// Go on (`SIGCONT`).
    Continue,
}

/// What there was to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// This child has exited.
    Exited(u32, ExitStatus),
    /// There are children, and all of them live.
    NoneYet,
    /// There is no child at all; for a subreaper: no descendant at all.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "only a parent that adopts orphans can know")
    )]
    NoChild,
}

/// What asks a launcher to end: a signal, or on Windows something that happens to its console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Ctrl+C (`SIGINT`).
    Interrupt,
    /// A request to end (`SIGTERM`, Ctrl+Break).
    #[default]
    Terminate,
    /// The terminal is gone (`SIGHUP`), its window was closed, or the user logs off.
    HangUp,
}

/// A signal that concerns a guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardianSignal {
    ChildEnded,
    AskedToEnd,
    /// The user logs off, or the system shuts down.
    #[cfg_attr(
        not(windows),
        expect(
            dead_code,
            reason = "elsewhere every process is asked to end, a guardian too"
        )
    )]
    SessionEnds,
}

/// The process at the other end of a link: the one that connected, or that began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its PID. `None`: it cannot be seen from this PID namespace.
    pub(crate) pid: Option<u32>,
    /// Its effective user at that moment.
    pub(crate) user: u32,
}

/// The holder of a lease. `None`: that cannot be told at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseHolder(pub(crate) Option<Peer>);

/// The state of a TCP socket, as far as it matters. Each system has numbers of its own for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TcpState {
    Listening,
    /// Bound, and neither listening nor connected. Linux before 6.8 lists no such sockets.
    Bound,
    /// Connected, or on the way there or back.
    Connected,
}

/// One TCP socket, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// The local port.
    pub(crate) port: u16,
    /// The local address; an IPv4 address that was mapped into IPv6 is told as IPv4.
    pub(crate) address: IpAddr,
    /// Whether an IPv6 socket takes no IPv4 connections. `None`: an IPv4 socket, or the source does not tell.
    pub(crate) v6only: Option<bool>,
    /// The socket's number, by which processes show that they have it open; 0 where none has any more.
    pub(crate) inode: u64,
    /// The user that made it.
    pub(crate) user: u32,
    pub(crate) state: TcpState,
}

/// What came of an attempt to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It can be bound.
    Yes,
    /// Another socket is in the way.
    InUse,
    /// This user may not bind it.
    Forbidden,
    /// This machine has no such address.
    NoSuchAddress,
}
