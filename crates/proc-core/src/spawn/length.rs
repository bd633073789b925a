//! How long a command line is where a process gets all of its arguments as one text.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::ResolveError;
use crate::sys;

/// Whether a program can be started with these arguments: on Windows there is no room for more than so many letters.
/// Elsewhere the kernel says so when it is tried.
pub fn fits(program: &OsStr, arguments: &[OsString]) -> Result<(), ResolveError> {
    let Some(longest) = sys::longest_command_line(Path::new(program)) else {
        return Ok(());
    };
    let length = length(program, arguments);
    if length <= longest {
        return Ok(());
    }
    Err(ResolveError::TooLong {
        program: program.to_owned(),
        length,
        longest,
    })
}

/// How many units of UTF-16 a command line has, quoted as Rust's library does it. Batch files are quoted in another way,
/// and may come to more.
fn length(program: &OsStr, arguments: &[OsString]) -> usize {
    let program = program.to_string_lossy().encode_utf16().count() + 2;
    let arguments = arguments.iter().map(|argument| 1 + quoted(argument));
    program + arguments.sum::<usize>()
}

fn quoted(argument: &OsStr) -> usize {
    let text = argument.to_string_lossy();
    let mut length = 0;
    let mut backslashes = 0;
    for unit in text.encode_utf16() {
        length += 1;
        if unit == u16::from(b'\\') {
            backslashes += 1;
            continue;
        }
        if unit == u16::from(b'"') {
            // Itself behind a backslash, and each of those before it twice.
            length += backslashes + 1;
        }
        backslashes = 0;
    }
    if text.is_empty() || text.contains([' ', '\t']) {
        length += backslashes + 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_as_long_as_it_is_written() {
        for (argument, written) in [
            ("a", "a"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            (r"C:\a b\", r#""C:\a b\\""#),
            (r"C:\a\", r"C:\a\"),
            (r#"say "x""#, r#""say \"x\"""#),
            (r#"a\"b"#, r#"a\\\"b"#),
            ("é😀", "é😀"),
        ] {
            let expected = written.encode_utf16().count();
            assert_eq!(quoted(argument.as_ref()), expected, "{argument}");
        }
        let line = length("C:\\x y.exe".as_ref(), &["a".into(), "b c".into()]);
        assert_eq!(line, r#""C:\x y.exe" a "b c""#.len());
    }
}
