//! Leases on ports: a claim that lasts from choosing a port until the client binds it, and beyond.
//!
//! A lease is a lock on a file, one a port, in a folder of this user's. The lock belongs to the open file, not to a
//! process: it is handed on with the descriptor, and the kernel gives it up when the last copy is closed, whatever ended
//! the holder. The file names the holder: PID and start time, so that a PID is not taken for that of its successor. It
//! stays when the lease ends, as removing it would let two hold one port.
//!
//! The system keeps no list of names that all users share, so a lease is for the runs of one user.

use std::ffi::{OsString, c_int, c_short};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use super::super::process;
use crate::sys::{LeaseHolder, Peer, make_private_folder};

/// A port that no other process gets a lease of. Given up when dropped, or when its holder ends.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    /// Held open: the lock ends when all copies of it are closed.
    file: File,
}

impl PortLease {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Becomes the holder of a lease that another process took and handed on.
    pub(crate) fn take_over(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        let (port, _, _) = read(&file)?.ok_or(io::ErrorKind::InvalidData)?;
        write(&file, port)?;
        Ok(Self { port, file })
    }
}

impl AsFd for PortLease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Leases a port. `None`: it is leased already.
///
/// The holder is the process that calls this, until another one takes the lease over.
pub(crate) fn lease(port: u16) -> io::Result<Option<PortLease>> {
    let file = open(port)?;
    let mut request = whole_file();
    match lock(&file, libc::F_OFD_SETLK, &mut request) {
        Ok(()) => {}
        Err(error) if is_locked(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    write(&file, port)?;
    Ok(Some(PortLease { port, file }))
}

/// The process that leased a port. `None`: it is not leased.
pub(crate) fn lease_holder(port: u16) -> io::Result<Option<LeaseHolder>> {
    let file = open(port)?;
    let mut request = whole_file();
    // Asked, not tried: an attempt that succeeds would be in the way of a process that wants the port at this moment.
    lock(&file, libc::F_OFD_GETLK, &mut request)?;
    if request.l_type == kind(libc::F_UNLCK.into()) {
        return Ok(None);
    }
    let boot = process::boot()?;
    // Between the lock and the writing the file names the holder before, which need not be there any more.
    let holder = read(&file)?.filter(|(_, pid, start)| {
        process::stat(*pid, boot).is_some_and(|stat| stat.identity.start == *start)
    });
    Ok(Some(LeaseHolder(holder.map(|(_, pid, _)| Peer {
        pid: Some(pid),
        user: process::own_user(),
    }))))
}

fn open(port: u16) -> io::Result<File> {
    let folder = cache_folder()?.join("clean-slate-leases");
    make_private_folder(&folder)?;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(folder.join(port.to_string()))
}

/// Port, PID and start time.
fn read(file: &File) -> io::Result<Option<(u16, u32, u64)>> {
    let mut bytes = [0; 64];
    let length = file.read_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    let mut words = text.lines().next().unwrap_or("").split(' ');
    let mut parse = || {
        let port = words.next()?.parse().ok()?;
        let pid = words.next()?.parse().ok()?;
        Some((port, pid, words.next()?.parse().ok()?))
    };
    Ok(parse())
}

/// Writes this process down as the holder.
fn write(file: &File, port: u16) -> io::Result<()> {
    let pid = std::process::id();
    let own = process::stat(pid, process::boot()?).ok_or(io::ErrorKind::NotFound)?;
    // A longer line before it ends behind this one's end.
    let line = format!("{port} {pid} {}\n", own.identity.start);
    file.write_all_at(line.as_bytes(), 0)
}

/// The folder of this user's that the system makes for what can be made again. Unlike the one for temporary files it is
/// not cleared while it is in use.
#[expect(unsafe_code, reason = "nothing safe asks this")]
fn cache_folder() -> io::Result<PathBuf> {
    let mut bytes = vec![0_u8; 1024];
    // SAFETY: the buffer is live memory of the length that is given.
    let length = unsafe {
        libc::confstr(
            libc::_CS_DARWIN_USER_CACHE_DIR,
            bytes.as_mut_ptr().cast(),
            bytes.len(),
        )
    };
    // It counts the zero at the end.
    if length < 2 || length > bytes.len() {
        return Err(io::Error::other("the system names no cache folder"));
    }
    bytes.truncate(length - 1);
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_start: 0,
        l_len: 0,
        l_pid: 0,
        l_type: kind(libc::F_WRLCK.into()),
        l_whence: kind(libc::SEEK_SET),
    }
}

/// The field is shorter than its constants, which fit.
fn kind(number: c_int) -> c_short {
    c_short::try_from(number).unwrap_or(c_short::MAX)
}

#[expect(unsafe_code, reason = "rustix has no locks of open files")]
fn lock(file: &File, command: c_int, request: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as the file is there, and these commands take a lock's description.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut *request) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn is_locked(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}
