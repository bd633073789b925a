//! Which process is at the other end of a Unix socket, by the kernel's word.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::sys::Peer;

/// `struct ucred` of the kernel's `include/linux/socket.h`.
///
/// rustix has a type for it whose PID cannot be 0, but 0 is what the kernel says of a process in a PID namespace that
/// is not below this one: a value of that type would then be undefined behaviour. So this call is made by hand.
#[repr(C)]
#[derive(Default)]
struct Credentials {
    pid: c_int,
    user: u32,
    group: u32,
}

// `asm-generic/socket.h`, and the architectures that differ from it.
const SOL_SOCKET: c_int = if OLD_NUMBERS { 0xffff } else { 1 };
const SO_PEERCRED: c_int = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    0x40
} else if OLD_NUMBERS {
    18
} else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
    21
} else {
    17
};
const OLD_NUMBERS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "mips32r6",
    target_arch = "mips64r6",
    target_arch = "sparc",
    target_arch = "sparc64",
));

#[expect(
    unsafe_code,
    reason = "a function of the C library that std links anyway"
)]
unsafe extern "C" {
    fn getsockopt(
        socket: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        length: *mut u32,
    ) -> c_int;
}

/// Asks the kernel which process is at the other end.
#[expect(unsafe_code, reason = "see `Credentials`")]
pub(crate) fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let mut credentials = Credentials::default();
    let size = size_of::<Credentials>();
    let mut length = u32::try_from(size).unwrap_or(0);
    // SAFETY: the descriptor is borrowed for the call, and value and length point to live memory of that length, in
    // which any bytes are a valid `Credentials`.
    let result = unsafe {
        getsockopt(
            socket.as_fd().as_raw_fd(),
            SOL_SOCKET,
            SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if length as usize != size {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Peer {
        pid: u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0),
        user: credentials.user,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_pair_is_this_process_on_both_ends() {
        let (one, other) = UnixStream::pair().unwrap();
        let this = Peer {
            pid: Some(std::process::id()),
            user: crate::sys::own_user(),
        };
        assert_eq!(peer(&one).unwrap(), this);
        assert_eq!(peer(&other).unwrap(), this);
    }

    #[test]
    fn a_socket_without_credentials_names_no_process() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(peer(&stream).is_err() || peer(&stream).unwrap().pid.is_none());
    }
}
