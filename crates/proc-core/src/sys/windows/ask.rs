//! Asking programs to end by what they have for people: windows, and consoles.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HWND, LPARAM};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    EnumWindows, GetClassNameW, GetWindowThreadProcessId, PostMessageW, WM_CLOSE,
};
use windows_sys::core::BOOL;

use super::call::check;
use super::console::{Console, EVERYBODY};
use super::job::is_guardian;
use super::signal::{Handle, pin};
use crate::identity::Identity;

/// The class of a console's window. The system takes it for a window of one of the processes in the console.
const CONSOLE_CLASS: &str = "ConsoleWindowClass";

/// The class of what a console has for a window that is shown by a terminal, such as Windows Terminal. Nobody sees it, and
/// to close it tells nobody anything.
const PSEUDO_CONSOLE_CLASS: &str = "PseudoConsoleWindow";

/// What has been asked by which means. Nobody is asked twice by the same: for many programs that means "at once".
#[derive(Debug, Default)]
pub(crate) struct Surfaces {
    /// Windows that were asked to close.
    windows: BTreeSet<usize>,
    /// The PIDs of those whose console was told, or who cannot be told by one.
    told: BTreeSet<u32>,
    /// The windows of consoles in which there were only processes that are to end, each with one of these.
    consoles: BTreeMap<usize, Identity>,
}

impl Surfaces {
    /// How long to wait until it is worth while to look for new windows.
    pub(crate) const PAUSE: Option<Duration> = Some(Duration::from_millis(100));

    /// Asks these processes by what they have: closes their windows, and presses Ctrl+Break in their consoles.
    pub(crate) fn ask(&mut self, targets: &BTreeSet<Identity>) {
        let pinned = pin_all(targets);
        for (window, pid) in windows().unwrap_or_default() {
            let is_console = || [CONSOLE_CLASS, PSEUDO_CONSOLE_CLASS].contains(&&*class(window));
            let is_theirs = pinned.contains_key(&pid) && !is_console();
            if is_theirs && self.windows.insert(window.addr()) {
                close(window);
            }
        }
        for identity in targets.iter().filter(|one| pinned.contains_key(&one.pid)) {
            if self.told.insert(identity.pid) {
                // Who has no console, or one that this process may not enter, is not asked this way.
                let _ = self.tell_console(identity, &pinned);
            }
        }
    }

    /// Closes the consoles in which only such processes were that had been asked before, and still are: whoever is in a
    /// console that is closed ends.
    pub(crate) fn insist(&mut self, targets: &BTreeSet<Identity>) {
        let consoles = std::mem::take(&mut self.consoles);
        if consoles.is_empty() {
            return;
        }
        let pinned = pin_all(targets);
        for (window, one) in consoles {
            let is_theirs_alone = pinned.contains_key(&one.pid)
                && Console::of(one.pid)
                    .and_then(|console| console.pids())
                    .is_ok_and(|present| are_among(&present, &pinned));
            let window = std::ptr::without_provenance_mut(window);
            // It may be gone by now, and its number another's. And a terminal's is not for us to close.
            if is_theirs_alone && class(window) == CONSOLE_CLASS {
                close(window);
            }
        }
    }

    /// Tells all in the console of a process at once, if all are to end. Otherwise those that this process has started,
    /// if it is a guardian: they are of its group, and whoever shares the console with them is not. To a group that there
    /// is none of, nothing is sent: the system may take it for everybody.
    fn tell_console(&mut self, one: &Identity, targets: &BTreeMap<u32, Handle>) -> io::Result<()> {
        let console = Console::of(one.pid)?;
        let present = console.pids()?;
        let is_theirs_alone = are_among(&present, targets);
        if is_theirs_alone {
            console.press(EVERYBODY)?;
        } else if is_guardian() {
            console.press(std::process::id())?;
        }
        self.told.extend(present);
        if is_theirs_alone && let Some(window) = console.window() {
            self.consoles.insert(window.addr(), *one);
        }
        Ok(())
    }
}

/// Those of them that live, by PID. As long as they are held, no PID becomes another process's.
fn pin_all(targets: &BTreeSet<Identity>) -> BTreeMap<u32, Handle> {
    let pin = |identity: &Identity| Some((identity.pid, pin(identity).ok()??));
    targets.iter().filter_map(pin).collect()
}

/// Whether all who are present are to end.
fn are_among(present: &[u32], targets: &BTreeMap<u32, Handle>) -> bool {
    present.iter().all(|pid| targets.contains_key(pid))
}

/// All top-level windows, and whose they are.
fn windows() -> io::Result<Vec<(HWND, u32)>> {
    let mut found: Vec<(HWND, u32)> = Vec::new();
    // SAFETY: the function gets the address of what it expects, which lives longer than the call.
    check(unsafe {
        EnumWindows(
            Some(note),
            (&raw mut found).expose_provenance().cast_signed(),
        )
    })?;
    Ok(found)
}

extern "system" fn note(window: HWND, found: LPARAM) -> BOOL {
    let found: *mut Vec<(HWND, u32)> = std::ptr::with_exposed_provenance_mut(found.cast_unsigned());
    // SAFETY: `windows` has handed over the address of its own value, which nobody else uses meanwhile.
    let found = unsafe { &mut *found };
    let mut pid = 0;
    // SAFETY: the result goes to live memory.
    unsafe { GetWindowThreadProcessId(window, &raw mut pid) };
    found.push((window, pid));
    1
}

fn class(window: HWND) -> String {
    let mut name = [0; 64];
    // SAFETY: there is room for so many units.
    let length = unsafe { GetClassNameW(window, name.as_mut_ptr(), 64) };
    let name = &name[..usize::try_from(length).unwrap_or(0)];
    String::from_utf16_lossy(name)
}

/// Asks a window to close. One that is gone by now needs no closing.
fn close(window: HWND) {
    // SAFETY: a window's handle is a number that the system looks up.
    unsafe { PostMessageW(window, WM_CLOSE, 0, 0) };
}
