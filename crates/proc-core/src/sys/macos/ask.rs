//! Questions to the kernel, each of which is answered with bytes.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::ptr;

/// What the kernel says to a question that is made of numbers. Returns how many of the buffer's bytes it fills.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn sysctl<const N: usize>(
    mut question: [c_int; N],
    buffer: &mut [u8],
) -> io::Result<usize> {
    let count = u32::try_from(N).map_err(io::Error::other)?;
    let mut length = buffer.len();
    // SAFETY: question and buffer are live memory of the lengths that are given, and nothing is to be set.
    let result = unsafe {
        libc::sysctl(
            question.as_mut_ptr(),
            count,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    check(result, length)
}

/// How long the answer to such a question is.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn sysctl_length<const N: usize>(mut question: [c_int; N]) -> io::Result<usize> {
    let count = u32::try_from(N).map_err(io::Error::other)?;
    let mut length = 0;
    // SAFETY: the question is live memory of the length that is given; without a buffer only the length is written.
    let result = unsafe {
        libc::sysctl(
            question.as_mut_ptr(),
            count,
            ptr::null_mut(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    check(result, length)
}

/// What the kernel says to a question that has a name.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn sysctl_by_name(name: &CStr, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = buffer.len();
    // SAFETY: the name ends with a zero, the buffer is live memory of the length that is given, and nothing is to be set.
    let result = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            buffer.as_mut_ptr().cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    check(result, length)
}

/// How long the answer to such a question is.
#[expect(unsafe_code, reason = "nothing safe asks this")]
fn sysctl_length_by_name(name: &CStr) -> io::Result<usize> {
    let mut length = 0;
    // SAFETY: the name ends with a zero; without a buffer only the length is written.
    let result = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            ptr::null_mut(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    check(result, length)
}

/// All that the kernel says to a question that has a name, where the answer may grow between two questions.
pub(super) fn sysctl_list(name: &CStr) -> io::Result<Vec<u8>> {
    // The kernel adds some room to the length that it tells.
    let mut room = sysctl_length_by_name(name)?;
    for _ in 0..GROWTHS {
        let mut list = vec![0; room];
        match sysctl_by_name(name, &mut list) {
            Ok(length) => {
                list.truncate(length);
                return Ok(list);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
                room = room.saturating_mul(2);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(
        "the answer grows faster than the room for it",
    ))
}

/// How many times the room for a growing answer is doubled.
const GROWTHS: usize = 8;

fn check(result: c_int, length: usize) -> io::Result<usize> {
    if result == 0 {
        Ok(length)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The session of a process. `None`: it is gone, or in none.
#[expect(
    unsafe_code,
    reason = "rustix takes every session for a PID, and 0 for none of both"
)]
pub(super) fn session(pid: u32) -> Option<u32> {
    let pid = c_int::try_from(pid).ok()?;
    // SAFETY: the call takes no memory.
    let session = unsafe { libc::getsid(pid) };
    u32::try_from(session).ok().filter(|session| *session != 0)
}

/// The PIDs of one kind, in the kernel's order.
pub(super) fn list_pids(kind: u32, of: u32) -> io::Result<Vec<u32>> {
    const PID: usize = size_of::<c_int>();
    // More processes may be there when the list is made than when its length is asked for. (The kernel makes room of its
    // own for 20 more than it has counted just before. Should more come in that instant, the oldest are left out.)
    let mut room = list_into(kind, of, None)? * 2;
    loop {
        let mut buffer = vec![0; room.max(PID)];
        let length = list_into(kind, of, Some(&mut buffer))?;
        if length < buffer.len() {
            let pids = buffer[..length].chunks_exact(PID);
            let pids = pids.filter_map(|pid| Some(u32::from_ne_bytes(pid.try_into().ok()?)));
            return Ok(pids.collect());
        }
        room = buffer.len() * 2;
    }
}

#[expect(unsafe_code, reason = "nothing safe asks this")]
fn list_into(kind: u32, of: u32, buffer: Option<&mut [u8]>) -> io::Result<usize> {
    let (start, size) = buffer.map_or((ptr::null_mut(), 0), |buffer| {
        (buffer.as_mut_ptr().cast::<c_void>(), buffer.len())
    });
    let size = c_int::try_from(size).map_err(io::Error::other)?;
    // SAFETY: the buffer is live memory of the length that is given; without one, only the length is answered.
    let length = unsafe { libc::proc_listpids(kind, of, start, size) };
    // libproc answers 0 where the kernel says no, and no list is empty that was made with room for more.
    match usize::try_from(length) {
        Ok(0) | Err(_) if kind == PROC_ALL_PIDS => Err(io::Error::last_os_error()),
        length => Ok(length.unwrap_or(0)),
    }
}

/// `PROC_ALL_PIDS` of `bsd/sys/proc_info.h`.
pub(super) const PROC_ALL_PIDS: u32 = 1;
/// What the kernel says of a process. `None`: it is gone, or may not be looked at.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn process_info(pid: u32, flavor: c_int, buffer: &mut [u8]) -> Option<usize> {
    let pid = c_int::try_from(pid).ok()?;
    let size = c_int::try_from(buffer.len()).ok()?;
    // SAFETY: the buffer is live memory of the length that is given.
    let length = unsafe { libc::proc_pidinfo(pid, flavor, 0, buffer.as_mut_ptr().cast(), size) };
    usize::try_from(length).ok().filter(|length| *length > 0)
}

/// How long the answer to such a question may be. `None`: the process is gone, or may not be looked at.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn process_info_length(pid: u32, flavor: c_int) -> Option<usize> {
    let pid = c_int::try_from(pid).ok()?;
    // SAFETY: without a buffer, only the length is answered.
    let length = unsafe { libc::proc_pidinfo(pid, flavor, 0, ptr::null_mut(), 0) };
    // libproc answers 0 where the kernel says no.
    usize::try_from(length).ok().filter(|length| *length > 0)
}

/// What the kernel says of a descriptor of a process.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn descriptor_info(
    pid: u32,
    descriptor: c_int,
    flavor: c_int,
    buffer: &mut [u8],
) -> Option<usize> {
    let pid = c_int::try_from(pid).ok()?;
    let size = c_int::try_from(buffer.len()).ok()?;
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the buffer is live memory of the length that is given.
    let length = unsafe { libc::proc_pidfdinfo(pid, descriptor, flavor, start, size) };
    usize::try_from(length).ok().filter(|length| *length > 0)
}

/// The path of the file that a process executes.
#[expect(unsafe_code, reason = "nothing safe asks this")]
pub(super) fn process_path(pid: u32, buffer: &mut [u8]) -> Option<usize> {
    let pid = c_int::try_from(pid).ok()?;
    let size = u32::try_from(buffer.len()).ok()?;
    // SAFETY: the buffer is live memory of the length that is given.
    let length = unsafe { libc::proc_pidpath(pid, buffer.as_mut_ptr().cast(), size) };
    usize::try_from(length).ok().filter(|length| *length > 0)
}
