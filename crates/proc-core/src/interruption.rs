//! Requests to end, from a person or from the system.

use std::fmt;

use crate::sys;

pub use crate::sys::Interruption;

/// Lets this process hear of requests to end and of the ends of its children, whatever its parent had blocked or ignored.
///
/// For a program, as the first thing that it does; a library leaves the signals of its process alone.
pub fn hear() {
    sys::hear_signals();
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(sys::name_of_interruption(*self))
    }
}
