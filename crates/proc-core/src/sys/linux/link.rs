//! What is Linux's own about the sockets between a launcher and a guardian.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::net::{RecvFlags, SendFlags, SocketFlags};

/// Sending to a process that is gone is an error, and no signal.
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
