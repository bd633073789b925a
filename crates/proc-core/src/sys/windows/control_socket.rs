//! The named pipe at which a guardian is reached. It stands for the socket that there is on other systems.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::System::Pipes::{PIPE_UNLIMITED_INSTANCES, WaitNamedPipeW};

use super::call::{check, is, wide};
use super::link::{Link, PIPES, check_peer, connect, make};

/// How long to wait until a connection is accepted.
const TURN: Duration = Duration::from_secs(5);

/// Where a guardian is reached after its launcher has left.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    name: String,
    /// The instance for the next connection. There is always one, so that the name is never free.
    next: Mutex<Link>,
}

/// Opens the control socket of a guardian. It is known by the folder of its run, which only its user can enter.
pub(crate) fn open_control_socket(folder: &Path, name: &str) -> io::Result<ControlSocket> {
    let name = pipe_name(folder, name);
    let first = make(&name, true, PIPE_UNLIMITED_INSTANCES)?;
    let next = Mutex::new(Link::new(first, true)?);
    Ok(ControlSocket { name, next })
}

/// Connects to the control socket of a guardian, and checks that the same user has opened it.
pub(crate) fn connect_to_guardian(folder: &Path, name: &str) -> io::Result<Link> {
    let name = pipe_name(folder, name);
    let end = Instant::now() + TURN;
    let handle = loop {
        match connect(&name) {
            // Of several that wait, the first one is connected, and the others wait again.
            Err(error) if is(&error, ERROR_PIPE_BUSY) && Instant::now() < end => {
                wait_for_turn(&name, end)?;
            }
            result => break result?,
        }
    };
    let link = Link::new(handle, false)?;
    check_peer(&link)?;
    Ok(link)
}

fn wait_for_turn(name: &str, end: Instant) -> io::Result<()> {
    let name = wide(name);
    let time = end.saturating_duration_since(Instant::now()).as_millis();
    // No time at all would mean as long as the guardian likes.
    let time = u32::try_from(time).unwrap_or(u32::MAX).max(1);
    // SAFETY: the name ends with a zero.
    check(unsafe { WaitNamedPipeW(name.as_ptr(), time) })
}

/// Pipes lie in no folder, and their names hold 256 characters: the run's own name, and a hash of the whole path.
fn pipe_name(folder: &Path, name: &str) -> String {
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let path = folder.as_os_str().as_encoded_bytes();
    format!(
        "{PIPES}clean-slate-{run}-{:08x}-{name}",
        crc32fast::hash(path)
    )
}

/// Accepts the next connection of the same user; others are closed.
pub(crate) fn accept(socket: &ControlSocket) -> io::Result<Link> {
    loop {
        let mut next = socket.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.wait_for_client()?;
        let following = make(&socket.name, false, PIPE_UNLIMITED_INSTANCES)?;
        let link = std::mem::replace(&mut *next, Link::new(following, true)?);
        drop(next);
        if check_peer(&link).is_ok() {
            return Ok(link);
        }
    }
}
