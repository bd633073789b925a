//! Which scripts an interpreter works on, and whether they are the scope's.

use std::path::Path;

use super::UnknownReason;
use super::bounds::{Bounds, Place};
use super::rules::closed_folders;
use crate::program::paths;
use crate::program::script::{self, Program, Search};
use crate::table::Process;

/// The scripts that an interpreter works on. A rule that matches one of the paths matches the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Scripts of the scope, relative to its root.
    Here(Vec<String>),
    /// Scripts outside, by their normal paths.
    Elsewhere(Vec<String>),
    /// No script: code on the command line, a person at a prompt, an installed tool.
    Nothing,
    /// This cannot be told.
    Unknown(UnknownReason),
}

/// Installed programs that run the scope's own scripts: what they are given counts as the script.
///
/// Everything else that is installed (a language server, a formatter, a coding agent that is given files) is a tool,
/// whose files are not what it runs.
const RUNNERS: [&str; 4] = ["pytest", "py.test", "nose2", "coverage"];

/// Short options of runners whose value is the next argument, and is nothing that they run.
const VALUES: [&str; 8] = ["-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W"];

/// Long options of runners that have no value. Plugins add others, so that one that is not known here has one.
const FLAGS: [&str; 30] = [
    "--append",
    "--branch",
    "--buffer",
    "--cache-clear",
    "--catch",
    "--count",
    "--disable-warnings",
    "--doctest-modules",
    "--exitfirst",
    "--failed-first",
    "--failfast",
    "--ff",
    "--forked",
    "--last-failed",
    "--lf",
    "--listfuncs",
    "--locals",
    "--no-cov",
    "--no-header",
    "--no-summary",
    "--parallel-mode",
    "--pdb",
    "--quiet",
    "--runxfail",
    "--showlocals",
    "--stepwise",
    "--strict-markers",
    "--trace",
    "--trackcalls",
    "--verbose",
];

/// Modules of Python itself that do the same.
const RUNNER_MODULES: [&str; 4] = ["unittest", "cprofile", "profile", "trace"];

/// What the interpreter works on whose program has this name.
pub(super) fn of(bounds: &Bounds<'_>, process: &Process, names: &[String]) -> Work {
    let Some(arguments) = process.arguments() else {
        return Work::Unknown(UnknownReason::Unreadable);
    };
    // A title that is shorter than the arguments were leaves empty ones behind.
    let end = arguments
        .iter()
        .rposition(|argument| !argument.is_empty())
        .map_or(0, |last| last + 1);
    let Some((own, behind)) = arguments[..end].split_first() else {
        return Work::Unknown(UnknownReason::Rewritten);
    };
    let own = paths::program_name(own.trim_start_matches('-'));
    if behind.is_empty() && !script::is_interpreter(own) {
        return Work::Unknown(UnknownReason::Rewritten);
    }
    let name = names
        .iter()
        .find(|name| script::is_interpreter(name))
        .map_or(own, String::as_str);
    let reader = Reader { bounds, process };
    match script::program(name, behind) {
        Program::NoFile => Work::Nothing,
        Program::Script(path, behind) => match runner(paths::program_name(path), behind) {
            Some(given) => reader.given_to_runner(given),
            None => reader.script(path, behind),
        },
        Program::Module(module, search, behind) => match runner_module(module, behind) {
            Some(given) => reader.given_to_runner(given),
            None => reader.module(module, search),
        },
    }
}

/// The arguments of an installed runner, if it is one and runs something.
fn runner<'a>(name: &str, behind: &'a [String]) -> Option<&'a [String]> {
    let name = name.to_lowercase();
    match behind.split_first() {
        Some((verb, behind)) if name == "coverage" && verb == "run" => Some(behind),
        _ => (name != "coverage" && RUNNERS.contains(&name.as_str())).then_some(behind),
    }
}

/// The arguments of a module that is a runner.
fn runner_module<'a>(module: &str, behind: &'a [String]) -> Option<&'a [String]> {
    let name = module.split('.').next().unwrap_or(module);
    let is_module = RUNNER_MODULES.contains(&name.to_lowercase().as_str());
    is_module.then_some(behind).or_else(|| runner(name, behind))
}

struct Reader<'a> {
    bounds: &'a Bounds<'a>,
    process: &'a Process,
}

impl Reader<'_> {
    fn script(&self, path: &str, behind: &[String]) -> Work {
        // A relative path was meant for the directory in which the process started, which it may have left.
        let must_exist = !self.bounds.is_absolute(path) && !self.is_where_it_began();
        match self.locate(path, must_exist) {
            Place::Inside(inside) if self.is_in_environment(&inside) => Work::Nothing,
            Place::Inside(_) if self.was_elsewhere(path) => Work::Unknown(UnknownReason::Ambiguous),
            Place::Inside(inside) => {
                // A virtual environment is often shared, so that a tool in it works for the project it is told to.
                let is_installed = closed_folders(&inside).next().is_some();
                let works_here = || self.is_in_scope() || !self.given(behind).0.is_empty();
                let absolute = self.bounds.absolute(&inside);
                if is_installed && !works_here() {
                    return Work::Elsewhere(vec![absolute]);
                }
                let mut paths = vec![inside];
                if self.bounds.exists(&absolute, "__main__.py") {
                    paths.push(
                        format!("{}/__main__.py", paths[0])
                            .trim_start_matches('/')
                            .to_owned(),
                    );
                }
                Work::Here(paths)
            }
            Place::Outside(path) => Work::Elsewhere(vec![path]),
            Place::Unknown(reason) => Work::Unknown(reason),
        }
    }

    /// Whether its working directory is still that of the shell that started it, so that a relative path means what it
    /// meant, though the file may have been removed since. A process that goes elsewhere leaves the variable behind.
    fn is_where_it_began(&self) -> bool {
        let (Some(now), Some(began)) = (self.process.directory(), self.process.shell_directory())
        else {
            return false;
        };
        self.bounds.is_absolute(began)
            && self.bounds.true_path(Path::new(began)).as_deref() == Some(now)
    }

    /// Whether a relative path may have meant a file outside the scope, where the shell that started the process was:
    /// it may have come here since.
    fn was_elsewhere(&self, path: &str) -> bool {
        let began = self.process.shell_directory().unwrap_or_default();
        !self.bounds.is_absolute(path)
            && self.bounds.is_absolute(began)
            && matches!(
                self.bounds.locate(path, Some(Path::new(began)), true),
                Place::Outside(_)
            )
    }

    /// Whether a path of the scope lies in a virtual environment, whatever its folder is called.
    fn is_in_environment(&self, inside: &str) -> bool {
        let folders = inside.match_indices('/').map(|(at, _)| &inside[..at]);
        folders
            .map(|folder| self.bounds.absolute(folder))
            .any(|folder| self.bounds.exists(&folder, "pyvenv.cfg"))
    }

    /// A module is the scope's if its file lies where the interpreter looks first: in the working directory, and in
    /// what `PYTHONPATH` names. One that does not is installed.
    fn module(&self, module: &str, search: Search) -> Work {
        let is_name =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !module.split('.').all(is_name) {
            return Work::Nothing;
        }
        let stem = module.replace('.', "/");
        let variable = search.variable.then(|| self.process.module_path());
        let variable = variable.flatten().unwrap_or_default();
        let named = variable
            .split(self.bounds.list_separator())
            .filter(|_| !variable.is_empty());
        for folder in search.directory.then_some("").into_iter().chain(named) {
            let folder = if folder.is_empty() { "." } else { folder };
            for file in [
                format!("{folder}/{stem}.py"),
                format!("{folder}/{stem}/__main__.py"),
            ] {
                match self.locate(&file, true) {
                    Place::Inside(path) if self.is_in_environment(&path) => return Work::Nothing,
                    Place::Inside(path) => return Work::Here(vec![path]),
                    Place::Outside(path) => return Work::Elsewhere(vec![path]),
                    Place::Unknown(UnknownReason::NotFound) => {}
                    Place::Unknown(reason) => return Work::Unknown(reason),
                }
            }
        }
        Work::Nothing
    }

    /// A runner works on the files and folders that it is given, or on its working directory. That decides as well
    /// where it is given some of this scope and some of others.
    fn given_to_runner(&self, behind: &[String]) -> Work {
        let (inside, outside) = self.given(&tests(behind));
        match (inside.is_empty(), outside.is_empty()) {
            (true, true) => {}
            (true, false) => return Work::Elsewhere(with_folders(outside)),
            (false, false) if !self.is_in_scope() => {
                return Work::Elsewhere(with_folders(outside));
            }
            (false, _) => return Work::Here(with_folders(inside)),
        }
        match self.locate(".", false) {
            Place::Inside(path) => Work::Here(with_folders(vec![path])),
            Place::Outside(path) => Work::Elsewhere(with_folders(vec![path])),
            Place::Unknown(reason) => Work::Unknown(reason),
        }
    }

    /// The arguments that are existing files or folders, in the scope and outside.
    fn given(&self, arguments: &[String]) -> (Vec<String>, Vec<String>) {
        let mut inside = Vec::new();
        let mut outside = Vec::new();
        for argument in arguments.iter().filter(|a| !a.starts_with('-')) {
            let path = argument.split("::").next().unwrap_or(argument);
            match self.locate(path, true) {
                Place::Inside(path) => inside.push(path),
                Place::Outside(path) => outside.push(path),
                Place::Unknown(_) => {}
            }
        }
        (inside, outside)
    }

    fn is_in_scope(&self) -> bool {
        matches!(self.locate(".", false), Place::Inside(_))
    }

    fn locate(&self, path: &str, must_exist: bool) -> Place {
        let place = self
            .bounds
            .locate(path, self.process.directory(), must_exist);
        match place {
            // A container may have the scope's root, and in it a folder that is another one.
            Place::Inside(inside)
                if self.process.sees(Path::new(&self.bounds.absolute(&inside))) == Some(false) =>
            {
                Place::Unknown(UnknownReason::OtherFiles)
            }
            place => place,
        }
    }
}

/// What a runner is to run, without what only belongs to an option (`--log-file x.txt`), and without other files: those
/// say how it is to be done (`shared.ini`).
fn tests(arguments: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let is_long = argument.len() > 2 && argument.starts_with("--") && !argument.contains('=');
        if VALUES.contains(&argument.as_str()) || is_long && !FLAGS.contains(&argument.as_str()) {
            rest.next();
            continue;
        }
        let path = argument.split("::").next().unwrap_or(argument);
        let name = paths::base_name(path);
        let extension = name.trim_start_matches('.').rsplit_once('.');
        if extension.is_none_or(|(_, extension)| extension.eq_ignore_ascii_case("py")) {
            all.push(argument.clone());
        }
    }
    all
}

/// Rules name scripts and not folders: of a folder, what a test runner loads first in it stands for the rest.
fn with_folders(paths: Vec<String>) -> Vec<String> {
    let loaded: Vec<String> = paths
        .iter()
        .map(|path| {
            format!("{path}/conftest.py")
                .trim_start_matches('/')
                .to_owned()
        })
        .collect();
    paths.into_iter().chain(loaded).collect()
}
