//! Reads the console of another process, or presses a key in it: `console (press | close | list | title | stay) PID`.
//!
//! `press` is Ctrl+C, for every process in that console; `close` is the button of its window. `stay` says that it is
//! there, and stays until it gets a line; then it fails if the console was closed. It is a program of its own because a
//! process that enters another's console has to leave its own. Only Windows has consoles; elsewhere it says so.

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "consoles are reached through functions that are unsafe to call"
)]
fn act(action: &str, pid: u32) -> std::io::Result<()> {
    use std::io::{Error, Write};

    use windows_sys::Win32::System::Console::{
        AttachConsole, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleProcessList,
        GetConsoleTitleW, GetConsoleWindow, SetConsoleCtrlHandler,
    };
    use windows_sys::Win32::UI::WindowsAndMessaging::{PostMessageW, WM_CLOSE};

    let check = |result: i32| {
        if result == 0 {
            Err(Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // It fails where there is none.
    // SAFETY: it takes no memory.
    unsafe { FreeConsole() };
    // SAFETY: it takes no memory.
    check(unsafe { AttachConsole(pid) })?;
    match action {
        "press" => {
            // SAFETY: no function is handed over.
            check(unsafe { SetConsoleCtrlHandler(None, 1) })?;
            // SAFETY: it takes no memory.
            check(unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) })?;
        }
        "close" => {
            // SAFETY: it takes no memory.
            let window = unsafe { GetConsoleWindow() };
            // SAFETY: it takes no memory.
            check(unsafe { FreeConsole() })?;
            // SAFETY: a window's handle is a number that the system looks up.
            check(unsafe { PostMessageW(window, WM_CLOSE, 0, 0) })?;
        }
        "list" => {
            let mut pids = [0; 64];
            // SAFETY: there is room for so many.
            let count = unsafe { GetConsoleProcessList(pids.as_mut_ptr(), 64) };
            for pid in pids.iter().take(usize::try_from(count).unwrap_or(0)) {
                writeln!(std::io::stdout(), "{pid}")?;
            }
        }
        "stay" => {
            // SAFETY: no function is handed over.
            check(unsafe { SetConsoleCtrlHandler(None, 1) })?;
            writeln!(std::io::stdout(), "here")?;
            std::io::stdin().read_line(&mut String::new())?;
            // SAFETY: there is room for so many.
            check(unsafe { GetConsoleTitleW([0; 512].as_mut_ptr(), 512) }.cast_signed())?;
        }
        "title" => {
            let mut title = [0; 512];
            // SAFETY: there is room for so many.
            let length = unsafe { GetConsoleTitleW(title.as_mut_ptr(), 512) };
            let length = usize::try_from(length).unwrap_or(0);
            writeln!(
                std::io::stdout(),
                "{}",
                String::from_utf16_lossy(&title[..length])
            )?;
        }
        _ => return Err(std::io::ErrorKind::InvalidInput.into()),
    }
    Ok(())
}

#[cfg(not(windows))]
fn act(_action: &str, _pid: u32) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [action, pid] => act(action, pid.parse().map_err(std::io::Error::other)?),
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    }
}
