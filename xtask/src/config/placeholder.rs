//! Placeholders in arguments and in the environment: `{port}`, `{number}`, `{index}`, `{role}`, `{project}`,
//! `{run_dir}`; `{{` and `}}` stand for the braces themselves.
//!
//! A text is checked when the file is read and expanded when a client is started. Both go through the same splitter,
//! so that what passed the check cannot fail for its form later.

use std::path::Path;

use proc_core::mark::MemberNumber;

use super::nearest::{hint, nearest};

const KNOWN: [&str; 6] = [
    "{port}",
    "{number}",
    "{index}",
    "{role}",
    "{project}",
    "{run_dir}",
];

/// What the placeholders stand for, for one client.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// `{port}`.
    pub port: u16,
    /// `{number}`, from 1; `{index}` is one less.
    pub number: MemberNumber,
    /// `{role}`.
    pub role: &'a str,
    /// `{project}`, where the profile has one.
    pub project: Option<&'a Path>,
    /// `{run_dir}`.
    pub run_dir: &'a Path,
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// Braces around something that is no placeholder.
    #[error("unknown placeholder `{written}`, {hint}")]
    Unknown {
        /// The placeholder, with its braces.
        written: String,
        /// The nearest placeholder, or all of them and how to write a brace.
        hint: String,
    },
    /// A brace without its partner.
    #[error("unpaired `{brace}` in {text:?}; for the brace itself write `{brace}{brace}`")]
    Unpaired {
        /// The brace.
        brace: char,
        /// The text that it is in.
        text: String,
    },
    /// `{project}` for a profile without a project.
    #[error("`{{project}}` has no value; set `project` in the profile")]
    NoProject,
    /// A path that an argument cannot carry, because arguments are Unicode here.
    #[error("`{placeholder}` stands for a path that is not Unicode: {path}; rename the folder")]
    NotUnicode {
        /// The placeholder, with its braces.
        placeholder: &'static str,
        /// The path, as far as it can be shown.
        path: String,
    },
}

/// Puts the values in place of the placeholders.
pub fn expand(text: &str, values: &Values<'_>) -> Result<String, PlaceholderError> {
    let mut expanded = String::with_capacity(text.len());
    for piece in split(text)? {
        match piece {
            Piece::Literal(literal) => expanded.push_str(literal),
            Piece::Placeholder("{port}") => expanded.push_str(&values.port.to_string()),
            Piece::Placeholder("{index}") => expanded.push_str(&(values.number - 1).to_string()),
            Piece::Placeholder("{number}") => expanded.push_str(&values.number.to_string()),
            Piece::Placeholder("{role}") => expanded.push_str(values.role),
            Piece::Placeholder("{project}") => {
                let project = values.project.ok_or(PlaceholderError::NoProject)?;
                expanded.push_str(unicode("{project}", project)?);
            }
            Piece::Placeholder("{run_dir}") => {
                expanded.push_str(unicode("{run_dir}", values.run_dir)?);
            }
            Piece::Placeholder(other) => return Err(unknown(other)),
        }
    }
    Ok(expanded)
}

/// Whether the text has the right form and only known placeholders.
pub(super) fn check(text: &str) -> Result<(), PlaceholderError> {
    for piece in split(text)? {
        if let Piece::Placeholder(written) = piece
            && !KNOWN.contains(&written)
        {
            return Err(unknown(written));
        }
    }
    Ok(())
}

enum Piece<'a> {
    Literal(&'a str),
    /// With its braces.
    Placeholder(&'a str),
}

fn split(text: &str) -> Result<Vec<Piece<'_>>, PlaceholderError> {
    let unpaired = |brace| PlaceholderError::Unpaired {
        brace,
        text: text.to_owned(),
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(at);
        pieces.push(Piece::Literal(literal));
        let (piece, length) = if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            (Piece::Literal(&from_brace[..1]), 2)
        } else if from_brace.starts_with('{') {
            let end = from_brace.find('}').ok_or_else(|| unpaired('{'))? + 1;
            (Piece::Placeholder(&from_brace[..end]), end)
        } else {
            return Err(unpaired('}'));
        };
        pieces.push(piece);
        rest = &from_brace[length..];
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

fn unknown(written: &str) -> PlaceholderError {
    let mut hint = hint(written, KNOWN);
    // What resembles no placeholder was hardly meant as one.
    if nearest(written, KNOWN).is_none() {
        hint.push_str("; for a brace itself write `{{` or `}}`");
    }
    PlaceholderError::Unknown {
        written: written.to_owned(),
        hint,
    }
}

fn unicode<'a>(placeholder: &'static str, path: &'a Path) -> Result<&'a str, PlaceholderError> {
    path.to_str().ok_or_else(|| PlaceholderError::NotUnicode {
        placeholder,
        path: path.display().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values<'static> {
        Values {
            port: 8081,
            number: 2,
            role: "server",
            project: Some(Path::new("/game/My Game.uproject")),
            run_dir: Path::new("/state/run"),
        }
    }

    #[test]
    fn every_placeholder_has_its_value() {
        let text = KNOWN.join("|");
        let expanded = expand(&text, &values()).unwrap();
        assert_eq!(
            expanded,
            "8081|2|1|server|/game/My Game.uproject|/state/run"
        );
    }

    #[test]
    fn doubled_braces_are_braces() {
        for (text, meant) in [
            ("-ini:{{a}}={port}", "-ini:{a}=8081"),
            ("{{{port}}}", "{8081}"),
            ("}}{{", "}{"),
            ("{{port}}", "{port}"),
            ("é{number}ü", "é2ü"),
            ("", ""),
        ] {
            assert_eq!(expand(text, &values()).as_deref(), Ok(meant), "{text}");
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn values_are_not_expanded_again() {
        let values = Values {
            role: "{port}",
            ..values()
        };
        assert_eq!(expand("{role}", &values).as_deref(), Ok("{port}"));
    }

    #[test]
    fn what_is_unknown_or_unpaired_is_refused_by_check_and_expand_alike() {
        for text in [
            "{prot}",
            "{}",
            "{ port }",
            "{port",
            "port}",
            "{{port}",
            "{port}}",
            "{\"a\":1}",
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(expand(text, &values()).unwrap_err(), error, "{text}");
        }
        insta::assert_snapshot!(check("--p={prot}").unwrap_err(), @"unknown placeholder `{prot}`, did you mean `{port}`?");
        insta::assert_snapshot!(check("{\"a\":1}").unwrap_err(), @r#"unknown placeholder `{"a":1}`, known here: `{port}`, `{number}`, `{index}`, `{role}`, `{project}`, `{run_dir}`; for a brace itself write `{{` or `}}`"#);
        insta::assert_snapshot!(check("{port").unwrap_err(), @r#"unpaired `{` in "{port"; for the brace itself write `{{`"#);
        insta::assert_snapshot!(check("{port}}").unwrap_err(), @r#"unpaired `}` in "{port}}"; for the brace itself write `}}`"#);
    }

    #[test]
    fn a_project_that_is_not_set_is_asked_for() {
        let values = Values {
            project: None,
            ..values()
        };
        insta::assert_snapshot!(expand("{project}", &values).unwrap_err(), @"`{project}` has no value; set `project` in the profile");
    }
}
