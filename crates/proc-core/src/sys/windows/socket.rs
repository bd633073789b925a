//! Sockets: which process listens where, what can be bound, and leases on ports.

mod bind;
mod lease;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_NOT_SUPPORTED, ERROR_SUCCESS,
};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, MIB_TCP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID, TCP_TABLE_OWNER_PID_ALL,
    TCP_TABLE_OWNER_PID_LISTENER,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};

pub(crate) use bind::{FORBIDDEN_PORT, bind_test};
pub(crate) use lease::{PortLease, lease, lease_holder};

use super::call::is;
use super::user::{own_user, owner};
use crate::sys::{Socket, TcpState};

/// Those numbers of `MIB_TCP_STATE` that are not of connections.
const LISTEN: u32 = 2;
const BOUND: u32 = 13;

fn state(number: u32) -> TcpState {
    match number {
        LISTEN => TcpState::Listening,
        BOUND => TcpState::Bound,
        _ => TcpState::Connected,
    }
}

/// The machine's TCP sockets.
#[derive(Debug)]
pub(crate) struct SocketTable {
    /// The users of the processes of the last listing: to ask for each takes longer than the listing.
    users: BTreeMap<u32, u32>,
}

/// Where Wine stands for Windows, most sockets have no owner that it would tell. Windows tells that of each listener.
const UNTOLD: u64 = 1 << 63;

/// The process that the kernel itself is.
const SYSTEM: u32 = 4;

/// Where the PID begins in the number of a socket. Below it is the port.
const PORT_BITS: u32 = u16::BITS;

impl Row {
    /// The number of the sockets of one process at one port.
    fn number(&self) -> u64 {
        match (self.pid, self.state) {
            (0, TcpState::Listening) => UNTOLD | u64::from(self.port),
            (0, _) => 0,
            (pid, _) => u64::from(pid) << PORT_BITS | u64::from(self.port),
        }
    }

    fn is_untold(&self) -> bool {
        self.pid == 0 && self.state == TcpState::Listening
    }

    fn owner(&self) -> Option<u32> {
        if self.is_untold() || listens_for_others(self.pid) {
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
        let rows = rows(states == [TcpState::Listening])?.into_iter();
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

/// Which of these processes have which of these sockets open, by what the listing said that has given their numbers.
pub(crate) fn socket_owners(
    numbers: &BTreeSet<u64>,
    pids: impl IntoIterator<Item = u32>,
) -> BTreeMap<u64, BTreeSet<u32>> {
    let pids: BTreeSet<u32> = pids.into_iter().collect();
    let owned = numbers.iter().filter_map(|number| {
        let pid = told_owner(*number).filter(|pid| pids.contains(pid))?;
        Some((*number, BTreeSet::from([pid])))
    });
    owned.collect()
}

/// Whether a process lives that may have a socket open without showing it.
pub(crate) fn may_hide_socket(pid: u32, number: u64) -> bool {
    told_owner(number).is_none_or(listens_for_others) && owner(pid).is_some()
}

/// Whether a process is the system's own, which listens for programs that leave that to it: `HTTP.sys` does so for
/// those of .NET, PowerShell and IIS, and does not tell for which.
pub(crate) fn listens_for_others(pid: u32) -> bool {
    pid == SYSTEM
}

/// The process of a socket with this number. `None`: it is not told.
fn told_owner(number: u64) -> Option<u32> {
    let pid = u32::try_from(number >> PORT_BITS).ok();
    pid.filter(|pid| *pid != 0)
}

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
        state: state(row.dwState),
        pid: row.dwOwningPid,
    }));
    let table = match self::table(AF_INET6.into(), listening_only) {
        // There is no IPv6 on this machine.
        Err(error) if is(&error, ERROR_NOT_SUPPORTED) => Vec::new(),
        table => table?,
    };
    found.extend(entries::<MIB_TCP6ROW_OWNER_PID>(&table).map(|row| Row {
        port: port(row.dwLocalPort),
        address: Ipv6Addr::from(row.ucLocalAddr).into(),
        state: state(row.dwState),
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

/// The ports from which the system draws when a program does not care, unless others were set.
#[expect(clippy::unnecessary_wraps, reason = "other systems may not tell")]
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    Some(49_152..=65_535)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_shows_one_socket_may_hide_another_that_is_not_told() {
        let of = |pid| {
            let row = Row {
                port: 8080,
                address: Ipv4Addr::LOCALHOST.into(),
                state: TcpState::Listening,
                pid,
            };
            row.number()
        };
        let own = std::process::id();
        let (shown, untold) = (of(own), of(0));
        let found = socket_owners(&BTreeSet::from([shown, untold]), [own]);
        assert_eq!(found, BTreeMap::from([(shown, BTreeSet::from([own]))]));
        assert!(may_hide_socket(own, untold));
        assert!(!may_hide_socket(own, shown));
        assert_eq!(socket_owners(&BTreeSet::from([shown]), []), BTreeMap::new());
        assert!(may_hide_socket(own, of(SYSTEM)));
    }
}
