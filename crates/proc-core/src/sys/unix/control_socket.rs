//! The socket in the folder of a run at which its guardian is reached.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket_with};

use super::link::{Link, check_peer};
use crate::sys;

/// How long to wait until a connection is accepted.
const TURN: Duration = Duration::from_secs(5);

/// Where a guardian is reached after its launcher has left.
pub(crate) type ControlSocket = UnixListener;

/// Opens the control socket of a guardian in a folder that only its user can enter.
pub(crate) fn open_control_socket(folder: &Path, name: &str) -> io::Result<ControlSocket> {
    sys::with_short_path(folder, name, |path| UnixListener::bind(path))
}

/// Connects to the control socket of a guardian, and checks that the same user has opened it.
pub(crate) fn connect_to_guardian(folder: &Path, name: &str) -> io::Result<Link> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let link = socket_with(family, kind, sys::SOCKET, None)?;
    // Not every system does it at once.
    rustix::io::fcntl_setfd(&link, rustix::io::FdFlags::CLOEXEC)?;
    // A guardian that accepts nothing is not waited for any longer.
    set_socket_timeout(&link, Timeout::Send, Some(TURN))?;
    sys::with_short_path(folder, name, |path| {
        Ok(connect(&link, &SocketAddrUnix::new(path)?)?)
    })?;
    let link = Link::from(link);
    check_peer(&link)?;
    Ok(link)
}

/// Accepts the next connection of the same user; others are closed.
pub(crate) fn accept(socket: &ControlSocket) -> io::Result<Link> {
    loop {
        let (link, _) = socket.accept()?;
        if check_peer(&link).is_ok() {
            return Ok(link);
        }
    }
}
