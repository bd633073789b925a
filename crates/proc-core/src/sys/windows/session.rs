//! How a guardian hears that the session ends: the user logs off, or the system shuts down.
//!
//! The system tells windows of that. It tells consoles too, but not those programs in them that have anything to do with
//! windows, and this one closes those of others. So a guardian has a window that is never shown.
//!
//! A launcher needs none. The system tells one program after the other, and waits for each: as long as the guardian ends
//! the run, no other program is told to end, neither the launcher nor the clients.

use std::io;
use std::sync::mpsc;
use std::thread;

use windows_sys::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows_sys::Win32::System::Threading::SetProcessShutdownParameters;
use windows_sys::Win32::System::WindowsProgramming::SHUTDOWN_NORETRY;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DispatchMessageW, GetMessageW, MSG, RegisterClassW, WM_CLOSE,
    WM_ENDSESSION, WM_QUERYENDSESSION, WNDCLASSW,
};
use windows_sys::w;

use super::call::check;
use super::completion_port::{REQUEST, SESSION, post};

/// The first turn that a program may ask for. Those that do not ask come at 0x280.
const TURN: u32 = 0x3ff;

/// From now on this process hears of the end of its session, and of requests to close its window (`taskkill`).
///
/// It fails where there is no desktop, as for a service: there no user logs off.
pub(super) fn hear_of_end() -> io::Result<()> {
    // A program that takes too long is ended, and the user is not asked about it.
    // SAFETY: it takes no memory.
    check(unsafe { SetProcessShutdownParameters(TURN, SHUTDOWN_NORETRY) })?;
    let (made, is_made) = mpsc::channel();
    // A window is its thread's, which has to listen for as long as the window is there.
    thread::Builder::new()
        .name("session".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            let window = make_window();
            let is_there = window.is_ok();
            // The thread that has made this one waits for that.
            let _ = made.send(window);
            if is_there {
                listen();
            }
        })?;
    is_made.recv().map_err(io::Error::other)?
}

fn make_window() -> io::Result<()> {
    let name = w!("clean-slate-guardian");
    let class = WNDCLASSW {
        lpfnWndProc: Some(hear),
        lpszClassName: name,
        ..WNDCLASSW::default()
    };
    // SAFETY: the name ends with a zero, and the function lives as long as the program.
    if unsafe { RegisterClassW(&raw const class) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let null = std::ptr::null_mut();
    // SAFETY: the name is that of the class, and nothing else refers to memory.
    let window = unsafe { CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, null, null, null, null) };
    if window.is_null() {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn listen() {
    let mut message = MSG::default();
    // SAFETY: the message goes to live memory.
    while unsafe { GetMessageW(&raw mut message, std::ptr::null_mut(), 0, 0) } > 0 {
        // SAFETY: the message is the one that was just got.
        unsafe { DispatchMessageW(&raw const message) };
    }
}

/// Called by the system, on the thread that listens.
extern "system" fn hear(window: HWND, message: u32, word: WPARAM, long: LPARAM) -> LRESULT {
    match message {
        // No user is kept from logging off.
        WM_QUERYENDSESSION => 1,
        WM_ENDSESSION if word != 0 => {
            post(SESSION);
            // When this returns, the system ends the process. It does so in some seconds anyway, and until then the run
            // can be ended, with which this process ends.
            loop {
                thread::park();
            }
        }
        WM_CLOSE => {
            post(REQUEST);
            0
        }
        // SAFETY: everything is as it came from the system.
        _ => unsafe { DefWindowProcW(window, message, word, long) },
    }
}
