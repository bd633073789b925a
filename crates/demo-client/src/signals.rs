//! Being told of a request to end instead of ended by it. The one file that differs between systems.

use std::io;

/// What the request is called, in the log.
#[cfg(not(windows))]
pub(crate) const REQUEST: &str = "SIGTERM";
#[cfg(windows)]
pub(crate) const REQUEST: &str = "Ctrl+C";

/// Calls `notify` on a thread of its own for each SIGTERM, which from now on has no other effect.
///
/// On Windows it does so for Ctrl+C and Ctrl+Break in the console, and when the console is closed: the system lets the
/// process live for some seconds then.
///
/// # Errors
///
/// Fails where the system has no such thing, so that no client is taken for deaf that is not.
#[cfg(unix)]
pub(crate) fn on_terminate(notify: impl Fn() + Send + 'static) -> io::Result<()> {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    let (mut arrived, arriving) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, arriving)?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut byte = [0];
            while arrived.read_exact(&mut byte).is_ok() {
                notify();
            }
        })?;
    Ok(())
}

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "the standard library has no way to hear of Ctrl+C"
)]
pub(crate) fn on_terminate(notify: impl Fn() + Send + 'static) -> io::Result<()> {
    use std::sync::{Mutex, PoisonError};

    use windows_sys::Win32::System::Console::{
        CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler,
    };
    use windows_sys::core::BOOL;

    type Notify = Box<dyn Fn() + Send>;
    static LISTENER: Mutex<Option<Notify>> = Mutex::new(None);

    /// Called by the system, on a thread of its own each time.
    extern "system" fn requested(how: u32) -> BOOL {
        let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = listener.as_ref() {
            notify();
        }
        drop(listener);
        // When the console is closed, the system ends the process as soon as this returns.
        if !matches!(how, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
            loop {
                std::thread::park();
            }
        }
        1
    }

    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(notify));
    // SAFETY: the function lives as long as the program.
    if unsafe { SetConsoleCtrlHandler(Some(requested), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
pub(crate) fn on_terminate(_notify: impl Fn() + Send + 'static) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
