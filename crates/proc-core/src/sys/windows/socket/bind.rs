//! Whether a port can be bound.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Once;

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN_ADDR_0, IN6_ADDR, IN6_ADDR_0, INVALID_SOCKET, IPPROTO_IPV6,
    IPPROTO_TCP, IPV6_V6ONLY, SO_EXCLUSIVEADDRUSE, SOCK_STREAM, SOCKADDR_IN, SOCKADDR_IN6, SOCKET,
    SOL_SOCKET, WSAEACCES, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAGetLastError, bind,
    closesocket, setsockopt, socket,
};

use super::rows;
use crate::sys::Bound;

/// Why no program may have a port, and what to do about it.
pub(crate) const FORBIDDEN_PORT: &str = "Windows keeps it for others, such as Hyper-V, WSL or Docker (`netsh interface ipv4 show excludedportrange protocol=tcp` lists what it keeps); choose another one (`--base-port auto` finds free ones)";

/// A socket that is closed when it goes out of use.
struct Attempt(SOCKET);

impl Drop for Attempt {
    fn drop(&mut self) {
        // SAFETY: the socket is this value's own.
        unsafe { closesocket(self.0) };
    }
}

/// Binds a TCP socket to this address and lets go of it at once. It never listens.
///
/// Without `SO_EXCLUSIVEADDRUSE` Windows would let it be bound beside another one.
pub(crate) fn bind_test(address: SocketAddr) -> io::Result<Bound> {
    start_sockets();
    let family = match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    };
    // SAFETY: it takes no memory; the result is checked.
    let socket = unsafe { socket(family.into(), SOCK_STREAM, IPPROTO_TCP) };
    if socket == INVALID_SOCKET {
        return verdict(last_error(), address.port());
    }
    let socket = Attempt(socket);
    set(&socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE)?;
    let result = match address {
        SocketAddr::V4(address) => {
            let address = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                sin_addr: IN_ADDR {
                    S_un: IN_ADDR_0 {
                        S_addr: u32::from_ne_bytes(address.ip().octets()),
                    },
                },
                sin_zero: [0; 8],
            };
            let length = i32::try_from(size_of_val(&address)).map_err(io::Error::other)?;
            // SAFETY: the socket is open, and the address is live memory of this length.
            unsafe { bind(socket.0, (&raw const address).cast(), length) }
        }
        SocketAddr::V6(address) => {
            set(&socket, IPPROTO_IPV6, IPV6_V6ONLY)?;
            let address = SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: address.port().to_be(),
                sin6_addr: IN6_ADDR {
                    u: IN6_ADDR_0 {
                        Byte: address.ip().octets(),
                    },
                },
                ..SOCKADDR_IN6::default()
            };
            let length = i32::try_from(size_of_val(&address)).map_err(io::Error::other)?;
            // SAFETY: as above.
            unsafe { bind(socket.0, (&raw const address).cast(), length) }
        }
    };
    if result == 0 {
        Ok(Bound::Yes)
    } else {
        verdict(last_error(), address.port())
    }
}

fn verdict(code: i32, port: u16) -> io::Result<Bound> {
    match code {
        WSAEADDRINUSE => Ok(Bound::InUse),
        // Windows says so of a socket that is in the way and belongs to another user, and of ports that no program may
        // have.
        WSAEACCES if is_taken(port)? => Ok(Bound::InUse),
        WSAEACCES => Ok(Bound::Forbidden),
        WSAEADDRNOTAVAIL | WSAEAFNOSUPPORT => Ok(Bound::NoSuchAddress),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Whether a process has a socket at this port.
fn is_taken(port: u16) -> io::Result<bool> {
    // A connection that no process has open any more has no number, and is not in the way.
    Ok(rows(false)?
        .iter()
        .any(|row| row.port == port && row.number() != 0))
}

fn set(socket: &Attempt, level: i32, option: i32) -> io::Result<()> {
    let on = 1_i32;
    let length = i32::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the socket is open, and the value is live memory of this length.
    let result = unsafe { setsockopt(socket.0, level, option, (&raw const on).cast(), length) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(last_error()))
    }
}

fn last_error() -> i32 {
    // SAFETY: it takes no memory.
    unsafe { WSAGetLastError() }
}

/// Sockets have to be started once in a process, which the standard library does before its first one.
fn start_sockets() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // Where this fails, so does the attempt that it was for, and that is reported.
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::port::choose;

    #[test]
    fn a_port_that_no_program_may_have_is_told_from_one_that_a_process_has() {
        let (port, _lease) = choose(1, &BTreeSet::new()).unwrap().remove(0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(verdict(WSAEACCES, port).unwrap(), Bound::InUse);
        drop(listener);
        assert_eq!(verdict(WSAEACCES, port).unwrap(), Bound::Forbidden);
    }
}
