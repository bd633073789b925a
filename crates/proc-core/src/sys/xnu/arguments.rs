//! The memory in which a program finds its arguments and its environment (`sysctl` with `KERN_PROCARGS2`).
//!
//! It begins with the number of arguments, and the path of the executable, which is filled up with zeros. Then come
//! arguments and environment, a zero behind each, and an empty string behind the last variable. What follows is of the
//! system's own. Where the system keeps an environment to itself, the memory ends behind the last argument
//! (`sysctl_procargsx` of `bsd/kern/kern_sysctl.c`).

/// Both of one process. The memory is the process's own: it may have written anything there.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    count: usize,
    /// From the first argument on.
    strings: &'a [u8],
}

impl<'a> Arguments<'a> {
    /// `None`: this is no such memory.
    pub(crate) fn parse(memory: &'a [u8]) -> Option<Self> {
        let (count, rest) = memory.split_first_chunk()?;
        let count = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
        let path = rest.iter().position(|byte| *byte == 0)?;
        let padding = rest[path..].iter().position(|byte| *byte != 0);
        let strings = padding.map_or(&[][..], |padding| &rest[path + padding..]);
        Some(Self { count, strings })
    }

    /// The arguments, the program's name first.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all().take(self.count)
    }

    /// The value of one environment variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&'a [u8]> {
        let variables = self.all().skip(self.count);
        let mut variables = variables.take_while(|variable| !variable.is_empty());
        variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    fn all(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let strings = self.strings.strip_suffix(b"\0").unwrap_or(self.strings);
        let is_there = !self.strings.is_empty();
        strings.split(|byte| *byte == 0).filter(move |_| is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(count: i32, rest: &[u8]) -> Vec<u8> {
        [&count.to_ne_bytes(), rest].concat()
    }

    fn words(memory: &[u8]) -> Vec<&str> {
        let arguments = Arguments::parse(memory).unwrap().arguments();
        arguments
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn arguments_and_environment_are_told_apart_by_their_number() {
        let memory = memory(
            3,
            b"/bin/a b\0\0\0\0a b\0A=in\0\0A=out\0AB=other\0\0A=apple\0",
        );
        assert_eq!(words(&memory), ["a b", "A=in", ""]);
        let parsed = Arguments::parse(&memory).unwrap();
        assert_eq!(parsed.variable("A"), Some(&b"out"[..]));
        assert_eq!(parsed.variable("AB"), Some(&b"other"[..]));
        assert_eq!(parsed.variable("B"), None);
    }

    #[test]
    fn what_the_system_adds_is_no_environment() {
        let memory = memory(1, b"/bin/a\0\0a\0\0executable_path=/bin/a\0");
        let parsed = Arguments::parse(&memory).unwrap();
        assert_eq!(parsed.variable("executable_path"), None);
    }

    #[test]
    fn an_environment_that_is_kept_back_has_no_variables() {
        let memory = memory(2, b"/bin/a\0\0a\0A=argument\0");
        assert_eq!(words(&memory), ["a", "A=argument"]);
        let parsed = Arguments::parse(&memory).unwrap();
        assert_eq!(parsed.variable("A"), None);
    }

    #[test]
    fn without_arguments_the_environment_comes_first() {
        let memory = memory(0, b"/bin/a\0\0A=1\0\0");
        let parsed = Arguments::parse(&memory).unwrap();
        assert_eq!(parsed.arguments().count(), 0);
        assert_eq!(parsed.variable("A"), Some(&b"1"[..]));
    }

    #[test]
    fn memory_that_a_process_has_overwritten_panics_nowhere() {
        for (count, rest) in [
            (5, &b"/bin/a\0\0a\0"[..]),
            (5, b"/bin/a\0"),
            (0, b"\0"),
            (i32::MAX, b"\0\0\0\0"),
        ] {
            let memory = memory(count, rest);
            let parsed = Arguments::parse(&memory).unwrap();
            assert!(parsed.arguments().count() <= 1, "{rest:?}");
            assert_eq!(parsed.variable("A"), None);
        }
        for none in [
            &b""[..],
            b"\x01\0",
            &memory(-1, b"/bin/a\0"),
            &memory(1, b"/bin/a"),
        ] {
            assert!(Arguments::parse(none).is_none(), "{none:?}");
        }
    }
}
