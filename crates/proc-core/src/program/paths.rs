//! Paths as text: what other processes were given, in whatever spelling.
//!
//! A path found in a command line may be a Windows path on a Unix host (Wine) and is never valid for this process's own
//! working directory, so it is taken apart here and not by `std::path`. A *normal* path is absolute, has `/` between
//! its parts and neither `.` nor `..`; one with a drive or a server is folded to lower case, as far as its file system takes
//! both cases for the same.

/// The last part of a path, without a trailing separator. Both separators count: the name of a program under Wine is a
/// Windows path.
pub(crate) fn base_name(text: &str) -> &str {
    let text = text.trim_end_matches(['/', '\\']);
    text.rsplit(['/', '\\']).next().unwrap_or(text)
}

/// The name of a program as rules know it: the base name, without `.exe`.
pub(crate) fn program_name(text: &str) -> &str {
    let name = base_name(text);
    match name.len().checked_sub(4) {
        Some(at) if at > 0 && name.is_char_boundary(at) => {
            let (stem, extension) = name.split_at(at);
            if extension.eq_ignore_ascii_case(".exe") {
                stem
            } else {
                name
            }
        }
        _ => name,
    }
}

/// Whether it names a drive or a server, as Windows does.
pub(crate) fn is_windows(text: &str) -> bool {
    drive(text).is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])) || text.starts_with(r"\\")
}

/// Whether it stands for itself, without a working directory.
pub(crate) fn is_absolute(text: &str) -> bool {
    text.starts_with('/') || is_windows(text)
}

/// The drive letter, and what follows the colon.
pub(crate) fn drive(text: &str) -> Option<(char, &str)> {
    let letter = text.chars().next().filter(char::is_ascii_alphabetic)?;
    let rest = text[1..].strip_prefix(':')?;
    Some((letter.to_ascii_lowercase(), rest))
}

/// The normal form of an absolute path. `None`: it is not absolute, or it is not text.
pub(crate) fn normal(text: &str) -> Option<String> {
    if text.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return None;
    }
    if !is_windows(text) {
        return text.starts_with('/').then(|| fold_dots("", text));
    }
    let text: String = text.replace('\\', "/").chars().map(fold).collect();
    let text = match (text.strip_prefix("//?/unc/"), text.strip_prefix("//?/")) {
        (Some(server), _) => format!("//{server}"),
        (None, Some(plain)) => plain.to_owned(),
        (None, None) => text,
    };
    if let Some((letter, rest)) = drive(&text) {
        return Some(fold_dots(&format!("{letter}:"), rest));
    }
    let share = text.strip_prefix("//")?;
    let (server, rest) = share.split_once('/').unwrap_or((share, ""));
    Some(fold_dots(&format!("//{server}"), rest))
}

/// The path that a process with this working directory means, not yet normal.
pub(crate) fn join(directory: &str, text: &str) -> Option<String> {
    if is_absolute(text) && (!text.starts_with('/') || !is_windows(directory)) {
        return Some(text.to_owned());
    }
    if is_windows(directory) {
        // Relative to the current drive, or to a drive's own directory, which cannot be known from outside.
        if text.starts_with(['/', '\\']) {
            return volume(directory).map(|volume| format!("{volume}{text}"));
        }
        if drive(text).is_some() {
            return None;
        }
    }
    is_absolute(directory).then(|| format!("{}/{text}", directory.trim_end_matches('/')))
}

/// What a path of Windows begins with: its drive, or its server and share.
fn volume(text: &str) -> Option<&str> {
    if drive(text).is_some() {
        return text.get(..2);
    }
    let share = text.strip_prefix(r"\\")?;
    let mut ends = share.match_indices(['/', '\\']).map(|(at, _)| at + 2);
    let _server = ends.next()?;
    text.get(..ends.next().unwrap_or(text.len()))
}

/// What leads from a normal folder to a normal path: empty for the folder itself, `None` for a path outside.
pub(crate) fn relative<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    match rest.strip_prefix('/') {
        Some(rest) => Some(rest),
        None => rest.is_empty().then_some(""),
    }
}

/// The lower case of a letter, where the file systems of Windows take both for the same: they know pairs of letters, and
/// take none for two (`İ`) and no sign for a letter (that of Kelvin for a `k`). What is folded can still be looked for on
/// the disk; so what younger scripts have for cases stays as it is.
fn fold(letter: char) -> char {
    if !matches!(letter, '\0'..='\u{58f}' | '\u{1e00}'..='\u{1fff}') {
        return letter;
    }
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) if lower.to_uppercase().eq([letter]) => lower,
        _ => letter,
    }
}

fn fold_dots(prefix: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{prefix}/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_path_has_one_spelling() {
        for (text, expected) in [
            ("/a/./b//c/../d/", Some("/a/b/d")),
            ("/../..", Some("/")),
            (r"/a\b", Some(r"/a\b")),
            (r"C:\Game\..\Other\X.uproject", Some("c:/other/x.uproject")),
            (r"\\?\C:\Game", Some("c:/game")),
            (r"\\?\UNC\Server\Share\x", Some("//server/share/x")),
            (r"\\server\share", Some("//server/share")),
            (r"C:\GÄME\ΣΔΣ\Ж", Some("c:/gäme/σδσ/ж")),
            ("C:/İ/\u{212a}/ẞ", Some("c:/İ/\u{212a}/ẞ")),
            ("C:relative", None),
            ("relative", None),
            ("/not\u{fffd}text", None),
            ("", None),
        ] {
            assert_eq!(normal(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_relative_path_starts_at_the_working_directory() {
        for (directory, text, expected) in [
            ("/a", "b", Some("/a/b")),
            ("/", "b", Some("/b")),
            ("/a", "/b", Some("/b")),
            (r"C:\a", r"\b", Some(r"C:\b")),
            (r"\\server\share\a", r"\b", Some(r"\\server\share\b")),
            (r"\\server\share", r"\b", Some(r"\\server\share\b")),
            (r"\\server", r"\b", None),
            (r"C:\a", "b", Some(r"C:\a/b")),
            (r"C:\a", r"D:\b", Some(r"D:\b")),
            (r"C:\a", "D:b", None),
            ("a", "b", None),
        ] {
            assert_eq!(join(directory, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_outside() {
        assert_eq!(relative("/a/b", "/a/b/c"), Some("c"));
        assert_eq!(relative("/a/b", "/a/b"), Some(""));
        assert_eq!(relative("/a/b", "/a/bc"), None);
        assert_eq!(relative("/", "/a"), Some("a"));
    }

    #[test]
    fn a_program_is_known_without_exe() {
        for (text, expected) in [
            (
                r"C:\Program Files\UE\UnrealEditor-Cmd.EXE",
                "UnrealEditor-Cmd",
            ),
            (
                "/x/UnrealEditor.app/Contents/MacOS/UnrealEditor",
                "UnrealEditor",
            ),
            ("python3.11", "python3.11"),
            (".exe", ".exe"),
            ("é.exe", "é"),
        ] {
            assert_eq!(program_name(text), expected);
        }
    }
}
