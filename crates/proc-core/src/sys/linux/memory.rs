//! The memory of this process.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Gives back the code that this process has mapped and does not need while it waits.
///
/// With each page of a program that is needed the kernel maps all its neighbours that it has at hand, so that most of
/// what a small program holds is code that it never runs. What is needed again is mapped again where it is needed.
#[expect(
    unsafe_code,
    reason = "the kernel cannot know that nobody counts on the contents"
)]
pub(crate) fn give_back_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    // All of them are found first: the search is code itself.
    let found: Vec<(usize, usize)> = maps.lines().filter_map(code).collect();
    for (start, length) in found {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: nothing can have been written to these pages, and the next use reads the same from the file again.
        let advised = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
        // Pages that are locked in memory stay, which is just as well.
        let _ = advised;
    }
}

/// Address and length of a mapping, from its line in `/proc/PID/maps`, if it is code from a file. Not of other pages
/// that can only be read by now: those may have been written to while the program was being loaded.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp";
    let is_file = fields.nth(2)? != "0";
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    (is_code && is_file).then(|| Some((start, end.checked_sub(start)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_from_files_is_given_back() {
        let code_of_a_program =
            "5635e3a0d000-5635e3bc5000 r-xp 000f3000 fe:00 1234   /folder/with spaces/program";
        assert_eq!(code(code_of_a_program), Some((0x5635_e3a0_d000, 0x1b_8000)));
        for line in [
            "5635e391a000-5635e3a0d000 r--p 00000000 fe:00 1234  /program",
            "5635e3bdf000-5635e3be1000 rw-p 002c4000 fe:00 1234  /program",
            "7f8eed8b7000-7f8eed8b9000 r-xp 00000000 00:00 0     [vdso]",
            "7f8ee4000000-7f8ee4021000 rw-p 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code(line), None, "{line}");
        }
    }

    #[test]
    fn a_program_runs_on_without_the_code_that_it_has_given_back() {
        give_back_code();
        assert_eq!(format!("{}", 6 * 7), "42");
    }
}
