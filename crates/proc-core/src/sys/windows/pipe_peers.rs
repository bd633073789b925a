//! What a process's standard streams lead to, seen through duplicates of its handles.
//!
//! What is at the other end of an anonymous pipe is not told: the system names its maker alone, gives its ends no
//! number in common, and keeps the addresses of objects from all but administrators. To ask an end anything may
//! moreover take as long as a read from it lasts, which for the reader of this very program's output is until this
//! program has written more. So little is asked: whether two handles are one object, which never waits, and whether it
//! is a pipe, which is asked for a moment only.

use std::collections::BTreeSet;
use std::os::windows::io::OwnedHandle;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_INVALID_HANDLE, HANDLE, INVALID_HANDLE_VALUE,
    NTSTATUS, STATUS_SUCCESS,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::call::{check, is, owned, raw};
use super::facts::standard_handles;
use crate::pipe_peers::{PipePeer, PipePeers};

/// How long a stream may take to say what it is. One that takes longer is in the middle of a read.
const PATIENCE: Duration = Duration::from_millis(250);

/// Streams that did not say what they are: the process, and its handle. They are not asked again; a thread is still
/// waiting for the first answer.
static BUSY: Mutex<BTreeSet<(u32, usize)>> = Mutex::new(BTreeSet::new());

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    /// Whether two handles are one object. Since Windows 10; no access to the object is needed.
    fn NtCompareObjects(first: HANDLE, second: HANDLE) -> NTSTATUS;
}

/// A standard stream of another process.
enum End {
    /// There is none.
    None,
    /// It may not be looked at.
    Hidden,
    /// It is this handle to that process.
    Open(OwnedHandle, usize),
}

/// What the standard streams of a process lead to, compared with those of its parent.
#[expect(
    clippy::unnecessary_wraps,
    reason = "where pipes have numbers, nothing is compared"
)]
pub(crate) fn pipe_peers(pid: u32, parent: u32) -> Option<PipePeers> {
    let [input, output, errors] = ends(pid);
    let [above, above_output, above_errors] = ends(parent);
    let written = [above_output, above_errors];
    let output = pipe_peer(pid, output, &written);
    let errors = pipe_peer(pid, errors, &written);
    // What may be a pipe that was made for it matters most.
    let ranked = [PipePeer::Pipe, PipePeer::Unknown, PipePeer::Inherited];
    let output = ranked
        .into_iter()
        .find(|rank| output == *rank || errors == *rank);
    Some(PipePeers {
        input: pipe_peer(pid, input, &[above]),
        output: output.unwrap_or(PipePeer::Elsewhere),
    })
}

fn ends(pid: u32) -> [End; 3] {
    let Some((process, handles)) = standard_handles(pid) else {
        return [End::Hidden, End::Hidden, End::Hidden];
    };
    handles.map(|handle| duplicate(&process, handle))
}

fn duplicate(process: &OwnedHandle, handle: usize) -> End {
    let theirs: HANDLE = std::ptr::without_provenance_mut(handle);
    if theirs.is_null() || theirs == INVALID_HANDLE_VALUE {
        return End::None;
    }
    // SAFETY: it takes nothing.
    let own = unsafe { GetCurrentProcess() };
    let mut duplicate: HANDLE = std::ptr::null_mut();
    // SAFETY: both processes are open, and the result goes to live memory.
    let result = unsafe {
        DuplicateHandle(
            raw(process),
            theirs,
            own,
            &raw mut duplicate,
            0,
            0,
            DUPLICATE_SAME_ACCESS,
        )
    };
    match check(result).and_then(|()| owned(duplicate)) {
        Ok(end) => End::Open(end, handle),
        // It has closed the stream.
        Err(error) if is(&error, ERROR_INVALID_HANDLE) => End::None,
        Err(_) => End::Hidden,
    }
}

fn pipe_peer(pid: u32, end: End, above: &[End]) -> PipePeer {
    let (end, handle) = match end {
        End::None => return PipePeer::Elsewhere,
        End::Hidden => return PipePeer::Unknown,
        End::Open(end, handle) => (end, handle),
    };
    if above.iter().any(|above| is_same(&end, above)) {
        return PipePeer::Inherited;
    }
    let busy = || BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    if busy().contains(&(pid, handle)) {
        return PipePeer::Unknown;
    }
    match within(PATIENCE, move || file_type(&end)) {
        Some(FILE_TYPE_PIPE) => PipePeer::Pipe,
        Some(_) => PipePeer::Elsewhere,
        None => {
            busy().insert((pid, handle));
            PipePeer::Unknown
        }
    }
}

fn is_same(end: &OwnedHandle, above: &End) -> bool {
    let End::Open(above, _) = above else {
        return false;
    };
    // SAFETY: both handles are open for as long as they are borrowed.
    unsafe { NtCompareObjects(raw(end), raw(above)) == STATUS_SUCCESS }
}

fn file_type(end: &OwnedHandle) -> u32 {
    // SAFETY: the handle is open for as long as it is borrowed.
    unsafe { GetFileType(raw(end)) }
}

/// Asks what may take for ever. Nothing can end such a call, so that its thread stays behind until it is answered, or
/// this process ends.
fn within<T: Send + 'static>(
    patience: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let asked = thread::Builder::new()
        .name("stream".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || {
            // The receiver may be gone by now.
            let _ = tell.send(ask());
        });
    asked.ok()?;
    told.recv_timeout(patience).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_not_waited_for() {
        assert_eq!(within(Duration::from_mins(1), || 7), Some(7));
        let (keep, answer) = mpsc::channel::<()>();
        assert_eq!(within(Duration::ZERO, move || answer.recv()), None);
        drop(keep);
    }
}
