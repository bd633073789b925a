//! The system's own list of all processes, those included that this user may not open.

use std::ffi::c_void;
use std::io;
use std::mem::offset_of;

use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SystemProcessInformation,
};
use windows_sys::Win32::Foundation::{
    RtlNtStatusToDosError, STATUS_INFO_LENGTH_MISMATCH, STATUS_SUCCESS, UNICODE_STRING,
};
use windows_sys::Win32::System::WindowsProgramming::SYSTEM_PROCESS_INFORMATION;

use crate::identity::{Boot, Identity};
use crate::sys::Stat;

/// The process that the kernel's own work is done in, and that its other processes without a program descend from.
const SYSTEM: u32 = 4;

/// Where the time of creation is, in a part of an entry that the headers keep to themselves. It has been there since
/// Windows Vista.
const CREATED: usize = 32;

/// How often the list may have grown before it is read again.
const ATTEMPTS: usize = 16;

/// All processes at one moment, the newest first, as far as their PIDs tell.
pub(crate) fn stats(boot: Boot) -> io::Result<impl Iterator<Item = Stat>> {
    let mut stats = parse(&List::read()?, boot);
    stats.sort_by_key(|stat| std::cmp::Reverse(stat.identity.pid));
    Ok(stats.into_iter())
}

/// All PIDs.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let stats = parse(&List::read()?, Boot::new(0));
    Ok(stats.iter().map(|stat| stat.identity.pid).collect())
}

/// What the system has written, and where it was when it did: the names in it are addresses.
struct List {
    memory: Vec<u64>,
    length: usize,
}

impl List {
    fn read() -> io::Result<Self> {
        let mut memory = vec![0_u64; 1 << 15];
        for _ in 0..ATTEMPTS {
            let size = u32::try_from(size_of_val(memory.as_slice())).map_err(io::Error::other)?;
            let place: *mut c_void = memory.as_mut_ptr().cast();
            let mut length = 0;
            // SAFETY: the memory is as long as is said, and aligned.
            let status = unsafe {
                NtQuerySystemInformation(SystemProcessInformation, place, size, &raw mut length)
            };
            match status {
                STATUS_SUCCESS => {
                    let length = length as usize;
                    return Ok(Self { memory, length });
                }
                STATUS_INFO_LENGTH_MISMATCH => {
                    let wanted = (length as usize).max(size as usize);
                    memory.resize(wanted / size_of::<u64>() + (1 << 13), 0);
                }
                status => {
                    // SAFETY: it takes no memory.
                    let code = unsafe { RtlNtStatusToDosError(status) };
                    return Err(io::Error::from_raw_os_error(code.cast_signed()));
                }
            }
        }
        Err(io::Error::other("the list of processes grows too fast"))
    }

    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        if at.checked_add(N)? > self.length.min(size_of_val(self.memory.as_slice())) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip(at..) {
            let word = self.memory[at / size_of::<u64>()].to_ne_bytes();
            *byte = word[at % size_of::<u64>()];
        }
        Some(bytes)
    }

    fn number(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_ne_bytes)
    }

    fn long_number(&self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_ne_bytes)
    }

    /// The text that a `UNICODE_STRING` refers to, which lies in the list too.
    fn text(&self, at: usize) -> Option<String> {
        let length = usize::from(u16::from_ne_bytes(
            self.bytes(at + offset_of!(UNICODE_STRING, Length))?,
        ));
        let address = self.long_number(at + offset_of!(UNICODE_STRING, Buffer))?;
        let start = usize::try_from(address)
            .ok()?
            .checked_sub(self.memory.as_ptr().addr())?;
        let units = (start..start.checked_add(length)?)
            .step_by(size_of::<u16>())
            .map(|at| self.bytes(at).map(u16::from_ne_bytes));
        let units: Vec<u16> = units.collect::<Option<_>>()?;
        Some(String::from_utf16_lossy(&units))
    }
}

fn parse(list: &List, boot: Boot) -> Vec<Stat> {
    let mut stats = Vec::new();
    let mut at = 0;
    loop {
        // The process that stands for an idle processor is none.
        stats.extend(entry(list, at, boot).filter(|stat| stat.identity.pid != 0));
        let next = list.number(at + offset_of!(SYSTEM_PROCESS_INFORMATION, NextEntryOffset));
        match next.filter(|next| *next != 0) {
            Some(next) => at += next as usize,
            None => return stats,
        }
    }
}

fn entry(list: &List, at: usize, boot: Boot) -> Option<Stat> {
    let pid = |field: usize| u32::try_from(list.long_number(at + field)?).ok();
    let number = |field: usize| list.number(at + field);
    let own = pid(offset_of!(SYSTEM_PROCESS_INFORMATION, UniqueProcessId))?;
    // The PID of what has started a process stands behind its own, in a field that has no name.
    let parent = pid(offset_of!(SYSTEM_PROCESS_INFORMATION, Reserved2))?;
    let short_name = list
        .text(at + offset_of!(SYSTEM_PROCESS_INFORMATION, ImageName))
        .unwrap_or_default();
    Some(Stat {
        identity: Identity {
            pid: own,
            start: list.long_number(at + CREATED)?,
            boot,
        },
        parent,
        group: 0,
        session: number(offset_of!(SYSTEM_PROCESS_INFORMATION, SessionId))?,
        zombie: number(offset_of!(SYSTEM_PROCESS_INFORMATION, NumberOfThreads))? == 0,
        kernel: is_kernel(own, parent, &short_name),
        short_name,
    })
}

/// Whether a process has no program: that of the kernel itself, and those that it keeps memory in (`Registry`,
/// `Memory Compression`, `Secure System`).
pub(super) fn is_kernel(pid: u32, parent: u32, name: &str) -> bool {
    let is_program = name.len() >= 4 && name.to_ascii_lowercase().ends_with(".exe");
    pid == SYSTEM || parent == SYSTEM && !is_program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn a_list_says_of_each_process_what_the_process_itself_says() {
        let boot = sys::boot().unwrap();
        let stats: Vec<Stat> = stats(boot).unwrap().collect();
        let own = stats
            .iter()
            .find(|stat| stat.identity.pid == std::process::id());
        let name = std::env::current_exe().unwrap();
        assert_eq!(
            own.unwrap().short_name,
            name.file_name().unwrap().to_str().unwrap()
        );
        let mut compared = 0;
        for listed in stats.iter().filter(|stat| !stat.zombie) {
            let Some(asked) = sys::stat(listed.identity.pid, boot) else {
                continue;
            };
            compared += 1;
            assert_eq!(asked.identity, listed.identity, "{listed:?}");
            assert_eq!(asked.parent, listed.parent, "{listed:?}");
            assert_eq!(asked.session, listed.session, "{listed:?}");
        }
        assert!(compared > 0);
    }

    #[test]
    fn what_has_no_program_is_the_kernels() {
        for (pid, parent, name, expected) in [
            (4, 0, "System", true),
            (100, 4, "Registry", true),
            (2000, 4, "Memory Compression", true),
            (300, 4, "smss.exe", false),
            (5000, 300, "Registry", false),
            (5000, 300, "python.exe", false),
        ] {
            assert_eq!(is_kernel(pid, parent, name), expected, "{name}");
        }
    }
}
