//! The rules of groups: which processes are counted and cleaned together.
//!
//! Names are compared without regard to case on every system, because on one of them they are the same, and without
//! `.exe`. Scripts are compared by their path relative to the scope's root; as in a shell, a wildcard does not reach
//! into hidden folders, nor into folders of installed packages, unless the pattern names the folder: what lies there (a
//! language server in `.venv`) is not the scope's own script.

use globset::{GlobSet, GlobSetBuilder};

use super::unreal::{self, Switch};
use crate::program::names::{GlobError, Names, build, glob};

/// One group as it is configured.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// How many members are not yet too many.
    pub limit: Option<u32>,
    /// Globs for the names of programs. None, with scripts: every known interpreter.
    pub names: Vec<String>,
    /// Globs for the scripts of interpreters. None: the program is told by its name and place.
    pub scripts: Vec<String>,
    /// Globs for the names of programs that the group leaves alone, its members' own descendants included.
    pub spare: Vec<String>,
    /// Whether its members are Unreal editors, games and helpers, which belong to a project. `None`: the names tell.
    pub unreal: Option<bool>,
}

/// The rules of all groups, in order: the first group that matches a process has it.
#[derive(Clone, Debug)]
pub struct Rules {
    groups: Vec<GroupRule>,
    switches: Vec<Switch>,
}

/// The rule of one group.
#[derive(Clone, Debug)]
pub(super) struct GroupRule {
    pub(super) name: String,
    pub(super) limit: Option<u32>,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) spare: Names,
    pub(super) unreal: bool,
}

/// Globs for the paths of scripts.
#[derive(Clone, Debug)]
pub(super) struct Scripts {
    set: GlobSet,
    patterns: Vec<String>,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A group has an empty name.
    #[error("a group has no name")]
    NoName,
    /// Two groups have the same name.
    #[error("group `{0}` is defined twice")]
    Twice(String),
    /// A group names neither programs nor scripts.
    #[error("group `{0}` matches nothing: give it globs for names or scripts")]
    Empty(String),
    /// A group's name globs match every program, and nothing else narrows them.
    #[error("group `{0}` matches every program: name the programs, or their scripts")]
    TooBroad(String),
    /// A glob of a group cannot be used.
    #[error("group `{group}` has {source}")]
    Glob {
        /// The group.
        group: String,
        /// What is wrong with it.
        source: GlobError,
    },
}

impl Rules {
    /// Rules from their configuration, in the order in which they are asked.
    pub fn new(specs: impl IntoIterator<Item = GroupSpec>) -> Result<Self, RuleError> {
        let mut groups: Vec<GroupRule> = Vec::new();
        for spec in specs {
            if groups.iter().any(|group| group.name == spec.name) {
                return Err(RuleError::Twice(spec.name));
            }
            groups.push(GroupRule::new(spec)?);
        }
        Ok(Self {
            groups,
            switches: unreal::default_switches(),
        })
    }

    /// Adds a profile's own arguments by which a run's editor is told from a person's.
    ///
    /// Give only those that no person uses: a whole argument (`-AutomatedTest`), or one with a value (`-HTTPPort=`,
    /// of which only the part up to `=` counts).
    #[must_use]
    pub fn with_switches<S: AsRef<str>>(mut self, switches: impl IntoIterator<Item = S>) -> Self {
        self.switches.extend(
            switches
                .into_iter()
                .filter_map(|switch| Switch::new(switch.as_ref())),
        );
        self
    }

    /// The names of the groups, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    pub(super) fn groups(&self) -> &[GroupRule] {
        &self.groups
    }

    pub(super) fn group(&self, name: &str) -> Option<&GroupRule> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub(super) fn switches(&self) -> &[Switch] {
        &self.switches
    }
}

impl GroupRule {
    fn new(spec: GroupSpec) -> Result<Self, RuleError> {
        if spec.name.is_empty() {
            return Err(RuleError::NoName);
        }
        if spec.names.is_empty() && spec.scripts.is_empty() {
            return Err(RuleError::Empty(spec.name));
        }
        let every = |pattern: &String| pattern.chars().all(|c| c == '*');
        if spec.scripts.is_empty() && spec.names.iter().any(every) {
            return Err(RuleError::TooBroad(spec.name));
        }
        let glob_error = |source| RuleError::Glob {
            group: spec.name.clone(),
            source,
        };
        let names = Names::new(&spec.names).map_err(glob_error)?;
        let scripts = Scripts::new(&spec.scripts).map_err(glob_error)?;
        let is_unreal =
            scripts.is_empty() && (spec.name == "unreal" || names.find("UnrealEditor").is_some());
        Ok(Self {
            spare: Names::new(&spec.spare).map_err(glob_error)?,
            unreal: spec.unreal.unwrap_or(is_unreal),
            limit: spec.limit,
            name: spec.name,
            names,
            scripts,
        })
    }
}

impl Scripts {
    fn new(patterns: &[String]) -> Result<Self, GlobError> {
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| pattern.replace('\\', "/"))
            .collect();
        let mut set = GlobSetBuilder::new();
        for pattern in &patterns {
            let plain = pattern.strip_prefix("./").unwrap_or(pattern);
            set.add(glob(pattern, plain)?);
        }
        Ok(Self {
            set: build(&patterns, &set)?,
            patterns,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether a pattern matches a path, and names each folder on it that wildcards do not reach.
    pub(super) fn matches(&self, path: &str) -> bool {
        let closed: Vec<&str> = closed_folders(path).collect();
        self.set.matches(path).into_iter().any(|index| {
            let pattern = self.patterns.get(index).map_or("", String::as_str);
            closed.iter().all(|folder| {
                pattern
                    .split('/')
                    .any(|part| part.eq_ignore_ascii_case(folder))
            })
        })
    }
}

/// The folders on a path that are hidden or that hold installed packages.
pub(super) fn closed_folders(path: &str) -> impl Iterator<Item = &str> {
    const INSTALLED: [&str; 6] = [
        "site-packages",
        "dist-packages",
        "node_modules",
        "venv",
        "virtualenv",
        "__pypackages__",
    ];
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders
        .split('/')
        .filter(|part| part.starts_with('.') || INSTALLED.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(names: &[&str], scripts: &[&str]) -> Result<GroupRule, RuleError> {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        GroupRule::new(GroupSpec {
            name: "g".to_owned(),
            names: owned(names),
            scripts: owned(scripts),
            ..GroupSpec::default()
        })
    }

    #[test]
    fn names_are_compared_without_case_and_exe() {
        let rule = group(&["UnrealEditor*", "Python.EXE"], &[]).unwrap();
        assert_eq!(rule.names.find("unrealeditor-cmd"), Some("UnrealEditor*"));
        assert_eq!(rule.names.find("python"), Some("Python.EXE"));
        assert_eq!(rule.names.find("MyUnrealEditor"), None);
        assert!(rule.unreal);
    }

    #[test]
    fn a_wildcard_behind_an_interpreter_stands_for_its_versions() {
        for (pattern, name, expected) in [
            ("python*", "python3.11", true),
            ("python*", "pythonista", false),
            ("pythonista", "pythonista", true),
            ("blender*", "blender-4.2", true),
            ("*", "pythonista", true),
        ] {
            let rule = group(&[pattern], &["**/*.py"]).unwrap();
            let is_meant = rule.names.mean_interpreter(name);
            assert_eq!(is_meant, expected, "{pattern} and {name}");
        }
    }

    #[test]
    fn wildcards_do_not_reach_into_hidden_or_installed_folders() {
        let wild = group(&["python*"], &["**/*.py"]).unwrap().scripts;
        for path in ["a.py", "deep/er/A.PY", "home/me/other/b.py"] {
            assert!(wild.matches(path), "{path}");
        }
        for path in [
            ".venv/bin/x.py",
            "lib/site-packages/pylsp/__main__.py",
            "venv/bin/x.py",
            "a/.vscode/server.py",
            "a.txt",
        ] {
            assert!(!wild.matches(path), "{path}");
        }
        let named = group(&["python*"], &[".ci/*.py", r".\tools\*.py"])
            .unwrap()
            .scripts;
        assert!(named.matches(".ci/run.py") && named.matches("tools/run.py"));
        assert!(!named.matches("tools/deep/run.py") && !named.matches(".other/run.py"));
    }

    #[test]
    fn useless_and_dangerous_rules_are_refused() {
        for (names, scripts, expected) in [
            (
                &[][..],
                &[][..],
                "group `g` matches nothing: give it globs for names or scripts",
            ),
            (
                &["*"],
                &[],
                "group `g` matches every program: name the programs, or their scripts",
            ),
            (
                &["bin/x"],
                &[],
                "group `g` has `bin/x` for a name: names have no folders",
            ),
            (
                &["x["],
                &[],
                "group `g` has a bad glob `x[`: unclosed character class; missing ']'",
            ),
        ] {
            assert_eq!(group(names, scripts).unwrap_err().to_string(), expected);
        }
        let twice = ["a", "a"].map(|name| GroupSpec {
            name: name.to_owned(),
            names: vec!["x".to_owned()],
            ..GroupSpec::default()
        });
        assert_eq!(
            Rules::new(twice).unwrap_err(),
            RuleError::Twice("a".to_owned())
        );
    }
}
