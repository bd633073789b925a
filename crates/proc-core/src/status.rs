//! How a process has ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status that a process left when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It ended by itself, with this code.
    Code(i32),
    /// A signal of this number ended it (Unix only).
    Signal(i32),
}

/// The code with which Windows ends a program that does not mind Ctrl+C, or Ctrl+Break (`STATUS_CONTROL_C_EXIT`).
const ENDED_BY_KEYS: i32 = 0xC000_013A_u32.cast_signed();

impl ExitStatus {
    /// Whether the process says that it succeeded.
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// What it says about a test, for people.
    pub fn verdict(self) -> String {
        if self.success() {
            "the test passed".into()
        } else {
            format!("the test failed with {self}")
        }
    }

    /// The code as a shell reports it: the process's own, or 128 and the signal's number. Ctrl+C, which is a signal
    /// elsewhere, counts as one on Windows too.
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Code(ENDED_BY_KEYS) => 128 + 2,
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What Windows ends a process with for an error is known by this number.
            Self::Code(code) if *code < 0 => write!(f, "code {code} ({code:#010X})"),
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The name of a signal whose number is the same on every Unix that this crate runs on.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_well() {
        for (status, text) in [
            (ExitStatus::Code(0), "code 0"),
            (ExitStatus::Code(300), "code 300"),
            (ExitStatus::Code(-1), "code -1 (0xFFFFFFFF)"),
            (
                ExitStatus::Code(-1_073_741_510),
                "code -1073741510 (0xC000013A)",
            ),
            (ExitStatus::Signal(9), "signal 9 (SIGKILL)"),
            (ExitStatus::Signal(64), "signal 64"),
        ] {
            assert_eq!(status.to_string(), text);
        }
    }

    #[test]
    fn a_code_of_a_shell_tells_of_ctrl_c() {
        assert_eq!(ExitStatus::Code(ENDED_BY_KEYS).shell_code(), 130);
        assert_eq!(ExitStatus::Signal(2).shell_code(), 130);
        assert_eq!(ExitStatus::Code(7).shell_code(), 7);
    }
}
