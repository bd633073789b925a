//! What a process was started with: arguments, environment, working directory.
//!
//! No function of Windows tells these. They lie in the process's own memory, in a block whose layout has been the same
//! since Windows Vista, on 64-bit systems (`RTL_USER_PROCESS_PARAMETERS`).

use std::ffi::{OsString, c_void};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::OwnedHandle;
use std::path::PathBuf;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::{
    PROCESS_ACCESS_RIGHTS, PROCESS_DUP_HANDLE, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ,
};
use windows_sys::Win32::UI::Shell::CommandLineToArgvW;

use super::call::{check, raw, read_text};
use super::process::{basics, open_for};

/// Where in a process's block (`PEB`) the address of its parameters is.
const PARAMETERS: usize = 0x20;
/// Where in its parameters these are. The first two are texts: length and room in bytes, and an address.
/// The streams are three handles.
const STREAMS: usize = 0x20;
const DIRECTORY: usize = 0x38;
const COMMAND_LINE: usize = 0x70;
const ENVIRONMENT: usize = 0x80;
const ENVIRONMENT_SIZE: usize = 0x3f0;

/// The longest environment that is looked at.
const LONGEST: usize = 4 << 20;

/// The memory of another process.
struct Memory(OwnedHandle);

impl Memory {
    fn of(pid: u32) -> Option<(Self, usize)> {
        Self::with(pid, 0)
    }

    /// Opens a process for something else too.
    fn with(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> Option<(Self, usize)> {
        let rights = rights | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ;
        let process = open_for(pid, rights).ok()?;
        let block = basics(&process)?.PebBaseAddress.addr();
        let memory = Self(process);
        let parameters = memory.address(block.checked_add(PARAMETERS)?)?;
        Some((memory, parameters))
    }

    fn read(&self, address: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut count = 0;
        let place: *const c_void = std::ptr::without_provenance(address);
        // SAFETY: the memory of this process is as long as is said; that of the other is for the system to check.
        let result = unsafe {
            ReadProcessMemory(
                raw(&self.0),
                place,
                bytes.as_mut_ptr().cast(),
                length,
                &raw mut count,
            )
        };
        check(result).ok()?;
        (count == length).then_some(bytes)
    }

    fn address(&self, address: usize) -> Option<usize> {
        let bytes = self.read(address, size_of::<usize>())?;
        Some(usize::from_ne_bytes(bytes.try_into().ok()?)).filter(|address| *address != 0)
    }

    /// A `UNICODE_STRING`.
    fn text(&self, address: usize) -> Option<Vec<u16>> {
        let length = self.read(address, 2)?;
        let length = u16::from_ne_bytes(length.try_into().ok()?);
        if length == 0 {
            return Some(Vec::new());
        }
        let place = self.address(address.checked_add(size_of::<usize>())?)?;
        Some(units(&self.read(place, usize::from(length))?))
    }
}

fn units(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|pair| u16::from_ne_bytes([pair[0], pair[1]]))
        .collect()
}

/// The arguments of a process, the program's name first.
pub(crate) fn arguments(pid: u32) -> Option<Vec<String>> {
    let (memory, parameters) = Memory::of(pid)?;
    let mut line = memory.text(parameters + COMMAND_LINE)?;
    // Of nothing, the system would make the name of this very program.
    if line.iter().all(|unit| *unit == u16::from(b' ')) {
        return Some(Vec::new());
    }
    line.push(0);
    let mut count = 0;
    // SAFETY: the text ends with a zero, and the count goes to live memory.
    let list = unsafe { CommandLineToArgvW(line.as_ptr(), &raw mut count) };
    if list.is_null() {
        return None;
    }
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the list has so many entries.
    let entries = unsafe { std::slice::from_raw_parts(list, count) };
    let arguments = entries.iter().map(|entry| {
        // SAFETY: each entry is a text that ends with a zero.
        unsafe { read_text(*entry) }
    });
    let arguments = arguments.collect();
    // SAFETY: the system has allocated it for the caller, and nothing refers to it any more.
    unsafe { LocalFree(list.cast()) };
    Some(arguments)
}

/// The working directory of a process.
pub(crate) fn working_directory(pid: u32) -> Option<PathBuf> {
    let (memory, parameters) = Memory::of(pid)?;
    let path = memory.text(parameters + DIRECTORY)?;
    let path = PathBuf::from(OsString::from_wide(&path));
    // It is kept with a separator at its end, and a path is compared part by part.
    (!path.as_os_str().is_empty()).then(|| path.components().collect())
}

/// The value that a process was started with for one environment variable, or that it has set since.
pub(crate) fn environment(pid: u32, name: &str) -> Option<String> {
    let (memory, parameters) = Memory::of(pid)?;
    let place = memory.address(parameters + ENVIRONMENT)?;
    let size = memory.address(parameters + ENVIRONMENT_SIZE)?;
    let variables = units(&memory.read(place, size.min(LONGEST))?);
    variables.split(|unit| *unit == 0).find_map(|variable| {
        let variable = String::from_utf16_lossy(variable);
        let (key, value) = variable.split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// The handles of a process's standard input, output and error, as numbers that mean something only to it, and the
/// process itself, of which they can be duplicated.
pub(super) fn standard_handles(pid: u32) -> Option<(OwnedHandle, [usize; 3])> {
    let (memory, parameters) = Memory::with(pid, PROCESS_DUP_HANDLE)?;
    let size = size_of::<usize>();
    let bytes = memory.read(parameters + STREAMS, 3 * size)?;
    let handle = |index: usize| {
        let bytes = bytes.get(index * size..(index + 1) * size)?;
        Some(usize::from_ne_bytes(bytes.try_into().ok()?))
    };
    let handles = [handle(0)?, handle(1)?, handle(2)?];
    Some((memory.0, handles))
}
