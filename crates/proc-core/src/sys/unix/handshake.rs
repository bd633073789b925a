//! What a launcher sends to its guardian first: its standard streams and leases, as descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer, SendAncillaryMessage, recvmsg,
    sendmsg,
};

use super::link::Link;
use crate::stdio_policy::StdioPolicy;
use crate::sys::{self, Console, PortLease};

/// The standard streams of a launcher, for its test command: input, output, error.
#[derive(Debug)]
pub(crate) struct StdStreams([OwnedFd; 3]);

impl StdStreams {
    /// The streams for one child.
    pub(crate) fn to_stdio(&self) -> io::Result<[Stdio; 3]> {
        let [input, output, error] = &self.0;
        Ok([
            input.try_clone()?.into(),
            output.try_clone()?.into(),
            error.try_clone()?.into(),
        ])
    }

    /// A terminal is shared by all that have it for a stream.
    #[expect(clippy::unused_self, reason = "on Windows it has to be entered")]
    pub(crate) fn console(&self) -> Option<Console> {
        None
    }
}

/// How many leases are sent with one byte. The kernel takes 253 descriptors at most.
const LEASES_AT_ONCE: usize = 250;

/// Sends those of this process's standard streams that are to be lent, and leases that the other end takes over.
///
/// Always the first thing on a link: a later reader that fills a buffer would lose the descriptors.
pub(crate) fn send_handshake(
    link: &Link,
    policy: StdioPolicy,
    leases: &[PortLease],
) -> io::Result<()> {
    let streams = [
        rustix::stdio::stdin(),
        match policy {
            StdioPolicy::AllButOutput => rustix::stdio::stderr(),
            _ => rustix::stdio::stdout(),
        },
        rustix::stdio::stderr(),
    ];
    let lent = match policy {
        StdioPolicy::Nothing => &streams[..0],
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

/// Receives what [`send_handshake`] sent.
pub(crate) fn receive_handshake(link: &Link) -> io::Result<(Option<StdStreams>, Vec<PortLease>)> {
    let (count, streams) = receive_descriptors(link)?;
    let mut leases = Vec::new();
    for _ in 0..count {
        let (_, sockets) = receive_descriptors(link)?;
        for socket in sockets {
            leases.push(PortLease::take_over(socket)?);
        }
    }
    Ok((streams.try_into().ok().map(StdStreams), leases))
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
