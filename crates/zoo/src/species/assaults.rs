//! What turns against its guardian.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::SocketType;
use rustix::net::sockopt::{socket_peercred, socket_type};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getppid, pidfd_getfd, pidfd_open};

use super::answers::orphan;
use super::ignore_requests;
use crate::life;
use crate::serve::serve;

/// How often to connect, and in how many processes, none of which runs out of descriptors itself.
const CONNECTIONS: usize = 150;
const CONNECTORS: usize = 4;

pub(super) fn besieger(listener: Option<&TcpListener>) -> io::Result<()> {
    for _ in 0..CONNECTORS {
        orphan(|set_up| {
            ignore_requests();
            let links: Vec<UnixStream> = (0..CONNECTIONS).map_while(|_| connect().ok()).collect();
            drop(set_up);
            let _links = links;
            life::rest()
        })?;
    }
    serve(listener)
}

pub(super) fn chatterbox(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        ignore_requests();
        if let Ok(mut link) = connect() {
            let words = vec![b'x'; 1 << 20];
            for _ in 0..200 {
                if link.write_all(&words).is_err() {
                    break;
                }
            }
            drop(set_up);
            life::rest();
        }
    })?;
    serve(listener)
}

pub(super) fn lingerer(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        ignore_requests();
        let words = [
            r#"{"request":"detach"}"#,
            r#"{"request":"end","reason":"none","grace_ms":3600000}"#,
        ];
        let mut links = Vec::new();
        for word in words {
            if let Ok(mut link) = connect() {
                let _ = writeln!(link, "{word}");
                links.push(link);
            }
        }
        drop(set_up);
        let _links = links;
        life::rest()
    })?;
    serve(listener)
}

/// In a PID namespace there is nothing to rob, and some systems let no process take what another has. So it says how
/// much it has got.
pub(super) fn thief(listener: Option<&TcpListener>) -> io::Result<()> {
    let guardian = getppid();
    orphan(|set_up| {
        ignore_requests();
        let mut loot = guardian.map(take_from).unwrap_or_default();
        let launchers: BTreeSet<i32> = loot
            .iter()
            .filter_map(|taken| Some(socket_peercred(taken).ok()?.pid.as_raw_nonzero().get()))
            .filter(|peer| Some(*peer) != guardian.map(|guardian| guardian.as_raw_nonzero().get()))
            .collect();
        let launchers = launchers.into_iter().filter_map(Pid::from_raw);
        loot.extend(launchers.flat_map(take_from).collect::<Vec<_>>());
        let _ = writeln!(io::stderr(), "taken: {}", loot.len());
        drop(set_up);
        let _loot = loot;
        life::rest()
    })?;
    serve(listener)
}

/// Copies of what a process has open, as far as one may take them, but for sockets of packets: a process that keeps the
/// one by which the guardian learns that its child has begun (Rust's library makes such a pair) holds it up, as a
/// debugger does.
fn take_from(process: Pid) -> Vec<OwnedFd> {
    let Ok(pinned) = pidfd_open(process, PidfdFlags::empty()) else {
        return Vec::new();
    };
    let entries = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero()));
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| pidfd_getfd(&pinned, number, PidfdGetfdFlags::empty()).ok())
        .filter(|taken| !socket_type(taken).is_ok_and(|kind| kind == SocketType::SEQPACKET))
        .collect()
}

fn connect() -> io::Result<UnixStream> {
    let folder = std::env::var_os("XTASK_RUN_DIR").ok_or(io::ErrorKind::NotFound)?;
    // The path of a socket is short; that of a run's folder need not be.
    std::env::set_current_dir(folder)?;
    let link = UnixStream::connect("door")?;
    link.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(link)
}
