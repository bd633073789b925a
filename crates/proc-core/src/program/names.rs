//! The names by which a program is known, and globs for such names.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{paths, script};
use crate::table::Process;

/// Globs for the names of programs.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    set: GlobSet,
    patterns: Vec<String>,
}

/// A glob that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// A glob for names has a folder in it.
    #[error("`{0}` for a name: names have no folders")]
    Folder(String),
    /// It matches every program where some are to be named.
    #[error("`{0}`, which matches every program: name those that are meant")]
    Everything(String),
    /// It is malformed.
    #[error("a bad glob `{pattern}`: {reason}")]
    Malformed {
        /// The glob.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Names {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            if pattern.contains(['/', '\\']) {
                return Err(GlobError::Folder(pattern.clone()));
            }
            let folded = pattern.to_lowercase();
            let stem = folded.strip_suffix(".exe").unwrap_or(&folded);
            set.add(glob(pattern, stem)?);
        }
        Ok(Self {
            set: build(patterns, &set)?,
            patterns: patterns.to_vec(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether a pattern means an interpreter of this name.
    ///
    /// A wildcard behind the name of a known interpreter stands for its versions: `python*` does not mean `pythonista`,
    /// which reads its arguments in its own way.
    pub(crate) fn mean_interpreter(&self, name: &str) -> bool {
        let is_known = script::is_interpreter(name);
        self.set.matches(name).into_iter().any(|index| {
            let pattern = self.patterns.get(index).map_or("", String::as_str);
            let stem = pattern.split(['*', '?', '[', '{']).next().unwrap_or("");
            is_known || stem == pattern || !script::is_interpreter(stem)
        })
    }

    /// The first pattern that matches the name of a program.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let first = self.set.matches(name).into_iter().min()?;
        self.patterns.get(first).map(String::as_str)
    }
}

/// The names by which rules may know a program: that of its file, and that by which it was called. The kernel's short
/// name is none of them: it is cut off, and each thread can change it.
pub(crate) fn names_of(process: &Process) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(path) = process.executable().and_then(Path::to_str) {
        names.push(paths::program_name(path).to_owned());
    }
    let arguments = process.arguments().unwrap_or_default();
    let called = arguments.first().map(|own| own.trim_start_matches('-'));
    names.extend(
        called
            .filter(|own| is_path(own))
            .map(|own| paths::program_name(own).to_owned()),
    );
    // On Windows, and among Wine's own programs, nothing loads another one.
    let is_windows = process
        .executable()
        .and_then(Path::to_str)
        .is_some_and(paths::is_windows);
    if !is_windows && names.iter().any(|name| name.starts_with("wine")) {
        // Before Wine has put the program's own name in place of its loader's.
        let program = arguments.get(1).filter(|argument| is_path(argument));
        names.extend(program.map(|program| paths::program_name(program).to_owned()));
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// Whether a text can be the path of a program, and not a title that a process has given itself.
fn is_path(text: &str) -> bool {
    paths::is_absolute(text) || text.starts_with('.') || !text.contains(char::is_whitespace)
}

pub(crate) fn glob(pattern: &str, text: &str) -> Result<globset::Glob, GlobError> {
    GlobBuilder::new(text)
        .case_insensitive(true)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| GlobError::Malformed {
            pattern: pattern.to_owned(),
            reason: error.kind().to_string(),
        })
}

pub(crate) fn build(patterns: &[String], set: &GlobSetBuilder) -> Result<GlobSet, GlobError> {
    set.build().map_err(|error| GlobError::Malformed {
        pattern: patterns.join(" "),
        reason: error.kind().to_string(),
    })
}
