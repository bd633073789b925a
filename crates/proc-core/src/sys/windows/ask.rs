//! Asking programs to end by what they have for people: windows, and consoles.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
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

/// The class of what a console has for a window that is shown by a terminal, such as Windows Terminal. It is never
/// shown, and to close it tells no process anything.
const PSEUDO_CONSOLE_CLASS: &str = "PseudoConsoleWindow";

/// How long the thread that goes through consoles is waited for. Each of them takes some ms.
const MOMENT: Duration = Duration::from_millis(500);

/// What has been asked by which means. No process is asked twice by the same: for many programs that means "at once".
#[derive(Debug, Default)]
pub(crate) struct Surfaces {
    /// Windows that were asked to close.
    windows: BTreeSet<usize>,
    visited: Visited,
    /// Brings what has been visited. It is still under way.
    messenger: Option<Receiver<Visited>>,
}

/// Consoles that were entered, or could not be.
#[derive(Clone, Debug, Default)]
struct Visited {
    /// The PIDs of those whose console was told, or that cannot be told by one.
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
        let has_new = pinned.keys().any(|pid| !self.visited.told.contains(pid));
        if has_new {
            self.send_messenger(pinned, Visited::tell_all);
        }
    }

    /// Closes the consoles in which only such processes were that had been asked before, and still are: what is in a
    /// console that is closed ends.
    pub(crate) fn insist(&mut self, targets: &BTreeSet<Identity>) {
        if !self.visited.consoles.is_empty() {
            self.send_messenger(pin_all(targets), Visited::close_all);
        }
    }

    /// Has the consoles of these processes entered by another thread, unless one is under way already.
    ///
    /// What serves a console is a process too, and may stand still. What enters that console then does so as well, and
    /// this thread has everything else to do.
    fn send_messenger(
        &mut self,
        targets: BTreeMap<u32, Handle>,
        errand: fn(&mut Visited, &BTreeMap<u32, Handle>),
    ) {
        self.await_messenger(Duration::ZERO);
        if self.messenger.is_some() {
            return;
        }
        let mut visited = self.visited.clone();
        let (sender, messenger) = mpsc::channel();
        let begun = thread::Builder::new()
            .name("consoles".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                errand(&mut visited, &targets);
                // What would hear of it may have ended its run meanwhile.
                let _ = sender.send(visited);
            });
        self.messenger = begun.is_ok().then_some(messenger);
        self.await_messenger(MOMENT);
    }

    fn await_messenger(&mut self, time: Duration) {
        let Some(messenger) = &self.messenger else {
            return;
        };
        match messenger.recv_timeout(time) {
            Ok(visited) => self.visited = visited,
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => {}
        }
        self.messenger = None;
    }
}

impl Visited {
    fn tell_all(&mut self, targets: &BTreeMap<u32, Handle>) {
        for (pid, target) in targets {
            if self.told.insert(*pid) {
                // A process without a console, or with one that this process may not enter, is not asked this way.
                let _ = self.tell_console(target.identity(), targets);
            }
        }
    }

    /// Tells all in the console of a process at once, if all are to end. Otherwise those that this process has started,
    /// if it is a guardian: they are of its group, and others that share the console with them are not. To a group that
    /// there is none of, nothing is sent: the system may take it for all processes.
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

    fn close_all(&mut self, targets: &BTreeMap<u32, Handle>) {
        for (window, one) in std::mem::take(&mut self.consoles) {
            let is_there = targets.get(&one.pid).map(Handle::identity) == Some(&one);
            let Ok(console) = Console::of(one.pid) else {
                continue;
            };
            // It may have gone into another console since.
            let is_its_own = console.window().is_some_and(|own| own.addr() == window);
            let is_theirs_alone = console
                .pids()
                .is_ok_and(|present| are_among(&present, targets));
            drop(console);
            let window = std::ptr::without_provenance_mut(window);
            // A terminal's is not for us to close.
            if is_there && is_its_own && is_theirs_alone && class(window) == CONSOLE_CLASS {
                close(window);
            }
        }
    }
}

/// Those of them that live, by PID. As long as they are held, no PID becomes another process's.
fn pin_all(targets: &BTreeSet<Identity>) -> BTreeMap<u32, Handle> {
    let pin = |identity: &Identity| Some((identity.pid, pin(identity).ok()??));
    targets.iter().filter_map(pin).collect()
}

/// Whether all that are present are to end.
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
    // SAFETY: `windows` has handed over the address of its own value, which nothing else uses meanwhile.
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
