//! Paths of a file as Windows understands them: by drive, by server and share, with either separator.

/// The longest path that every program takes.
const LONGEST_PLAIN: usize = 259;

/// A path of Windows in a form that every program takes. What is relative stays so, to the file's folder or, as
/// `\tools`, to its drive. The error says why it leads nowhere in particular.
///
/// `\\?\C:\Game` and `\\?\UNC\server\share` become `C:\Game` and `\\server\share`: few programs can work with the former.
pub(super) fn plain(text: &str) -> Result<String, String> {
    let native = text.replace('/', "\\");
    if let Some(verbatim) = native.strip_prefix(r"\\?\") {
        let server = verbatim
            .get(..4)
            .filter(|word| word.eq_ignore_ascii_case(r"UNC\"));
        let plain = match server {
            Some(word) => format!(r"\\{}", &verbatim[word.len()..]),
            None if after_drive(verbatim).is_some_and(|rest| rest.starts_with('\\')) => {
                verbatim.to_owned()
            }
            // A volume without a letter has no other name.
            None => return Ok(native),
        };
        let is_plain = plain.chars().count() <= LONGEST_PLAIN;
        return Ok(if is_plain { plain } else { native });
    }
    if let Some(path) = native.strip_prefix(r"\\") {
        let mut parts = path.split('\\').filter(|part| !part.is_empty());
        return match (parts.next(), parts.next()) {
            (Some(_), Some(_)) => Ok(native),
            _ => Err(format!(
                r"names a server and no share of it: {text:?}; write `\\server\share\…`"
            )),
        };
    }
    match after_drive(&native) {
        Some(rest) if !rest.starts_with('\\') => {
            let drive = &native[..2];
            Err(format!(
                r"depends on the current folder of drive {drive} ({text:?}); write `{drive}\{rest}`, or a path from this file's folder"
            ))
        }
        _ => Ok(text.to_owned()),
    }
}

/// What follows the drive's letter and its colon.
fn after_drive(text: &str) -> Option<&str> {
    text.chars().next().filter(char::is_ascii_alphabetic)?;
    text[1..].strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_to_a_form_that_every_program_takes() {
        for (text, expected) in [
            ("Tools/own", "Tools/own"),
            (r"..\Game", r"..\Game"),
            (r"\Game", r"\Game"),
            ("/Game", "/Game"),
            (r"C:\Game", r"C:\Game"),
            ("C:/Game", "C:/Game"),
            (r"\\server\share\x", r"\\server\share\x"),
            ("//server/share/x", r"\\server\share\x"),
            (r"\\?\C:\Game", r"C:\Game"),
            ("//?/C:/Game", r"C:\Game"),
            (r"\\?\unc\server\share\x", r"\\server\share\x"),
            (r"\\?\Volume{1}/x", r"\\?\Volume{1}\x"),
            ("é:/x", "é:/x"),
        ] {
            assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
        }
        let long = format!(r"\\?\C:\{}", "x".repeat(300));
        assert_eq!(plain(&long), Ok(long));
    }

    #[test]
    fn a_path_that_leads_nowhere_in_particular_is_refused() {
        for (text, expected) in [
            ("C:Game", r"write `C:\Game`"),
            (r"d:a\b", r"write `d:\a\b`"),
            ("C:", r"write `C:\`"),
            (r"\\server", r"write `\\server\share\…`"),
            ("//server/", r"write `\\server\share\…`"),
        ] {
            let why = plain(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
