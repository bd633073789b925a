//! What can be wrong with a configuration. All of it ends in the exit code `config` (106).
//!
//! A mistake in a file is a [`Mistake`] with its place, and a file's mistakes are reported together: to fix
//! a file takes the list, not a turn for each entry.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::nearest::hint;
use super::placeholder::PlaceholderError;
use super::ports::PortsError;

/// Why there is no configuration, or not what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}; check that it is a file that you may read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file was read, and is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A profile or a group of that name does not exist.
    #[error("unknown {kind} `{name}`, {hint}")]
    Unknown {
        /// `profile` or `group`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The nearest name, or all that are known.
        hint: String,
    },
    /// A profile that is to be started names no program.
    #[error(
        "profile `{profile}` has no program; run `cargo xtask init`, which looks for it, or set `program` under \
         [profile.{profile}] in xtask.toml"
    )]
    ProgramUnset {
        /// The profile.
        profile: String,
    },
    /// An argument cannot be expanded.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    /// The ports do not fit the clients.
    #[error(transparent)]
    Ports(#[from] PortsError),
}

impl ConfigError {
    pub(super) fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown {
            kind,
            name: name.to_owned(),
            hint: hint(name, known),
        }
    }
}

/// The mistakes of one file, in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub mistakes: Vec<Mistake>,
}

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do about it.
    pub message: String,
    /// The line of the file, fit to be printed.
    pub excerpt: String,
    /// How many characters of the line the mistake spans; at least one.
    pub width: usize,
}

impl Invalid {
    /// Finds the places of `faults` in `text`.
    pub(super) fn new(file: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.start);
        Self {
            file: file.to_path_buf(),
            mistakes: faults
                .into_iter()
                .map(|fault| Mistake::locate(text, fault))
                .collect(),
        }
    }
}

impl Mistake {
    fn locate(text: &str, fault: Fault) -> Self {
        let start = text.floor_char_boundary(fault.span.start);
        let end = text.floor_char_boundary(fault.span.end).max(start);
        let (before, from) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let in_line = from.lines().next().unwrap_or_default().len();
        let spanned = &from[..in_line.min(end - start)];
        Self {
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message: fault.message,
            // A tab or an escape sequence would shift the caret, or do worse to a terminal.
            excerpt: line.replace(char::is_control, " "),
            width: spanned.chars().count().max(1),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let Mistake { line, column, .. } = mistake;
            let number = line.to_string();
            let gutter = number.len();
            let carets = "^".repeat(mistake.width);
            writeln!(
                out,
                "{}:{line}:{column}: {}",
                self.file.display(),
                mistake.message
            )?;
            writeln!(out, "  {number} | {}", mistake.excerpt)?;
            write!(
                out,
                "  {:gutter$} | {:indent$}{carets}",
                "",
                "",
                indent = column - 1
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// A mistake before its place is worked out: a range of bytes of the file, and what is wrong there.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { span, message }
    }
}
