//! Runs a program on a desktop of its own, and ends with its exit code: `desktop NAME PROGRAM [ARGUMENT…]`.
//!
//! Whatever that program starts is on the same desktop, which is there until the last of them has left. What ends the
//! session of one desktop does not reach the others. Only Windows has desktops; elsewhere it says so.

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "desktops are reached through functions that are unsafe to call"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test that calls it has a deadline, and ends what it starts"
)]
fn run(name: &str, program: &str, arguments: &[String]) -> std::io::Result<i32> {
    use std::io::Error;
    use std::process::Command;
    use std::ptr::null;

    use windows_sys::Win32::Foundation::GENERIC_ALL;
    use windows_sys::Win32::System::StationsAndDesktops::{CreateDesktopW, SetThreadDesktop};

    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // One that is there already is opened.
    // SAFETY: the name ends with a zero.
    let desktop = unsafe { CreateDesktopW(name.as_ptr(), null(), null(), 0, GENERIC_ALL, null()) };
    // SAFETY: whether there is such a desktop is for the system to check. It is never closed, so it stays open.
    if desktop.is_null() || unsafe { SetThreadDesktop(desktop) } == 0 {
        return Err(Error::last_os_error());
    }
    let status = Command::new(program).args(arguments).status()?;
    Ok(status.code().unwrap_or(-1))
}

#[cfg(not(windows))]
fn run(_name: &str, _program: &str, _arguments: &[String]) -> std::io::Result<i32> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, program, arguments @ ..] = arguments.as_slice() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    std::process::exit(run(name, program, arguments)?);
}
