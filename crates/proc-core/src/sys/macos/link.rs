//! What is macOS's own about the sockets between a launcher and a guardian.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use crate::sys::Peer;

/// Sending to a process that is gone is an error: programs in Rust ignore the signal, and std turns it off for its
/// sockets.
pub(in crate::sys) const SEND: SendFlags = SendFlags::empty();

/// There is no flag here that keeps programs from inheriting what is received.
pub(in crate::sys) const RECEIVE: RecvFlags = RecvFlags::empty();

/// There is no flag here either that keeps programs from inheriting a socket.
pub(in crate::sys) const SOCKET: SocketFlags = SocketFlags::empty();

/// Where a descriptor of this process is a path.
pub(in crate::sys) const DESCRIPTORS: &str = "/dev/fd";

#[expect(unsafe_code, reason = "libc does not declare it")]
unsafe extern "C" {
    /// Of libpthread's `private/pthread/spi.h`, since macOS 10.12: the working directory of the calling thread alone;
    /// -1 gives back that of the process.
    fn pthread_fchdir_np(folder: c_int) -> c_int;
}

/// A socket's path holds 104 bytes at most, and a state folder may lie deeper: be in the folder meanwhile, with this
/// thread alone.
pub(in crate::sys) fn with_short_path<T>(
    folder: &Path,
    name: &str,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = File::open(folder)?;
    change_directory(folder.as_raw_fd())?;
    let result = act(Path::new(name));
    change_directory(-1)?;
    result
}

#[expect(unsafe_code, reason = "nothing safe does this")]
fn change_directory(folder: RawFd) -> io::Result<()> {
    // SAFETY: the call takes no memory, and refuses a number that is no open folder.
    match unsafe { pthread_fchdir_np(folder) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel which process is at the other end: the user is that of the connection, the process the one that has
/// used that end last.
pub(crate) fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let socket = socket.as_fd().as_raw_fd();
    Ok(Peer {
        pid: u32::try_from(peer_pid(socket)?)
            .ok()
            .filter(|pid| *pid != 0),
        user: peer_user(socket)?,
    })
}

#[expect(unsafe_code, reason = "nothing safe asks this")]
fn peer_user(socket: RawFd) -> io::Result<u32> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: the pointers are to live numbers of the types that are asked for.
    match unsafe { libc::getpeereid(socket, &raw mut user, &raw mut group) } {
        0 => Ok(user),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "nothing safe asks this")]
fn peer_pid(socket: RawFd) -> io::Result<c_int> {
    let mut pid: c_int = 0;
    let mut length = u32::try_from(size_of::<c_int>()).map_err(io::Error::other)?;
    let value: *mut c_void = (&raw mut pid).cast();
    // SAFETY: value and length are live memory, of a number of that length.
    let result = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_LOCAL,
            libc::LOCAL_PEERPID,
            value,
            &raw mut length,
        )
    };
    match result {
        0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}
