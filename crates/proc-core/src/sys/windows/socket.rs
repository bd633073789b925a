//! Sockets: who listens where, what can be bound, and leases on ports.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::windows::io::OwnedHandle;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_PIPE_BUSY,
    ERROR_SUCCESS,
};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_ALL,
    TCP_TABLE_OWNER_PID_LISTENER,
};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, IN_ADDR, IN6_ADDR, INVALID_SOCKET, IPPROTO_IPV6, IPPROTO_TCP, IPV6_V6ONLY,
    SO_EXCLUSIVEADDRUSE, SOCK_STREAM, SOCKADDR_IN, SOCKADDR_IN6, SOCKET, SOL_SOCKET, WSAEACCES,
    WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAGetLastError, bind, closesocket,
    setsockopt, socket,
};

use super::call::is;
use super::link::{Link, Peer, peer};
use super::user::{own_user, owner};

/// One TCP socket, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// The local port.
    pub(crate) port: u16,
    /// The local address; an IPv4 address that was mapped into IPv6 is told as IPv4.
    pub(crate) address: IpAddr,
    /// Whether an IPv6 socket takes no IPv4 connections. `None`: the system does not tell.
    pub(crate) v6only: Option<bool>,
    /// A number of the socket: sockets of one process at one port share it. 0 where no process holds it any more.
    pub(crate) inode: u64,
    /// The user that made it.
    pub(crate) user: u32,
    pub(crate) state: TcpState,
}

/// The state of a TCP socket, by the numbers of `MIB_TCP_STATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TcpState(u32);

impl TcpState {
    pub(crate) const LISTEN: Self = Self(2);

    /// Bound, and neither listening nor connected.
    pub(crate) const BOUND: Self = Self(13);

    /// Every state but [`TcpState::BOUND`].
    pub(crate) const ALL: [Self; 12] = {
        let mut all = [Self(1); 12];
        let mut number = 1;
        while number <= 12 {
            all[number as usize - 1] = Self(number);
            number += 1;
        }
        all
    };
}

/// The machine's TCP sockets.
#[derive(Debug)]
pub(crate) struct SocketTable {
    /// The users of the processes of the last listing: to ask for each takes longer than the listing.
    users: BTreeMap<u32, u32>,
}

/// Where Wine stands for Windows, most sockets have no owner that it would tell. Windows tells that of each listener.
const UNTOLD: u64 = 1 << 63;

impl Row {
    /// The number of the sockets of one process at one port.
    fn number(&self) -> u64 {
        match (self.pid, self.state) {
            (0, TcpState::LISTEN) => UNTOLD | u64::from(self.port),
            (0, _) => 0,
            (pid, _) => u64::from(pid) << 16 | u64::from(self.port),
        }
    }

    fn is_untold(&self) -> bool {
        self.pid == 0 && self.state == TcpState::LISTEN
    }

    fn owner(&self) -> Option<u32> {
        if self.is_untold() {
            Some(own_user())
        } else {
            owner(self.pid)
        }
    }
}

impl SocketTable {
    pub(crate) const fn new() -> Self {
        Self {
            users: BTreeMap::new(),
        }
    }

    /// Lists the IPv4 and IPv6 sockets in one of these states; those on one local port only, where one is given.
    pub(crate) fn read(
        &mut self,
        states: &[TcpState],
        port: Option<u16>,
    ) -> io::Result<Vec<Socket>> {
        let mut users = BTreeMap::new();
        let rows = rows(states == [TcpState::LISTEN])?.into_iter();
        let sockets = rows
            .filter(|row| port.is_none_or(|port| port == row.port) && states.contains(&row.state))
            .map(|row| {
                let known = self.users.get(&row.pid).copied();
                let user = *users
                    .entry(row.pid)
                    .or_insert_with(|| known.or_else(|| row.owner()).unwrap_or(u32::MAX));
                Socket {
                    port: row.port,
                    address: row.address.to_canonical(),
                    v6only: None,
                    inode: row.number(),
                    user,
                    state: row.state,
                }
            })
            .collect();
        self.users = users;
        Ok(sockets)
    }
}

/// The sockets that a process holds open, by their numbers. `None`: it may hold some that nobody tells of.
pub(crate) fn sockets(pid: u32) -> Option<Vec<u64>> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last
        .as_ref()
        .is_none_or(|(when, _)| when.elapsed() > MEMORY)
    {
        let rows = rows(false).ok()?;
        *last = Some((Instant::now(), rows));
    }
    let (_, rows) = last.as_ref()?;
    let own: Vec<u64> = rows
        .iter()
        .filter(|row| row.pid == pid)
        .map(Row::number)
        .collect();
    let is_silent = own.is_empty() && rows.iter().any(Row::is_untold);
    (!is_silent).then_some(own)
}

/// Who asks for one process asks for others too, and the list is the same for all of them.
const MEMORY: Duration = Duration::from_millis(20);

/// The list that was asked for last, counted from when it was there.
static LAST: Mutex<Option<(Instant, Vec<Row>)>> = Mutex::new(None);

struct Row {
    port: u16,
    address: IpAddr,
    state: TcpState,
    pid: u32,
}

fn rows(listening_only: bool) -> io::Result<Vec<Row>> {
    let mut found = Vec::new();
    let table = table(AF_INET.into(), listening_only)?;
    found.extend(entries::<MIB_TCPROW_OWNER_PID>(&table).map(|row| Row {
        port: port(row.dwLocalPort),
        address: Ipv4Addr::from(row.dwLocalAddr.to_ne_bytes()).into(),
        state: TcpState(row.dwState),
        pid: row.dwOwningPid,
    }));
    let table = self::table(AF_INET6.into(), listening_only)?;
    found.extend(entries::<MIB_TCP6ROW_OWNER_PID>(&table).map(|row| Row {
        port: port(row.dwLocalPort),
        address: Ipv6Addr::from(row.ucLocalAddr).into(),
        state: TcpState(row.dwState),
        pid: row.dwOwningPid,
    }));
    Ok(found)
}

/// A port stands in the lower half of its field, in the order of the network.
fn port(field: u32) -> u16 {
    let [first, second, ..] = field.to_ne_bytes();
    u16::from_be_bytes([first, second])
}

/// A table of the system: how many entries, and the entries, in aligned memory.
fn table(family: u32, listening_only: bool) -> io::Result<Vec<u32>> {
    let class = if listening_only {
        TCP_TABLE_OWNER_PID_LISTENER
    } else {
        TCP_TABLE_OWNER_PID_ALL
    };
    let mut memory = vec![0_u32; 4096];
    // It may have grown again before it is read again.
    for _ in 0..16 {
        let mut size = u32::try_from(size_of_val(memory.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the memory is as long as is said.
        let result = unsafe {
            GetExtendedTcpTable(
                memory.as_mut_ptr().cast(),
                &raw mut size,
                0,
                family,
                class,
                0,
            )
        };
        match result {
            ERROR_SUCCESS => return Ok(memory),
            ERROR_INSUFFICIENT_BUFFER => {
                memory.resize(size as usize / size_of::<u32>() + 1024, 0);
            }
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
    Err(io::Error::other("the list of sockets grows too fast"))
}

/// The entries of a table, each of which consists of whole words.
fn entries<T: Copy>(table: &[u32]) -> impl Iterator<Item = T> {
    let size = size_of::<T>() / size_of::<u32>();
    let count = table.first().map_or(0, |count| *count as usize);
    let entries = table.get(1..).unwrap_or_default().chunks_exact(size);
    entries.take(count).map(|words| {
        // SAFETY: so many words are there, aligned as words are, and the types of entries are made of words and bytes.
        unsafe { words.as_ptr().cast::<T>().read() }
    })
}

/// The ports from which the system draws when a program does not care, unless somebody has set others.
#[expect(clippy::unnecessary_wraps, reason = "other systems may not tell")]
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    Some(49_152..=65_535)
}

/// What came of an attempt to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It can be bound.
    Yes,
    /// Another socket is in the way.
    InUse,
    /// This user may not bind it. Never known here: Windows says the same of a port that somebody else has bound.
    #[expect(dead_code, reason = "known on other systems")]
    Forbidden,
    /// This machine has no such address.
    NoSuchAddress,
}

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
        return verdict(last_error());
    }
    let socket = Attempt(socket);
    set(&socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE)?;
    let result = match address {
        SocketAddr::V4(address) => {
            let address = SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: address.port().to_be(),
                sin_addr: IN_ADDR {
                    S_un: windows_sys::Win32::Networking::WinSock::IN_ADDR_0 {
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
                    u: windows_sys::Win32::Networking::WinSock::IN6_ADDR_0 {
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
        verdict(last_error())
    }
}

fn verdict(code: i32) -> io::Result<Bound> {
    match code {
        // The second is what Windows says where another socket is bound exclusively.
        WSAEADDRINUSE | WSAEACCES => Ok(Bound::InUse),
        WSAEADDRNOTAVAIL | WSAEAFNOSUPPORT => Ok(Bound::NoSuchAddress),
        code => Err(io::Error::from_raw_os_error(code)),
    }
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

/// A port that others who ask for a lease do not get. Given up when dropped, or when its holder ends.
///
/// It is one end of a named pipe, at which nobody is let in. Names of pipes are the same for the whole machine.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    /// Held open: the system ends the lease when all of them are closed.
    _pipe: OwnedHandle,
}

/// Who holds a lease. `None`: it has been asked for before, and there is no second answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseHolder(pub(crate) Option<Peer>);

/// How many processes may hold a lease at once: the one that hands it on, and the one that takes it over.
const HOLDERS: u32 = 2;

fn lease_name(port: u16) -> String {
    format!(r"\\.\pipe\clean-slate-port-{port}")
}

impl PortLease {
    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Becomes the second holder of a lease, until the first gives it up.
    pub(crate) fn take_over(port: u16) -> io::Result<Self> {
        let pipe = super::link::make(&lease_name(port), false, HOLDERS)?;
        Ok(Self { port, _pipe: pipe })
    }
}

/// Leases a port. `None`: it is leased already.
pub(crate) fn lease(port: u16) -> io::Result<Option<PortLease>> {
    match super::link::make(&lease_name(port), true, HOLDERS) {
        Ok(pipe) => Ok(Some(PortLease { port, _pipe: pipe })),
        // A user who may not open it is told the first, and so is whoever wants to be the first instance.
        Err(error) if is(&error, ERROR_ACCESS_DENIED) || is(&error, ERROR_PIPE_BUSY) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The process that leased a port. `None`: it is not leased.
pub(crate) fn lease_holder(port: u16) -> io::Result<Option<LeaseHolder>> {
    match super::link::connect(&lease_name(port)) {
        Ok(pipe) => Ok(Some(LeaseHolder(peer(&Link::new(pipe, false)?).ok()))),
        Err(error) if is(&error, ERROR_FILE_NOT_FOUND) => Ok(None),
        Err(error) if is(&error, ERROR_PIPE_BUSY) || is(&error, ERROR_ACCESS_DENIED) => {
            Ok(Some(LeaseHolder(None)))
        }
        Err(error) => Err(error),
    }
}
