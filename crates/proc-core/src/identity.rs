//! What makes a process *this* process.
//!
//! A PID is reused as soon as its process is gone, so a PID alone never identifies anything. The kernel's own start
//! time does, within one boot; the boot id tells one boot from the next. Everything that is recorded, reported or
//! signalled in this crate is an [`Identity`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One boot of one machine: a random 128-bit number that the kernel draws anew at every start.
///
/// Linux: `/proc/sys/kernel/random/boot_id`; macOS: `kern.bootsessionuuid`. Written as a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Boot(u128);

/// The identity of a process: PID, start time and boot.
///
/// Two identities are equal only when they name the same process. Start times are the kernel's own (Linux: field 22 of
/// `/proc/PID/stat`, in clock ticks since boot; macOS: what its clock said then, in µs), never wall-clock seconds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Identity {
    /// The process id, as seen in the PID namespace of the process that wrote it.
    pub pid: u32,
    /// The kernel's start time, in the platform's own unit.
    pub start: u64,
    /// The boot in which it runs.
    pub boot: Boot,
}

impl Boot {
    /// The boot with this number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }
}

impl Identity {
    /// Whether a process whose parent has this PID can be a child of this very process: what is younger than the child has
    /// taken the PID of a parent that is gone.
    pub const fn can_be_parent_of(&self, child: &Self) -> bool {
        self.pid != child.pid && self.start <= child.start
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            (n >> 80) & 0xffff,
            (n >> 64) & 0xffff,
            (n >> 48) & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a boot id (a UUID is expected)")]
pub struct BootError;

impl FromStr for Boot {
    type Err = BootError;

    fn from_str(text: &str) -> Result<Self, BootError> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BootError);
        }
        u128::from_str_radix(&digits, 16)
            .map(Self)
            .map_err(|_| BootError)
    }
}

impl Serialize for Boot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Boot {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Boot {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Boot".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "uuid",
            "description": "one boot of one machine",
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PID {} (start {})", self.pid, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_reads_back_what_it_writes() {
        let text = "01234567-89ab-cdef-0123-456789abcdef";
        let boot: Boot = text.parse().unwrap();
        assert_eq!(boot.to_string(), text);
        assert_eq!(format!("{text}\n").parse::<Boot>().unwrap(), boot);
    }

    #[test]
    fn a_boot_refuses_what_is_no_uuid() {
        for text in ["", "x", "+1234567-89ab-cdef-0123-456789abcde", "0123"] {
            assert_eq!(text.parse::<Boot>(), Err(BootError), "{text:?}");
        }
    }
}
