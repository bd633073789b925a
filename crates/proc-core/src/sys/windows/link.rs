//! Named pipes: the link between a launcher and a guardian.
//!
//! A handle that waits for each call to be done reads and writes one after the other, so that a reader could not
//! write meanwhile. So all of these are asynchronous, and each call waits for itself.

use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_OPERATION_ABORTED,
    ERROR_PIPE_CONNECTED, ERROR_PIPE_NOT_CONNECTED, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_TYPE_PIPE, GetFileType,
    OPEN_EXISTING, PIPE_ACCESS_DUPLEX, ReadFile, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
    WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, GetNamedPipeClientProcessId, GetNamedPipeServerProcessId,
    PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};
use windows_sys::core::BOOL;

use super::call::{Event, check, is, owned, raw, wait_for_either, wide};
use super::private::Private;
use super::signal::{pin, wait_for_exit};
use super::user::{own_user, owner};
use crate::identity::Identity;
use crate::sys::Peer;

/// How much may have been said and not heard yet.
const ROOM: u32 = 1 << 20;

/// Where all pipes are.
pub(super) const PIPES: &str = r"\\.\pipe\";

/// One end of a link. Reading and writing are bytes in order; end of file means that the other end is gone.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Pipe>);

#[derive(Debug)]
struct Pipe {
    handle: OwnedHandle,
    /// Whether this end has made the pipe.
    is_server: bool,
    hung_up: Event,
    /// How much may still be heard, in bytes, of what was said before the link was hung up.
    last_words: AtomicUsize,
    /// In ms; [`u64::MAX`] for as long as it takes.
    read_patience: AtomicU64,
    write_patience: AtomicU64,
}

impl Link {
    pub(super) fn new(handle: OwnedHandle, is_server: bool) -> io::Result<Self> {
        Ok(Self(Arc::new(Pipe {
            handle,
            is_server,
            hung_up: Event::new()?,
            last_words: AtomicUsize::new(0),
            read_patience: AtomicU64::new(u64::MAX),
            write_patience: AtomicU64::new(u64::MAX),
        })))
    }

    /// The same end once more.
    #[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    /// Gives up on what is being written when the other end does not take it for so long.
    #[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    pub(crate) fn set_write_timeout(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0
            .write_patience
            .store(millis(patience), Ordering::Relaxed);
        Ok(())
    }

    /// Waits until another process has opened the other end.
    pub(super) fn wait_for_client(&self) -> io::Result<()> {
        let result = self.transfer(u64::MAX, |call| {
            // SAFETY: handle and `call` live until the call has ended, for which `transfer` waits.
            unsafe { ConnectNamedPipe(raw(&self.0.handle), call) }
        });
        match result {
            // It has come already, or has even left again.
            Err(error) if is(&error, ERROR_PIPE_CONNECTED) || is(&error, ERROR_NO_DATA) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Does something with the pipe that takes its time, and waits for it. Answers how many bytes went over.
    fn transfer(
        &self,
        patience: u64,
        begin: impl FnOnce(*mut OVERLAPPED) -> BOOL,
    ) -> io::Result<usize> {
        let done = Event::new()?;
        let mut call = OVERLAPPED {
            hEvent: done.raw(),
            ..OVERLAPPED::default()
        };
        match check(begin(&raw mut call)) {
            Err(error) if !is(&error, ERROR_IO_PENDING) => return Err(error),
            _ => {}
        }
        let patience = (patience != u64::MAX).then(|| Duration::from_millis(patience));
        let is_done = wait_for_either(&done, &self.0.hung_up, patience) == Some(0);
        if !is_done {
            // It may be done all the same by now; what has come of it is asked below.
            // SAFETY: the handle is open, and `call` lives until its result is there.
            unsafe { CancelIoEx(raw(&self.0.handle), &raw const call) };
        }
        let mut count = 0;
        // SAFETY: as above; this waits for the end of the call, after which nothing refers to `call` any more.
        let result = check(unsafe {
            GetOverlappedResult(raw(&self.0.handle), &raw const call, &raw mut count, 1)
        });
        match result {
            Ok(()) => Ok(count as usize),
            Err(error) if is(&error, ERROR_OPERATION_ABORTED) => Err(if self.has_hung_up() {
                io::ErrorKind::ConnectionAborted.into()
            } else {
                io::ErrorKind::TimedOut.into()
            }),
            Err(error) => Err(error),
        }
    }

    fn has_hung_up(&self) -> bool {
        self.0.hung_up.has_happened()
    }
}

fn millis(patience: Option<Duration>) -> u64 {
    patience.map_or(u64::MAX, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}

impl Read for &Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let has_hung_up = self.has_hung_up();
        let last_words = self.0.last_words.load(Ordering::Acquire);
        if has_hung_up && last_words == 0 {
            return Ok(0);
        }
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let patience = self.0.read_patience.load(Ordering::Relaxed);
        let result = self.transfer(patience, |call| {
            // SAFETY: handle, buffer and `call` live until the call has ended, for which `transfer` waits.
            unsafe {
                ReadFile(
                    raw(&self.0.handle),
                    buffer.as_mut_ptr(),
                    length,
                    std::ptr::null_mut(),
                    call,
                )
            }
        });
        match result {
            Ok(count) if has_hung_up => {
                let left = last_words.saturating_sub(count);
                self.0.last_words.store(left, Ordering::Release);
                Ok(count)
            }
            Err(error) if is_over(&error) => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(0),
            result => result,
        }
    }
}

fn is_over(error: &io::Error) -> bool {
    [ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_NO_DATA]
        .iter()
        .any(|code| is(error, *code))
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for &Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_hung_up() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let patience = self.0.write_patience.load(Ordering::Relaxed);
        self.transfer(patience, |call| {
            // SAFETY: handle, buffer and `call` live until the call has ended, for which `transfer` waits.
            unsafe {
                WriteFile(
                    raw(&self.0.handle),
                    bytes.as_ptr(),
                    length,
                    std::ptr::null_mut(),
                    call,
                )
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link, both ends.
pub(crate) fn link() -> io::Result<(Link, Link)> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!(
        "{PIPES}clean-slate-link-{:032x}",
        u128::from_ne_bytes(random)
    );
    let near = Link::new(make(&name, true, 1)?, true)?;
    let far = Link::new(connect(&name)?, false)?;
    Ok((near, far))
}

/// Makes one end of a pipe that only this user can open, on this machine.
pub(super) fn make(name: &str, is_first: bool, instances: u32) -> io::Result<OwnedHandle> {
    let private = Private::new()?;
    let name = wide(name);
    let first = if is_first {
        FILE_FLAG_FIRST_PIPE_INSTANCE
    } else {
        0
    };
    let attributes = private.attributes();
    // SAFETY: the name ends with a zero, and the attributes refer to what `private` holds.
    owned(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            instances,
            ROOM,
            ROOM,
            0,
            &raw const attributes,
        )
    })
}

/// Opens the other end of a pipe. Its maker learns which process this is, and cannot act in its name.
pub(super) fn connect(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(name);
    // SAFETY: the name ends with a zero; the result is checked.
    owned(unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            0,
            std::ptr::null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            std::ptr::null_mut(),
        )
    })
}

/// The far end of a link as a child's standard input.
pub(crate) fn link_to_stdio(link: Link) -> Stdio {
    // Of an end that is in use here too, the child gets nothing, and says so.
    Arc::into_inner(link.0).map_or_else(Stdio::null, |pipe| pipe.handle.into())
}

/// This process's standard input as a link: how a guardian gets its end.
pub(crate) fn link_from_stdin() -> io::Result<Link> {
    let handle = io::stdin().as_handle().try_clone_to_owned()?;
    // SAFETY: the handle is open.
    let kind = unsafe { GetFileType(raw(&handle)) };
    if kind != FILE_TYPE_PIPE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "standard input is no link",
        ));
    }
    Link::new(handle, false)
}

/// Asks the system which process is at the other end.
pub(crate) fn peer(link: &Link) -> io::Result<Peer> {
    let handle = raw(&link.0.handle);
    let mut pid = 0;
    check(if link.0.is_server {
        // SAFETY: the handle is open, and the result goes to live memory.
        unsafe { GetNamedPipeClientProcessId(handle, &raw mut pid) }
    } else {
        // SAFETY: as above.
        unsafe { GetNamedPipeServerProcessId(handle, &raw mut pid) }
    })?;
    let user = owner(pid).ok_or(io::ErrorKind::PermissionDenied)?;
    Ok(Peer {
        pid: Some(pid),
        user,
    })
}

pub(super) fn check_peer(link: &Link) -> io::Result<()> {
    if peer(link)?.user == own_user() {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the other end belongs to another user",
        ))
    }
}

/// Gives up on the other end of a link when it says nothing for so long.
#[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
pub(crate) fn limit_patience(link: &Link, patience: Duration) -> io::Result<()> {
    link.0
        .read_patience
        .store(millis(Some(patience)), Ordering::Relaxed);
    Ok(())
}

/// There is room from the beginning.
pub(crate) fn make_room(_link: &Link) {}

/// Ends a link for every copy of this end, and for the other one as soon as it has heard what was said before.
pub(crate) fn hang_up(link: &Link) {
    // It fails for no event that is open.
    let _ = link.0.hung_up.set();
}

/// Waits until the process at the other end of a link has exited, and ends the link when what it has said was heard.
///
/// The system does that by itself, unless a process has taken a copy of the other end (`DuplicateHandle`).
pub(crate) fn hang_up_after(other: &Identity, link: &Link) {
    // A process that cannot be watched is left to the system.
    let Ok(handle) = pin(other) else { return };
    if let Some(handle) = handle {
        wait_for_exit(&handle);
    }
    // More than there is room for it cannot have said.
    link.0.last_words.store(ROOM as usize, Ordering::Release);
    hang_up(link);
}
