//! Unreal editors, games and helpers: which project they work on, and whether a run or a person started them.

use std::path::Path;

use crate::program::paths;

/// An argument that only automated runs use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    key: String,
    takes_value: bool,
}

/// The arguments that tell an automated run from a person's editor, in every project.
pub(super) fn default_switches() -> Vec<Switch> {
    [
        "-game",
        "-server",
        "-run=",
        "-unattended",
        "-nullrhi",
        "-ExecCmds",
    ]
    .into_iter()
    .filter_map(Switch::new)
    .collect()
}

impl Switch {
    /// Reads `-key` or `-key=`; what follows the `=` does not count. `None`: it is no option.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (key, takes_value) = match text.split_once('=') {
            Some((key, _)) => (key, true),
            None => (text, false),
        };
        Some(Self {
            key: option_key(key)?.to_lowercase(),
            takes_value,
        })
    }

    /// Whether a whole argument is this switch.
    fn is(&self, argument: &str) -> bool {
        let (key, value) = match argument.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (argument, None),
        };
        option_key(key).is_some_and(|key| key.to_lowercase() == self.key)
            && (value.is_some() || !self.takes_value)
    }
}

/// Whether any of the arguments is one of these switches.
pub(super) fn is_automated(arguments: &[String], switches: &[Switch]) -> bool {
    arguments
        .iter()
        .any(|argument| switches.iter().any(|switch| switch.is(argument)))
}

/// Whether a program of this name may hold a person's unsaved work.
pub(super) fn is_editor(name: &str) -> bool {
    name.to_lowercase().contains("editor")
}

/// The project among the arguments: the first whole argument that is a `.uproject`, or the value of `-project=`.
///
/// An option that merely mentions a project (`-ExecCmds="open X.uproject"`) names none.
pub(super) fn project(arguments: &[String]) -> Option<&str> {
    arguments.iter().find_map(|argument| {
        let argument = argument.trim_matches('"');
        let path = match argument.split_once('=') {
            Some((key, value))
                if option_key(key).is_some_and(|k| k.eq_ignore_ascii_case("project")) =>
            {
                value.trim_matches('"')
            }
            _ if argument.starts_with('-') => return None,
            _ => argument,
        };
        let extension = Path::new(paths::base_name(path)).extension()?;
        extension.eq_ignore_ascii_case("uproject").then_some(path)
    })
}

/// The absolute paths among the arguments, as plain arguments or as values of options.
///
/// Helpers (the crash reporter) are given the folders that their project writes to, and not the project itself.
pub(super) fn given_paths(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().filter_map(|argument| {
        let path = if argument.starts_with('-') {
            argument.split_once('=')?.1
        } else {
            argument
        };
        let path = path.trim_matches('"');
        paths::is_absolute(path).then_some(path)
    })
}

/// Whether a program of this name only serves an editor or a game.
pub(super) fn is_helper(name: &str) -> bool {
    const HELPERS: [&str; 5] = [
        "crashreportclient",
        "shadercompileworker",
        "epicwebhelper",
        "livecodingconsole",
        "interchangeworker",
    ];
    let name = name.to_lowercase();
    HELPERS.iter().any(|helper| name.starts_with(helper))
}

/// The folders on a normal path that hold what an editor or a game writes: each is that of a project, or of a build.
pub(super) fn writers(path: &str) -> impl Iterator<Item = &str> {
    let is_written = |part: &str| {
        part.eq_ignore_ascii_case("Saved") || part.eq_ignore_ascii_case("Intermediate")
    };
    path.match_indices('/').filter_map(move |(at, _)| {
        let part = path[at + 1..].split('/').next()?;
        is_written(part).then(|| &path[..at])
    })
}

/// The name of an option without its dashes.
fn option_key(text: &str) -> Option<&str> {
    let key = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_switch_is_a_whole_argument() {
        let mut switches = default_switches();
        switches.extend(Switch::new("-HTTPPort={port}"));
        for automated in [
            "-game",
            "-GAME",
            "--server",
            "-run=Cook",
            "-Run=",
            "-ExecCmds=Automation RunTests X",
            "-execcmds",
            "-HTTPPort=8080",
        ] {
            assert!(
                is_automated(&strings(&["x", automated]), &switches),
                "{automated}"
            );
        }
        for not in [
            "-gameabc",
            "-game-feature",
            "game",
            "-run",
            "-runtests",
            "-nullrhi2",
            "Map?game=/Script/X.Y",
            "/Game/Maps/X",
            "-log",
            "-",
            "--",
            "",
        ] {
            assert!(!is_automated(&strings(&["x", not]), &switches), "{not}");
        }
    }

    #[test]
    fn the_project_is_a_whole_argument() {
        for (arguments, expected) in [
            (&["/a/My.uproject", "-game"][..], Some("/a/My.uproject")),
            (
                &["-log", r#"-Project="C:\a b\My.UPROJECT""#],
                Some(r"C:\a b\My.UPROJECT"),
            ),
            (&["-ExecCmds=open /a/My.uproject"], None),
            (&["/a/My.uproject.autosave"], None),
            (
                &["/b/Other.uproject", "/a/My.uproject"],
                Some("/b/Other.uproject"),
            ),
            (&["MyGame"], None),
            (&[], None),
        ] {
            assert_eq!(project(&strings(arguments)), expected, "{arguments:?}");
        }
    }
}
