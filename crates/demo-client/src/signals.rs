//! Being told of SIGTERM instead of ended by it. The one file that differs between systems.

use std::io;

/// Calls `notify` on a thread of its own for each SIGTERM, which from now on has no other effect.
///
/// # Errors
///
/// Fails where there is no SIGTERM (Windows), so that nobody believes a client deaf that is not.
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

#[cfg(not(unix))]
pub(crate) fn on_terminate(_notify: impl Fn() + Send + 'static) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no SIGTERM",
    ))
}
