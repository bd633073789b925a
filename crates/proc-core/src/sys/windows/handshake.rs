//! What a launcher hands to its guardian over their link: its standard streams, and leases.

use std::io::{self, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::process::Stdio;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, PROCESS_DUP_HANDLE};

use super::call::{check, owned, raw};
use super::console::Console;
use super::link::{Link, peer};
use super::process::open_for;
use super::socket::PortLease;
use crate::stdio_policy::StdioPolicy;

/// The standard streams of a launcher, for its test command: input, output, error. `None`: it has none of that kind.
#[derive(Debug)]
pub(crate) struct StdStreams {
    handles: [Option<OwnedHandle>; 3],
    /// Whose they are.
    lender: u32,
}

impl StdStreams {
    /// The streams for one child.
    pub(crate) fn to_stdio(&self) -> io::Result<[Stdio; 3]> {
        let [input, output, error] = &self.handles;
        let stdio = |stream: &Option<OwnedHandle>| -> io::Result<Stdio> {
            Ok(match stream {
                Some(handle) => handle.try_clone()?.into(),
                None => Stdio::null(),
            })
        };
        Ok([stdio(input)?, stdio(output)?, stdio(error)?])
    }

    /// Enters the console of the process that has lent the streams, so that a child shares it: what is pressed there
    /// reaches both. `None`: there is none.
    pub(crate) fn console(&self) -> Option<Console> {
        Console::of(self.lender).ok()
    }
}

/// Says which of this process's standard streams are lent, and which leases the other end takes over.
///
/// The other end fetches the streams itself: the numbers of handles mean something in this process only, which has to
/// live until it has heard the answer to what it says next.
pub(crate) fn send_handshake(
    mut link: &Link,
    policy: StdioPolicy,
    leases: &[PortLease],
) -> io::Result<()> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let streams = match policy {
        StdioPolicy::Nothing => [std::ptr::null_mut(); 3],
        StdioPolicy::Everything => [
            input.as_raw_handle(),
            output.as_raw_handle(),
            error.as_raw_handle(),
        ],
        StdioPolicy::AllButOutput => [
            input.as_raw_handle(),
            error.as_raw_handle(),
            error.as_raw_handle(),
        ],
    };
    let mut words = vec![u64::from(policy != StdioPolicy::Nothing)];
    words.extend(streams.iter().map(|stream| stream.addr() as u64));
    words.push(leases.len() as u64);
    words.extend(leases.iter().map(|lease| u64::from(lease.port())));
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    link.write_all(&bytes)
}

/// Receives what [`send_handshake`] said, and takes what is lent.
pub(crate) fn receive_handshake(link: &Link) -> io::Result<(Option<StdStreams>, Vec<PortLease>)> {
    let is_lent = word(link)? != 0;
    let handles = [word(link)?, word(link)?, word(link)?];
    let streams = if is_lent {
        let lender = peer(link)?.pid.ok_or(io::ErrorKind::NotFound)?;
        let launcher = open_for(lender, PROCESS_DUP_HANDLE)?;
        let handles = handles.map(|handle| fetch(&launcher, handle).ok());
        Some(StdStreams { handles, lender })
    } else {
        None
    };
    let leases = (0..word(link)?).map(|_| {
        let port = u16::try_from(word(link)?).map_err(io::Error::other)?;
        PortLease::take_over(port)
    });
    Ok((streams, leases.collect::<io::Result<_>>()?))
}

fn word(mut link: &Link) -> io::Result<u64> {
    let mut bytes = [0; 8];
    link.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Makes a handle of another process one of this process, which no child inherits.
fn fetch(from: &OwnedHandle, handle: u64) -> io::Result<OwnedHandle> {
    let handle = usize::try_from(handle).map_err(io::Error::other)?;
    let theirs: HANDLE = std::ptr::without_provenance_mut(handle);
    if theirs.is_null() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    let mut ours = std::ptr::null_mut();
    // SAFETY: both processes are open; whether the other has such a handle is for the system to check.
    check(unsafe {
        DuplicateHandle(
            raw(&from.as_handle()),
            theirs,
            this,
            &raw mut ours,
            0,
            0,
            DUPLICATE_SAME_ACCESS,
        )
    })?;
    owned(ours)
}
