//! Looking at processes, each through a handle of its own.
//!
//! Every function answers `None` where the process is gone or may not be looked at; callers treat both as "nothing is
//! known", which never selects a process for anything. What the system lists of each process (`listing.rs`) is known of
//! those too that may not be opened.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::OwnedHandle;
use std::path::PathBuf;

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, FILETIME, STATUS_SUCCESS};
use windows_sys::Win32::System::RemoteDesktop::ProcessIdToSessionId;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_BASIC_INFORMATION,
    PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    QueryFullProcessImageNameW,
};

use super::call::{check, has_ended, is, owned, raw};
use super::listing::{is_kernel, stats};
use crate::identity::{Boot, Identity};
use crate::sys::Stat;

/// One for all boots: a process is created at a moment in time, not so long after a boot.
#[expect(clippy::unnecessary_wraps, reason = "other systems have to ask")]
pub(crate) fn boot() -> io::Result<Boot> {
    Ok(Boot::new(0))
}

/// There is only one.
#[expect(clippy::unnecessary_wraps, reason = "other systems have to ask")]
pub(crate) fn pid_namespace() -> io::Result<u64> {
    Ok(0)
}

/// Opens a process to be looked at and waited for.
pub(super) fn open(pid: u32) -> io::Result<OwnedHandle> {
    open_for(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)
}

pub(super) fn open_for(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> io::Result<OwnedHandle> {
    // SAFETY: it takes no memory; the result is checked.
    owned(unsafe { OpenProcess(rights, 0, pid) })
}

/// Lineage and creation time of a process.
pub(crate) fn stat(pid: u32, boot: Boot) -> Option<Stat> {
    let process = match open(pid) {
        Ok(process) => process,
        Err(error) if is(&error, ERROR_ACCESS_DENIED) => {
            return stats(boot).ok()?.find(|stat| stat.identity.pid == pid);
        }
        Err(_) => return None,
    };
    let identity = Identity {
        pid,
        start: creation_time(&process)?,
        boot,
    };
    let basics = basics(&process)?;
    // Windows opens the same process for each of the four numbers from its PID on, which are no process's.
    if u32::try_from(basics.UniqueProcessId) != Ok(pid) {
        return None;
    }
    let parent = u32::try_from(basics.InheritedFromUniqueProcessId).ok()?;
    let path = image(&process);
    let name = path.as_ref().and_then(|path| path.file_name());
    let short_name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Some(Stat {
        identity,
        parent,
        group: 0,
        session: session(pid).unwrap_or(NO_SESSION),
        zombie: has_ended(&process),
        kernel: is_kernel(pid, parent, &short_name),
        short_name,
    })
}

/// What stands for a session that the system does not tell. By its word a right is needed that a look need not have, and a
/// process is there all the same.
const NO_SESSION: u32 = u32::MAX;

fn session(pid: u32) -> Option<u32> {
    let mut session = 0;
    // SAFETY: the result goes to live memory.
    check(unsafe { ProcessIdToSessionId(pid, &raw mut session) }).ok()?;
    Some(session)
}

/// Whether a process may have been put in the place of another, as the emulators of Unix do it whose library lies beside
/// each of their programs: when one of their processes executes a program, they start that anew, and the first one leaves.
pub(crate) fn takes_a_place(pid: u32) -> bool {
    const EMULATORS: [&str; 2] = ["msys-2.0.dll", "cygwin1.dll"];
    let program = open(pid).ok().and_then(|process| image(&process));
    program.is_some_and(|program| {
        EMULATORS
            .iter()
            .any(|library| program.with_file_name(library).is_file())
    })
}

/// When a process was created, in units of 100 ns.
pub(super) fn creation_time(process: &OwnedHandle) -> Option<u64> {
    times(process).map(|[created, _]| created)
}

/// The CPU time that a process has used so far, in units of 100 ns; in the kernel too, while it ends.
pub(crate) fn work(pid: u32) -> Option<u64> {
    times(&open(pid).ok()?).map(|[_, used]| used)
}

/// When a process was created, and how long it has run, in units of 100 ns.
fn times(process: &OwnedHandle) -> Option<[u64; 2]> {
    const NEVER: FILETIME = FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    };
    let [mut created, mut ended, mut kernel, mut user] = [NEVER; 4];
    // SAFETY: the handle is open, and all four results go to live memory.
    let result = unsafe {
        GetProcessTimes(
            raw(process),
            &raw mut created,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    };
    check(result).ok()?;
    let number =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Some([number(created), number(kernel) + number(user)])
}

/// What the system keeps about a process for its own use.
pub(super) fn basics(process: &OwnedHandle) -> Option<PROCESS_BASIC_INFORMATION> {
    let mut basics = PROCESS_BASIC_INFORMATION {
        ExitStatus: 0,
        PebBaseAddress: std::ptr::null_mut(),
        AffinityMask: 0,
        BasePriority: 0,
        UniqueProcessId: 0,
        InheritedFromUniqueProcessId: 0,
    };
    let size = u32::try_from(size_of_val(&basics)).ok()?;
    // SAFETY: the handle is open, and the result goes to live memory of this length.
    let status = unsafe {
        NtQueryInformationProcess(
            raw(process),
            ProcessBasicInformation,
            (&raw mut basics).cast(),
            size,
            std::ptr::null_mut(),
        )
    };
    (status == STATUS_SUCCESS).then_some(basics)
}

/// The file that a process executes.
pub(crate) fn executable(pid: u32) -> Option<PathBuf> {
    image(&open(pid).ok()?)
}

pub(super) fn image(process: &OwnedHandle) -> Option<PathBuf> {
    // The longest path that there is.
    let mut path = vec![0_u16; 32768];
    let mut length = u32::try_from(path.len()).ok()?;
    // SAFETY: the handle is open, and the memory is as long as is said.
    let result = unsafe {
        QueryFullProcessImageNameW(
            raw(process),
            PROCESS_NAME_WIN32,
            path.as_mut_ptr(),
            &raw mut length,
        )
    };
    check(result).ok()?;
    Some(PathBuf::from(OsString::from_wide(
        path.get(..length as usize)?,
    )))
}

/// A debugger is found by nothing that another process could ask.
pub(crate) fn tracer(_pid: u32) -> Option<u32> {
    None
}
