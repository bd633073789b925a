//! Being in a console for a moment: to start a process that shares it, or to speak to those that are in it.
//!
//! A process has one console at most. A guardian has none, so it can enter another's, or one that it makes for a
//! client, and leave it again. While it is in one it is told of whatever is pressed there, and does not mind. A process
//! that leaves a console leaves behind, on Windows 8 and later, what it had set up for that, and would end by a key of
//! which it hears only then. So one that presses a key stays until it has heard of it itself. Only a console that is
//! closed just then ends the guardian too, and with it the run: nothing is left in that case either.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, HWND};
use windows_sys::Win32::System::Console::{
    AllocConsole, AttachConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, FreeConsole,
    GenerateConsoleCtrlEvent, GetConsoleProcessList, GetConsoleWindow, GetStdHandle,
    STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetConsoleCtrlHandler, SetConsoleTitleW,
    SetStdHandle,
};
use windows_sys::core::BOOL;

use super::call::{check, wide};

/// What the header of a program says that has windows of its own, and no console.
const GRAPHICAL: u16 = 2;

/// The group of all processes in a console.
pub(super) const EVERYBODY: u32 = 0;

const STREAMS: [u32; 3] = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How many keys this process has heard of.
static HEARD: Mutex<u64> = Mutex::new(0);
static HEARD_ANOTHER: Condvar = Condvar::new();

/// How long it may take until a process hears of a key that it has pressed itself. It takes a new thread of the process.
const HEARING: Duration = Duration::from_secs(2);

/// The console that this process is in for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Console {
    /// The process's own streams, in whose place the system may put those of the console.
    streams: [HANDLE; 3],
    _alone: MutexGuard<'static, ()>,
}

#[expect(
    clippy::unused_self,
    reason = "only a process in a console can do this"
)]
impl Console {
    /// Makes one, with a window of this title. It ends with the last process in it.
    pub(crate) fn open(title: &str) -> io::Result<Self> {
        // SAFETY: it takes no memory.
        let console = Self::enter(|| unsafe { AllocConsole() }).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open a console: {error}"))
        })?;
        let title = wide(title);
        // SAFETY: the title ends with a zero.
        check(unsafe { SetConsoleTitleW(title.as_ptr()) })?;
        Ok(console)
    }

    /// Enters that of another process.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        // SAFETY: it takes no memory.
        Self::enter(|| unsafe { AttachConsole(pid) })
    }

    fn enter(way: impl FnOnce() -> BOOL) -> io::Result<Self> {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if is_in_console() {
            return Err(io::Error::other("this process has a console of its own"));
        }
        // SAFETY: it takes no memory.
        let streams = STREAMS.map(|stream| unsafe { GetStdHandle(stream) });
        // Before, so that there is no moment in which this process minds; without a console it may be refused.
        let _ = mind_no_keys();
        check(way())?;
        let console = Self {
            streams,
            _alone: alone,
        };
        // And once more, because a process that enters a console may begin there without any handler.
        mind_no_keys()?;
        Ok(console)
    }

    /// Its input and output, for a child.
    pub(crate) fn to_stdio(&self) -> io::Result<[Stdio; 3]> {
        let open = |name| File::options().read(true).write(true).open(name);
        let output = open("CONOUT$")?;
        Ok([
            open("CONIN$")?.into(),
            output.try_clone()?.into(),
            output.into(),
        ])
    }

    /// Whether a process has come into it.
    pub(crate) fn holds(&self, pid: u32) -> bool {
        self.pids().is_ok_and(|pids| pids.contains(&pid))
    }

    /// The PIDs of all that are in it, but for this process.
    pub(super) fn pids(&self) -> io::Result<Vec<u32>> {
        pids()
    }

    /// Its window, if it has one.
    pub(super) fn window(&self) -> Option<HWND> {
        // SAFETY: it takes no memory.
        let window = unsafe { GetConsoleWindow() };
        (!window.is_null()).then_some(window)
    }

    /// Presses Ctrl+Break for a group of processes that this one is in, or Ctrl+C where that fails, and waits until it has
    /// heard of it.
    pub(super) fn press(&self, group: u32) -> io::Result<()> {
        let before = *heard();
        // Wine has no Ctrl+Break. Windows, which has it, gives Ctrl+C to all processes only.
        press(CTRL_BREAK_EVENT, group).or_else(|_| press(CTRL_C_EVENT, group))?;
        // Whatever comes of it: nothing else can be done about a key that does not arrive.
        drop(HEARD_ANOTHER.wait_timeout_while(heard(), HEARING, |heard| *heard == before));
        Ok(())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // SAFETY: it takes no memory. What it closes are streams that the system has opened itself.
        unsafe { FreeConsole() };
        // For a key that something else has pressed.
        let _ = mind_no_keys();
        for (stream, handle) in STREAMS.into_iter().zip(self.streams) {
            // SAFETY: it is a number that the system notes; this one was noted before.
            unsafe { SetStdHandle(stream, handle) };
        }
    }
}

/// Whether a program would use a console of its own. One with windows of its own does not; of scripts, and of what cannot
/// be read, it is assumed.
pub(crate) fn uses_console(program: &Path) -> bool {
    !subsystem(program).is_ok_and(|subsystem| subsystem == GRAPHICAL)
}

/// What a program is for, by its header.
fn subsystem(program: &Path) -> io::Result<u16> {
    let mut file = File::open(program)?;
    let mut mark = [0; 2];
    file.read_exact(&mut mark)?;
    if mark != *b"MZ" {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Where the header proper begins.
    file.seek(SeekFrom::Start(0x3c))?;
    let mut begin = [0; 4];
    file.read_exact(&mut begin)?;
    // Behind its signature, the description of the file, and 68 bytes of the second part.
    let place = u64::from(u32::from_le_bytes(begin)) + 4 + 20 + 68;
    file.seek(SeekFrom::Start(place))?;
    let mut subsystem = [0; 2];
    file.read_exact(&mut subsystem)?;
    Ok(u16::from_le_bytes(subsystem))
}

/// The PIDs of the processes that share a console with this process; of none where it has no console.
pub(crate) fn in_own_console() -> Vec<u32> {
    pids().unwrap_or_default()
}

fn pids() -> io::Result<Vec<u32>> {
    let mut pids = vec![0; 16];
    loop {
        let room = u32::try_from(pids.len()).map_err(io::Error::other)?;
        // SAFETY: there is room for so many.
        let count = unsafe { GetConsoleProcessList(pids.as_mut_ptr(), room) };
        if count == 0 {
            return Err(io::Error::last_os_error());
        }
        let count = usize::try_from(count).map_err(io::Error::other)?;
        pids.resize(count, 0);
        if count <= usize::try_from(room).map_err(io::Error::other)? {
            pids.retain(|pid| *pid != std::process::id());
            return Ok(pids);
        }
    }
}

/// Whether this process is in a console.
pub(super) fn is_in_console() -> bool {
    let mut first = 0;
    // SAFETY: there is room for one.
    unsafe { GetConsoleProcessList(&raw mut first, 1) != 0 }
}

fn press(keys: u32, group: u32) -> io::Result<()> {
    // SAFETY: it takes no memory.
    check(unsafe { GenerateConsoleCtrlEvent(keys, group) })
}

/// From now on what is pressed in a console has no effect on this process, until it enters or leaves one.
fn mind_no_keys() -> io::Result<()> {
    // SAFETY: the function lives as long as the program.
    check(unsafe { SetConsoleCtrlHandler(Some(ignore), 1) })
}

extern "system" fn ignore(_how: u32) -> BOOL {
    *heard() += 1;
    HEARD_ANOTHER.notify_all();
    1
}

fn heard() -> MutexGuard<'static, u64> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::windows::process::CommandExt;
    use std::process::Command;

    use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

    use super::*;

    #[test]
    #[ignore = "it is what the next test starts without a console"]
    fn press_keys() {
        for times in 1..=5 {
            let console = Console::open("keys").unwrap();
            let before = *heard();
            console.press(EVERYBODY).unwrap();
            assert_eq!(*heard(), before + 1, "at time {times}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is tested is not spawning")]
    fn who_presses_a_key_has_heard_of_it_before_it_leaves() {
        let pressed = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "sys::windows::console::tests::press_keys",
            ])
            .stdin(Stdio::null())
            .creation_flags(DETACHED_PROCESS)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&pressed.stdout);
        assert!(
            pressed.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }
}
