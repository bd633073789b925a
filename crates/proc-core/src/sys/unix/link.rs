//! The link between a launcher and a guardian: a Unix socket.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use crate::sys;

/// One end of a link. Reading and writing are bytes in order; end of file means that the other end is gone.
pub(crate) type Link = UnixStream;

/// A link, both ends.
pub(crate) fn link() -> io::Result<(Link, Link)> {
    UnixStream::pair()
}

/// The far end of a link as a child's standard input.
pub(crate) fn link_to_stdio(link: Link) -> Stdio {
    OwnedFd::from(link).into()
}

/// This process's standard input as a link: how a guardian gets its end.
pub(crate) fn link_from_stdin() -> io::Result<Link> {
    let fd = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    // A link is a socket; anything else fails here and not later.
    rustix::net::sockopt::socket_type(&fd)?;
    Ok(UnixStream::from(fd))
}

/// Refuses a peer that belongs to another user (root may always come).
pub(crate) fn check_peer(link: &Link) -> io::Result<()> {
    let user = sys::peer(link)?.user;
    if user == 0 || user == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the other end belongs to another user",
        ))
    }
}

/// Gives up on the other end of a link when it says nothing for so long.
pub(crate) fn limit_patience(link: &Link, patience: Duration) -> io::Result<()> {
    link.set_read_timeout(Some(patience))
}

/// Makes room for as much that was said and not heard yet as the system allows. Whether it does is seen when it is
/// full.
pub(crate) fn make_room(link: &Link) {
    const ROOM: usize = 1 << 20;
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(link, ROOM);
}

/// Ends a link for both ends and for every copy of it.
pub(crate) fn hang_up(link: &Link) {
    // It fails only where the other end is gone already.
    let _ = link.shutdown(std::net::Shutdown::Both);
}
