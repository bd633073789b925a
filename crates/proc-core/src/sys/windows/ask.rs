//! Asking a program to end: by closing its windows, or by Ctrl+Break in its console.

use std::io;
use std::sync::Mutex;

use windows_sys::Win32::Foundation::{HWND, LPARAM};
use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent,
    GetConsoleProcessList, SetConsoleCtrlHandler,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    EnumWindows, GetWindowThreadProcessId, PostMessageW, WM_CLOSE,
};
use windows_sys::core::BOOL;

use super::call::check;

/// A process has one console at most.
static CONSOLE: Mutex<()> = Mutex::new(());

/// Asks a program to end, in whatever way it can be asked.
pub(super) fn ask(pid: u32) -> io::Result<()> {
    close_windows(pid)?;
    // It has no console, or one that this process may not share.
    let _ = break_in_console(pid);
    Ok(())
}

struct Search {
    pid: u32,
    found: Vec<HWND>,
}

fn close_windows(pid: u32) -> io::Result<()> {
    let mut search = Search {
        pid,
        found: Vec::new(),
    };
    // SAFETY: the function gets the address of what it expects, which lives longer than the call.
    check(unsafe {
        EnumWindows(
            Some(note),
            (&raw mut search).expose_provenance().cast_signed(),
        )
    })?;
    for window in search.found {
        // One that is gone by now needs no closing.
        // SAFETY: a window's handle is a number that the system looks up.
        unsafe { PostMessageW(window, WM_CLOSE, 0, 0) };
    }
    Ok(())
}

extern "system" fn note(window: HWND, search: LPARAM) -> BOOL {
    let search: *mut Search = std::ptr::with_exposed_provenance_mut(search.cast_unsigned());
    // SAFETY: `close_windows` has handed over the address of its own value, which nobody else uses meanwhile.
    let search = unsafe { &mut *search };
    let mut pid = 0;
    // SAFETY: the result goes to live memory.
    unsafe { GetWindowThreadProcessId(window, &raw mut pid) };
    if pid == search.pid {
        search.found.push(window);
    }
    1
}

/// Only for a process that has no console itself: it would have to leave its own.
fn break_in_console(pid: u32) -> io::Result<()> {
    let _one_at_a_time = CONSOLE.lock();
    let mut first = 0;
    // SAFETY: there is room for one.
    if unsafe { GetConsoleProcessList(&raw mut first, 1) } != 0 {
        return Ok(());
    }
    // SAFETY: it takes no memory.
    check(unsafe { AttachConsole(pid) })?;
    // Whoever is in a console is told of what happens in it.
    // SAFETY: the function lives as long as the program.
    let deaf = check(unsafe { SetConsoleCtrlHandler(Some(ignore), 1) });
    // Wine has no Ctrl+Break. Windows, which has it, gives Ctrl+C to no group.
    let asked =
        deaf.and_then(|()| press(CTRL_BREAK_EVENT, pid).or_else(|_| press(CTRL_C_EVENT, pid)));
    // SAFETY: it takes no memory. Nothing of this process refers to the console.
    let left = check(unsafe { FreeConsole() });
    asked.and(left)
}

/// For a group of processes in the console that this process is in.
fn press(keys: u32, group: u32) -> io::Result<()> {
    // SAFETY: it takes no memory.
    check(unsafe { GenerateConsoleCtrlEvent(keys, group) })
}

extern "system" fn ignore(_how: u32) -> BOOL {
    1
}
