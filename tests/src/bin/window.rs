//! A client with a window and no console: `window PORT [ask]`. Asked to close, it ends; or it asks whether to save, as an
//! editor does, and waits for an answer.
//!
//! It has another window besides, such as a terminal gives to its consoles. That is not to be closed: it fails then.
//!
//! It answers every request on its port, so that it counts as ready. Only Windows has such windows; elsewhere it says so.

#![cfg_attr(windows, windows_subsystem = "windows")]

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "windows are reached through functions that are unsafe to call"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "it only has to be there for a while"
)]
fn show(port: u16, asks: bool) -> std::io::Result<()> {
    use std::io::{Error, Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::ptr::null;
    use std::thread;
    use std::time::Duration;

    use windows_sys::Win32::UI::WindowsAndMessaging::{
        CreateWindowExW, DefWindowProcW, DispatchMessageW, GetMessageW, MB_YESNO, MSG, MessageBoxW,
        RegisterClassW, WM_CLOSE, WNDCLASSW, WS_OVERLAPPEDWINDOW, WS_POPUP,
    };
    use windows_sys::core::PCWSTR;
    use windows_sys::w;

    /// Less than 90 s, so that nothing outlives a test that failed to end it by much.
    const LIFE: Duration = Duration::from_secs(85);

    thread::spawn(|| {
        thread::sleep(LIFE);
        std::process::abort();
    });
    let title = w!("a window");
    let open = |class: PCWSTR, style: u32| {
        // SAFETY: class and title end with a zero.
        let window = unsafe {
            CreateWindowExW(
                0,
                class,
                title,
                style,
                0,
                0,
                320,
                200,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                null(),
            )
        };
        if window.is_null() {
            Err(Error::last_os_error())
        } else {
            Ok(window)
        }
    };
    let window = open(w!("STATIC"), WS_OVERLAPPEDWINDOW)?;
    let class = WNDCLASSW {
        lpfnWndProc: Some(DefWindowProcW),
        lpszClassName: w!("PseudoConsoleWindow"),
        ..WNDCLASSW::default()
    };
    // SAFETY: the name of the class ends with a zero, and its function lives as long as the program.
    if unsafe { RegisterClassW(&raw const class) } == 0 {
        return Err(Error::last_os_error());
    }
    let pseudo_console = open(class.lpszClassName, WS_POPUP)?;
    // Only from here on: a client that is ready has its window.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let mut message = MSG::default();
    // SAFETY: the message goes to live memory.
    while unsafe { GetMessageW(&raw mut message, std::ptr::null_mut(), 0, 0) } > 0 {
        match message.message {
            WM_CLOSE if message.hwnd == window && asks => {
                // SAFETY: text and title end with a zero.
                unsafe { MessageBoxW(window, w!("Save changes?"), title, MB_YESNO) };
            }
            WM_CLOSE if message.hwnd == window => return Ok(()),
            WM_CLOSE if message.hwnd == pseudo_console => {
                return Err(std::io::ErrorKind::InvalidInput.into());
            }
            _ => {
                // SAFETY: the message is the one that was just got.
                unsafe { DispatchMessageW(&raw const message) };
            }
        }
    }
    Ok(())
}

#[cfg(not(windows))]
fn show(_port: u16, _asks: bool) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = arguments.first().and_then(|port| port.parse().ok());
    let asks = arguments.get(1).is_some_and(|word| word == "ask");
    match port.map(|port| show(port, asks)) {
        Some(Ok(())) => std::process::ExitCode::SUCCESS,
        _ => std::process::ExitCode::FAILURE,
    }
}
