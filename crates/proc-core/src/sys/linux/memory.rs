//! The memory of this process.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Gives back what this process has mapped of its program and does not need while it waits.
///
/// With each page of a program that is needed the kernel maps all its neighbours that it has at hand, so that most of
/// what a small program holds is code and constants that it never uses. What is needed again is mapped again where it is
/// needed.
#[expect(
    unsafe_code,
    reason = "the kernel cannot know that nothing counts on the contents"
)]
pub(crate) fn give_back_program() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    // All of them are found first: the search is code itself.
    for (start, length) in unwritten(&maps) {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: nothing has been written to these pages, and the next use reads the same from the file again.
        let advised = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
        // Pages that are locked in memory stay, which is just as well.
        let _ = advised;
    }
}

/// Address and length of each mapping of a file that can only be read or executed and has no pages of this process's
/// own. There are some in what was written to while the program was being loaded. Format: proc(5), `/proc/PID/smaps`.
fn unwritten(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in maps.lines() {
        match line.strip_prefix("Anonymous:").map(str::trim) {
            Some("0 kB") => found.extend(candidate.take()),
            Some(_) => candidate = None,
            None if is_first(line) => candidate = of_file(line),
            None => {}
        }
    }
    found
}

/// Whether a line begins what is said of a mapping: the other lines begin with a name and a colon.
fn is_first(line: &str) -> bool {
    let word = line.split_ascii_whitespace().next();
    word.is_some_and(|word| !word.ends_with(':'))
}

/// Address and length of a mapping, from its first line, if it shows a file and cannot be written to.
fn of_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_fixed = matches!(fields.next()?, "r-xp" | "r--p");
    let is_file = fields.nth(2)? != "0";
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    (is_fixed && is_file).then(|| Some((start, end.checked_sub(start)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "Size:               1160 kB\nRss:                 736 kB\nAnonymous:             0 kB\n\
                        THPeligible:           0\nVmFlags: rd mr mw me sd \n";

    #[test]
    fn only_what_a_file_has_unchanged_is_given_back() {
        let code =
            "5635e3a0d000-5635e3bc5000 r-xp 000f3000 fe:00 1234   /with: colons and/program\n";
        let constants = "5635e391a000-5635e3a0d000 r--p 00000000 fe:00 1234  /program\n";
        let expected = vec![(0x5635_e3a0_d000, 0x1b_8000), (0x5635_e391_a000, 0xf_3000)];
        let maps = [code, REST, constants, REST].concat();
        assert_eq!(unwritten(&maps), expected);

        let relocated = REST.replace("Anonymous:             0 kB", "Anonymous:           252 kB");
        assert_eq!(unwritten(&[constants, &relocated].concat()), []);
        for line in [
            "5635e3bdf000-5635e3be1000 rw-p 002c4000 fe:00 1234  /program\n",
            "7f8eed8b7000-7f8eed8b9000 r-xp 00000000 00:00 0     [vdso]\n",
            "7f8ee4000000-7f8ee4021000 rw-p 00000000 00:00 0\n",
        ] {
            assert_eq!(unwritten(&[line, REST].concat()), [], "{line}");
        }
    }

    #[test]
    fn a_program_runs_on_without_what_it_has_given_back() {
        give_back_program();
        assert_eq!(format!("{}", 6 * 7), "42");
    }
}
