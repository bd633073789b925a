//! Which group's rule has a process, and whether the process is the scope's.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::bounds::{Bounds, Place};
use super::rules::{GroupRule, Rules};
use super::unreal;
use super::work::{self, Work};
use super::{ForeignReason, UnknownReason, Verdict};
use crate::membership::Evidence;
use crate::program::names::names_of;
use crate::program::{paths, script};
use crate::table::{Process, Table};

/// What the rules say of a process.
#[derive(Clone, Debug)]
pub(super) enum Match {
    /// A group has it.
    Group(Found),
    /// No group has it.
    Foreign(ForeignReason),
    /// A group may have it, but too little can be seen.
    Unknown(UnknownReason),
}

/// A rule that names a program: the one that has the process, or else the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NamedBy {
    /// Its group.
    pub group: String,
    /// The pattern that fits the name. `null`: the rule is about every interpreter.
    pub pattern: Option<String>,
}

/// The group that has a process, and why.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) group: String,
    pub(super) evidence: Evidence,
    pub(super) in_scope: bool,
    pub(super) own_editor: bool,
    /// An Unreal process that says itself where it belongs, and does not take that from the one that started it.
    settled: bool,
}

impl From<Found> for Verdict {
    fn from(found: Found) -> Self {
        Self::Group {
            group: found.group,
            evidence: found.evidence,
            in_scope: found.in_scope,
            own_editor: found.own_editor,
        }
    }
}

/// Asks the rules, each process at most once.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    bounds: &'a Bounds<'a>,
    rules: &'a Rules,
    known: BTreeMap<u32, Known>,
}

#[derive(Debug, Default)]
struct Known {
    names: OnceCell<Vec<String>>,
    direct: OnceCell<Match>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(
        bounds: &'a Bounds<'a>,
        rules: &'a Rules,
        pids: impl Iterator<Item = u32>,
    ) -> Self {
        Self {
            bounds,
            rules,
            known: pids.map(|pid| (pid, Known::default())).collect(),
        }
    }

    /// What the rules say of a process.
    pub(super) fn of(&self, table: &'a Table, process: &'a Process) -> Match {
        match self.direct(process) {
            Some(Match::Group(own)) if self.is_unreal(own) => {
                Match::Group(self.with_line(table, process, own.clone()))
            }
            Some(said) => said.clone(),
            None => Match::Unknown(UnknownReason::Vanished),
        }
    }

    /// The group that has a process.
    pub(super) fn group(&self, table: &'a Table, process: &'a Process) -> Option<String> {
        match self.of(table, process) {
            Match::Group(found) => Some(found.group),
            Match::Foreign(_) | Match::Unknown(_) => None,
        }
    }

    /// Whether an Unreal program may have a project of the scope open, whosever it is. `None`: it is no Unreal program, as far
    /// as its name tells: that which the system lists for it, where nothing else can be seen.
    pub(super) fn may_have_open(&self, table: &'a Table, process: &'a Process) -> Option<bool> {
        let listed = [paths::program_name(process.short_name()).to_owned()];
        let names = match self.names(process) {
            [] => &listed,
            names => names,
        };
        let mut groups = self.rules.groups().iter();
        let is_named = groups.any(|rule| rule.unreal && is_named(rule, names));
        match self.of(table, process) {
            Match::Group(found) => self.is_unreal(&found).then_some(found.in_scope),
            // It sees other files.
            Match::Unknown(UnknownReason::OtherFiles) | Match::Foreign(_) => None,
            Match::Unknown(_) => is_named.then_some(true),
        }
    }

    /// Whether a rule names the program.
    pub(super) fn is_named(&self, process: &Process) -> bool {
        let mut groups = self.rules.groups().iter();
        groups.any(|rule| self.names_it(rule, process))
    }

    /// The rule that names the program: the one that has the process, or else the first.
    pub(super) fn named_by(&self, process: &Process) -> Option<NamedBy> {
        let names = self.names(process);
        let mut groups = self.rules.groups().iter();
        let first = groups.find(|rule| self.names_it(rule, process))?;
        let rule = match self.direct(process) {
            Some(Match::Group(found)) => self.rules.group(&found.group)?,
            _ => first,
        };
        let pattern = names.iter().find_map(|name| rule.names.find(name));
        Some(NamedBy {
            group: rule.name.clone(),
            pattern: pattern.map(str::to_owned),
        })
    }

    /// Whether a rule names the program, or means it for a game of the scope's project.
    fn names_it(&self, rule: &GroupRule, process: &Process) -> bool {
        is_named(rule, self.names(process)) || rule.unreal && self.is_game(process)
    }

    /// Whether the program is a game that was built from a project of the scope, which is called after it
    /// (`Binaries/Linux/MyGame-Linux-Shipping`).
    fn is_game(&self, process: &Process) -> bool {
        process
            .executable()
            .and_then(Path::to_str)
            .is_some_and(|path| {
                self.bounds
                    .is_called_after_project(paths::program_name(path))
                    && match self.bounds.locate(path, None, false) {
                        Place::Inside(inside) => inside
                            .split('/')
                            .any(|part| part.eq_ignore_ascii_case("Binaries")),
                        Place::Outside(_) | Place::Unknown(_) => false,
                    }
            })
    }

    /// Whether any rule spares the program, even where another rule has it.
    pub(super) fn is_spared(&self, process: &Process) -> bool {
        let names = self.names(process);
        let groups = self.rules.groups().iter();
        groups
            .map(|rule| &rule.spare)
            .any(|spare| names.iter().any(|name| spare.find(name).is_some()))
    }

    /// What a process says of itself. `None`: it is not in the snapshot.
    fn direct(&self, process: &Process) -> Option<&Match> {
        let known = self.known.get(&process.identity().pid)?;
        Some(known.direct.get_or_init(|| self.ask(process)))
    }

    fn ask(&self, process: &Process) -> Match {
        let names = self.names(process);
        if names.is_empty() {
            return Match::Unknown(UnknownReason::Unreadable);
        }
        let mut spared = None;
        let mut without_script = None;
        for rule in self.rules.groups() {
            if let Some(pattern) = names.iter().find_map(|name| rule.spare.find(name)) {
                spared.get_or_insert_with(|| ForeignReason::Spared {
                    group: rule.name.clone(),
                    pattern: pattern.to_owned(),
                });
                continue;
            }
            if !self.names_it(rule, process) {
                continue;
            }
            // What its paths say holds among its own files.
            match process.sees(self.bounds.root()) {
                Some(false) => return Match::Unknown(UnknownReason::OtherFiles),
                // Of other users' processes only root can know, and they are asked about only on demand.
                None if process.is_own() != Some(false) => {
                    return Match::Unknown(UnknownReason::Unreadable);
                }
                Some(true) | None => {}
            }
            if rule.scripts.is_empty() {
                return Match::Group(if rule.unreal {
                    self.unreal(rule, process, names)
                } else {
                    self.placed(rule, process)
                });
            }
            match work::of(self.bounds, process, names) {
                Work::Here(paths) if paths.iter().any(|path| rule.scripts.matches(path)) => {
                    return Match::Group(found(rule, Evidence::Script));
                }
                Work::Elsewhere(paths) if paths.iter().any(|path| matches_outside(rule, path)) => {
                    return Match::Group(found(rule, Evidence::Name));
                }
                Work::Unknown(reason) => return Match::Unknown(reason),
                Work::Here(_) | Work::Elsewhere(_) | Work::Nothing => {
                    without_script.get_or_insert_with(|| ForeignReason::NoScript {
                        group: rule.name.clone(),
                    });
                }
            }
        }
        Match::Foreign(spared.or(without_script).unwrap_or(ForeignReason::NoRule))
    }

    /// A program that is told by where it works and where it lies.
    fn placed(&self, rule: &GroupRule, process: &Process) -> Found {
        let is_inside = |path: Option<&Path>| {
            path.and_then(Path::to_str).is_some_and(|path| {
                matches!(self.bounds.locate(path, None, false), Place::Inside(_))
            })
        };
        let evidence = if is_inside(process.directory()) {
            Evidence::Directory
        } else if is_inside(process.executable()) {
            Evidence::Executable
        } else {
            Evidence::Name
        };
        found(rule, evidence)
    }

    /// An Unreal program is told by its project; a game by lying in the project, a helper by what it was given.
    fn unreal(&self, rule: &GroupRule, process: &Process, names: &[String]) -> Found {
        let arguments = process
            .arguments()
            .and_then(|all| all.get(1..))
            .unwrap_or_default();
        let is_editor = names.iter().any(|name| unreal::is_editor(name));
        let project = unreal::project(arguments);
        let is_inside = |path: &str| match self.bounds.locate(path, None, false) {
            Place::Inside(path) => Some(path),
            Place::Outside(_) | Place::Unknown(_) => None,
        };
        let evidence = match project {
            _ if !self.bounds.has_project() => Evidence::Name,
            Some(project) if self.bounds.is_project(project, process.directory()) => {
                Evidence::Project
            }
            Some(_) => Evidence::Name,
            None if names.iter().any(|name| unreal::is_helper(name))
                && unreal::given_paths(arguments)
                    .filter_map(is_inside)
                    .any(|path| self.bounds.is_written_by_project(&path)) =>
            {
                Evidence::Project
            }
            None => match process
                .executable()
                .and_then(Path::to_str)
                .and_then(is_inside)
            {
                Some(_) => Evidence::Executable,
                None => Evidence::Name,
            },
        };
        Found {
            own_editor: is_editor && !unreal::is_automated(arguments, self.rules.switches()),
            settled: project.is_some(),
            ..found(rule, evidence)
        }
    }

    /// What an Unreal process takes from those that started it: the project where it names none (a helper), and the
    /// person at the editor (a game that was started from within the editor).
    fn with_line(&self, table: &'a Table, process: &'a Process, own: Found) -> Found {
        let line: Vec<&Found> = table
            .ancestors(process.identity().pid)
            .into_iter()
            .filter_map(|ancestor| match self.direct(ancestor) {
                Some(Match::Group(above)) if above.group == own.group => Some(above),
                _ => None,
            })
            .collect();
        let serves_person = line.iter().any(|above| above.own_editor);
        let above = line.iter().find(|above| above.settled || above.in_scope);
        let inherits = !own.settled && !own.in_scope && above.is_some_and(|above| above.in_scope);
        Found {
            own_editor: own.own_editor || serves_person,
            evidence: if inherits {
                Evidence::Lineage
            } else {
                own.evidence
            },
            in_scope: own.in_scope || inherits,
            ..own
        }
    }

    fn is_unreal(&self, found: &Found) -> bool {
        self.rules
            .group(&found.group)
            .is_some_and(|rule| rule.unreal)
    }

    fn names(&self, process: &Process) -> &[String] {
        self.known
            .get(&process.identity().pid)
            .map_or(&[], |known| known.names.get_or_init(|| names_of(process)))
    }
}

fn is_named(rule: &GroupRule, names: &[String]) -> bool {
    names.iter().any(|name| {
        if rule.names.is_empty() {
            script::is_interpreter(name)
        } else if !rule.scripts.is_empty() {
            rule.names.mean_interpreter(name)
        } else {
            rule.names.find(name).is_some()
        }
    })
}

/// Rules are about paths relative to a scope; of another scope, the root of the file system stands for the root.
fn matches_outside(rule: &GroupRule, path: &str) -> bool {
    rule.scripts.matches(path.trim_start_matches('/'))
}

fn found(rule: &GroupRule, evidence: Evidence) -> Found {
    Found {
        group: rule.name.clone(),
        evidence,
        in_scope: evidence != Evidence::Name,
        own_editor: false,
        settled: false,
    }
}
