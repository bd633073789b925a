//! Takes copies of all handles of another process, says of how many, and keeps them: `thief PID`.
//!
//! It ends when its standard input does, and by itself in a minute. Only Windows has handles that can be taken this way;
//! elsewhere it says so.

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "handles are copied by functions that are unsafe to call"
)]
fn take(pid: u32) -> std::io::Result<usize> {
    use std::io::Error;

    use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle};
    use windows_sys::Win32::System::Threading::{
        GetCurrentProcess, OpenProcess, PROCESS_DUP_HANDLE,
    };

    // SAFETY: it takes no memory.
    let from = unsafe { OpenProcess(PROCESS_DUP_HANDLE, 0, pid) };
    if from.is_null() {
        return Err(Error::last_os_error());
    }
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    // Handles are multiples of 4, and a process has its first ones soon.
    let copied = (4..4096).step_by(4).filter(|number| {
        let theirs = std::ptr::without_provenance_mut(*number);
        let mut ours = std::ptr::null_mut();
        // SAFETY: both processes are open, and the result goes to live memory. It is never closed.
        let result = unsafe {
            DuplicateHandle(
                from,
                theirs,
                this,
                &raw mut ours,
                0,
                0,
                DUPLICATE_SAME_ACCESS,
            )
        };
        result != 0
    });
    Ok(copied.count())
}

#[cfg(not(windows))]
fn take(_pid: u32) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "it only has to be there for a while"
)]
fn main() -> std::io::Result<()> {
    use std::io::{Error, ErrorKind, Read, Write, stdin, stdout};

    let pid = std::env::args().nth(1).ok_or(ErrorKind::InvalidInput)?;
    let count = take(pid.parse().map_err(Error::other)?)?;
    std::thread::spawn(|| {
        std::thread::sleep(std::time::Duration::from_mins(1));
        std::process::abort()
    });
    writeln!(stdout(), "{count}")?;
    stdin().read_to_end(&mut Vec::new()).map(drop)
}
