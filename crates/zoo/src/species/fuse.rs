//! A file system whose server says nothing.
//!
//! The kernel waits for the answer to a request that the server has taken, whatever signals the process gets that
//! waits. The wait ends when the server does, whose end aborts the connection: no other process may hold it open.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::ignore_requests;
use crate::life;
use crate::serve::serve;
use crate::sys;

/// In a mount namespace of this family's own.
const MOUNT_POINT: &str = "/mnt";

/// Where a request begins to say which it is, after its length and kind.
const UNIQUE: std::ops::Range<usize> = 8..16;

/// Where no such file system can be mounted, the child only rests.
pub(super) fn waits_for_fuse(listener: Option<&TcpListener>) -> io::Result<()> {
    let mut connection = connect().ok();
    life::fork(|set_up| {
        let is_mounted = connection.is_some();
        drop(connection.take());
        ignore_requests();
        drop(set_up);
        if is_mounted {
            let _ = fs::metadata(format!("{MOUNT_POINT}/file"));
        }
        life::rest()
    })?;
    if let Some(connection) = connection {
        life::fork(|set_up| {
            ignore_requests();
            let _ = take_requests(&connection);
            drop(set_up);
            life::rest()
        })?;
    }
    serve(listener)
}

/// Mounts the file system, and returns the end of its server.
fn connect() -> io::Result<File> {
    let connection = File::options().read(true).write(true).open("/dev/fuse")?;
    sys::unshare_mounts()?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)?;
    let options = format!(
        "fd={},rootmode=40000,user_id={},group_id={}",
        connection.as_raw_fd(),
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let options = std::ffi::CString::new(options)?;
    mount(
        "zoo",
        MOUNT_POINT,
        "fuse",
        MountFlags::NODEV,
        options.as_c_str(),
    )?;
    Ok(connection)
}

/// Answers the first request, which opens the connection, and takes the second.
fn take_requests(mut connection: &File) -> io::Result<()> {
    let mut request = vec![0; 64 * 1024];
    // The kernel gives a request as a whole.
    let _length = connection.read(&mut request)?;
    // Its length, no error, which request it answers; version 7.31, and sizes in which nothing is ever sent.
    let mut answer = [0; 80];
    answer[..4].copy_from_slice(&80_u32.to_ne_bytes());
    answer[UNIQUE].copy_from_slice(&request[UNIQUE]);
    for (place, value) in [(16, 7_u32), (20, 31), (24, 4096), (36, 4096), (40, 1)] {
        answer[place..place + 4].copy_from_slice(&value.to_ne_bytes());
    }
    connection.write_all(&answer)?;
    let _length = connection.read(&mut request)?;
    Ok(())
}
