//! What is Linux's own about the sockets between a launcher and a guardian.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::{pin, wait_for_exit};
use crate::identity::Identity;
use crate::sys::{Link, hang_up};

/// Sending to somebody who is gone is an error, and no signal.
pub(in crate::sys) const SEND: SendFlags = SendFlags::NOSIGNAL;

/// What is received is inherited by no program.
pub(in crate::sys) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// A socket is inherited by no program.
pub(in crate::sys) const SOCKET: SocketFlags = SocketFlags::CLOEXEC;

/// Where a descriptor of this process is a path.
pub(in crate::sys) const DESCRIPTORS: &str = "/proc/self/fd";

/// A socket's path holds 108 bytes at most, and a state folder may lie deeper: go through the folder's descriptor.
pub(in crate::sys) fn with_short_path<T>(
    folder: &Path,
    name: &str,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = File::open(folder)?;
    let path = format!("{DESCRIPTORS}/{}/{name}", folder.as_raw_fd());
    act(Path::new(&path))
}

/// Waits until the process at the other end of a link has exited, and ends the link then.
///
/// The kernel does that by itself, unless somebody has taken a copy of the other end (`pidfd_getfd`).
pub(crate) fn hang_up_after(other: &Identity, link: &Link) {
    // Who cannot be watched is left to the kernel.
    let Ok(handle) = pin(other) else { return };
    if let Some(handle) = handle {
        wait_for_exit(&handle);
    }
    hang_up(link);
}
