//! A process of the crowd that has been started, and what has become of it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process, told by its PID and its kernel start time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Actor {
    pub(crate) disguise: &'static str,
    pub(crate) pid: u32,
    start: u64,
    is_zombie: bool,
}

/// What the kernel says of a process.
struct Stat {
    state: char,
    start: u64,
}

impl Actor {
    /// The process that has this PID now.
    #[track_caller]
    pub(crate) fn of(disguise: &'static str, pid: u32, is_zombie: bool) -> Self {
        let stat = stat(pid).unwrap_or_else(|| panic!("{disguise} has ended: PID {pid}"));
        Self {
            disguise,
            pid,
            start: stat.start,
            is_zombie,
        }
    }

    /// Whether it is there, and no zombie.
    pub(crate) fn is_there(&self) -> bool {
        self.now()
            .is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
    }

    /// What was done to it that should not have been. `None`: nothing.
    pub(crate) fn harm(&self) -> Option<String> {
        let Some(stat) = self.now() else {
            return Some("it is gone".to_owned());
        };
        match stat.state {
            'Z' | 'X' if self.is_zombie => return None,
            'Z' | 'X' => return Some("it has ended".to_owned()),
            'T' | 't' => return Some("it was stopped".to_owned()),
            _ => {}
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let pending = status.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            let value = u64::from_str_radix(value.trim(), 16).ok()?;
            (matches!(key, "SigPnd" | "ShdPnd") && value != 0).then_some(value)
        });
        let signals: Vec<String> = pending
            .flat_map(|set| (1..=64).filter(move |signal| set & (1 << (signal - 1)) != 0))
            .map(|signal: u32| signal.to_string())
            .collect();
        (!signals.is_empty()).then(|| format!("it was sent signal {}", signals.join(", ")))
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> String {
        let command = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        format!("{} (PID {}: {})", self.disguise, self.pid, command.trim())
    }

    /// Sends it a signal. Only this namespace's own processes can be meant.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_there()
            && let Some(pid) = Pid::from_raw(self.pid.cast_signed())
        {
            let _ = kill_process(pid, signal);
        }
    }

    fn now(&self) -> Option<Stat> {
        stat(self.pid).filter(|stat| stat.start == self.start)
    }
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so the fields are counted from behind it: the state is the 3rd, the start the 22nd.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        start: fields.get(19)?.parse().ok()?,
    })
}
