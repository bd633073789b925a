//! The link between a launcher and a guardian: Unix sockets, and descriptors sent over them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer,
    SendAncillaryMessage, SocketAddrUnix, SocketType, connect, recvmsg, sendmsg, socket_with,
};

use crate::lending::Lending;
use crate::sys::{self, Console, PortLease};

/// How long to wait at a door until one's turn comes.
const TURN: Duration = Duration::from_secs(5);

/// One end of a link. Reading and writing are bytes in order; end of file means that the other end is gone.
pub(crate) type Link = UnixStream;

/// Where a guardian is reached after its launcher has left.
pub(crate) type Door = UnixListener;

/// The standard streams of a launcher, for its test command: input, output, error.
#[derive(Debug)]
pub(crate) struct Streams([OwnedFd; 3]);

impl Streams {
    /// The streams for one child.
    pub(crate) fn to_stdio(&self) -> io::Result<[Stdio; 3]> {
        let [input, output, error] = &self.0;
        Ok([
            input.try_clone()?.into(),
            output.try_clone()?.into(),
            error.try_clone()?.into(),
        ])
    }

    /// A terminal is shared by whoever has it for a stream.
    #[expect(clippy::unused_self, reason = "on Windows it has to be entered")]
    pub(crate) fn console(&self) -> Option<Console> {
        None
    }
}

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

/// How many leases are sent with one byte. The kernel takes 253 descriptors at most.
const LEASES_AT_ONCE: usize = 250;

/// Sends those of this process's standard streams that are to be lent, and leases that the other end takes over.
///
/// Always the first thing on a link: a later reader that fills a buffer would lose the descriptors.
pub(crate) fn greet(link: &Link, lending: Lending, leases: &[PortLease]) -> io::Result<()> {
    let streams = [
        rustix::stdio::stdin(),
        match lending {
            Lending::AllButOutput => rustix::stdio::stderr(),
            _ => rustix::stdio::stdout(),
        },
        rustix::stdio::stderr(),
    ];
    let lent = match lending {
        Lending::Nothing => &streams[..0],
        _ => &streams[..],
    };
    let parts = leases.chunks(LEASES_AT_ONCE);
    let count = u8::try_from(parts.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many leases"))?;
    send_descriptors(link, count, lent)?;
    for part in parts {
        let sockets: Vec<BorrowedFd<'_>> = part.iter().map(AsFd::as_fd).collect();
        send_descriptors(link, 0, &sockets)?;
    }
    Ok(())
}

/// Receives what [`greet`] sent.
pub(crate) fn receive_greeting(link: &Link) -> io::Result<(Option<Streams>, Vec<PortLease>)> {
    let (count, streams) = receive_descriptors(link)?;
    let mut leases = Vec::new();
    for _ in 0..count {
        let (_, sockets) = receive_descriptors(link)?;
        for socket in sockets {
            leases.push(PortLease::take_over(socket)?);
        }
    }
    Ok((streams.try_into().ok().map(Streams), leases))
}

/// Sends a byte, and descriptors with it.
fn send_descriptors(link: &Link, byte: u8, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LEASES_AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("no room for the descriptors"));
    }
    sendmsg(link, &[IoSlice::new(&[byte])], &mut control, sys::SEND)?;
    Ok(())
}

/// Receives what [`send_descriptors`] sent.
fn receive_descriptors(link: &Link) -> io::Result<(u8, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LEASES_AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let message = recvmsg(link, &mut parts, &mut control, sys::RECEIVE)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let fds: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    for fd in &fds {
        // Not every system does it on receipt.
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((byte[0], fds))
}

/// Opens a guardian's door in a folder that only its user can enter.
pub(crate) fn open_door(folder: &Path, name: &str) -> io::Result<Door> {
    sys::with_short_path(folder, name, |path| UnixListener::bind(path))
}

/// Knocks at the door of a guardian, and checks that the same user has opened it.
pub(crate) fn knock(folder: &Path, name: &str) -> io::Result<Link> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let link = socket_with(family, kind, sys::SOCKET, None)?;
    // Not every system does it at once.
    rustix::io::fcntl_setfd(&link, rustix::io::FdFlags::CLOEXEC)?;
    // Whoever lets nobody in is not waited for any longer.
    set_socket_timeout(&link, Timeout::Send, Some(TURN))?;
    sys::with_short_path(folder, name, |path| {
        Ok(connect(&link, &SocketAddrUnix::new(path)?)?)
    })?;
    let link = Link::from(link);
    check_peer(&link)?;
    Ok(link)
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

/// Waits for the next visitor of the same user; others are turned away.
pub(crate) fn admit(door: &Door) -> io::Result<Link> {
    loop {
        let (link, _) = door.accept()?;
        if check_peer(&link).is_ok() {
            return Ok(link);
        }
    }
}

/// Gives up on the other end of a link when it says nothing for so long.
pub(crate) fn limit_patience(link: &Link, patience: Duration) -> io::Result<()> {
    link.set_read_timeout(Some(patience))
}

/// Makes room for as much that was said and not heard yet as the system allows. Whether it does is seen when it is full.
pub(crate) fn make_room(link: &Link) {
    const ROOM: usize = 1 << 20;
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(link, ROOM);
}

/// Ends a link for both ends and for every copy of it.
pub(crate) fn hang_up(link: &Link) {
    // It fails only where the other end is gone already.
    let _ = link.shutdown(std::net::Shutdown::Both);
}
