//! Named cases: each disguise that a guilty process wears, and each look of guilt that an innocent one has.
//!
//! The machine is a made-up one: `World` holds processes, files and links.

mod circumstances;
mod exempt;
mod interpreters;
mod machine;
mod pipe_peers;
mod programs;
mod protection;
mod reading;
mod runs;
mod selection;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::membership::{Exempt, Member};
use crate::program::paths;
use crate::table::Facts;

const ROOT: &str = "/home/me/game";
const CALLER: u32 = 101;

/// A made-up machine with its rules and runs. The caller is PID 101, below a shell (100), below PID 1.
struct World {
    processes: Vec<Facts>,
    files: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    projects: Vec<PathBuf>,
    others: Vec<PathBuf>,
    rules: Rules,
    runs: Vec<RunSigns>,
    all_users: bool,
    /// The PIDs of what shares the caller's console.
    console: Vec<u32>,
}

impl World {
    fn new() -> Self {
        let mut init = process(1, 0, "/sbin/init", "init");
        init.own = Some(false);
        let mut shell = process(100, 1, "/bin/bash", "-bash");
        let mut caller = process(CALLER, 100, "/home/me/game/target/debug/xtask", "xtask");
        shell.session = 100;
        caller.session = 100;
        Self {
            processes: vec![init, shell, caller],
            files: BTreeSet::new(),
            links: BTreeMap::new(),
            projects: Vec::new(),
            others: Vec::new(),
            rules: rules(),
            runs: Vec::new(),
            all_users: false,
            console: Vec::new(),
        }
        .with_files([
            "/home/me/game/loop.py",
            "/home/me/game/tools/monitor.py",
            "/home/me/game/tools/pkg/__main__.py",
            "/home/me/game/tests/test_a.py",
            "/home/me/game/My.uproject",
            "/home/me/game/.venv/bin/pytest",
            "/home/me/game/.venv/bin/pylsp",
            "/home/me/other/loop.py",
            "/home/me/other/Other.uproject",
        ])
    }

    fn unreal() -> Self {
        let mut world = Self::new();
        world.projects = vec!["/home/me/game/My.uproject".into()];
        world
    }

    fn with(mut self, process: Facts) -> Self {
        self.processes.push(process);
        self
    }

    fn with_files<const N: usize>(mut self, files: [&str; N]) -> Self {
        for file in files {
            self.files
                .extend(Path::new(file).ancestors().map(Path::to_owned));
        }
        self
    }

    fn with_run(mut self, run: RunSigns) -> Self {
        self.runs.push(run);
        self
    }

    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut path = PathBuf::from(paths::normal(path.to_str()?)?);
        for (link, target) in &self.links {
            if let Ok(rest) = path.strip_prefix(link) {
                path = target.join(rest);
            }
        }
        // In the spelling of the file system, whatever joins the parts of a path here.
        self.files.get(&path).cloned()
    }

    fn ask<T>(&self, ask: impl FnOnce(&Classifier<'_>) -> T) -> T {
        let resolve = |path: &Path| self.resolve(path);
        let spec = BoundsSpec {
            root: ROOT.into(),
            projects: self.projects.clone(),
            others: self.others.clone(),
            marks: vec!["xtask.toml".to_owned(), ".git".to_owned()],
        };
        let bounds = Bounds::new(&spec, &resolve).unwrap();
        let inputs = Inputs {
            caller: Caller {
                pid: CALLER,
                console: self.console.clone(),
            },
            bounds: &bounds,
            rules: &self.rules,
            runs: &self.runs,
            all_users: self.all_users,
        };
        let table = Table::of(self.processes.iter().cloned().map(Process::from));
        ask(&Classifier::new(&table, inputs).unwrap())
    }

    fn verdict(&self, pid: u32) -> Verdict {
        self.ask(|classifier| classifier.explain(pid, &every_group()).unwrap().verdict)
    }

    fn says(&self, pid: u32) -> String {
        self.verdict(pid).to_string()
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone is not general enough over lifetimes"
    )]
    fn counts(&self) -> Vec<Count> {
        self.ask(|classifier| classifier.counts())
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone is not general enough over lifetimes"
    )]
    fn uncounted(&self) -> Uncounted {
        self.ask(|classifier| classifier.uncounted())
    }

    /// The PIDs that a request targets.
    fn targets(&self, request: &CleanRequest) -> Vec<u32> {
        self.ask(|classifier| {
            classifier
                .select(request)
                .into_iter()
                .filter(|selected| selected.decision.is_target())
                .map(|selected| selected.identity.pid)
                .collect()
        })
    }
}

/// Shows every case that is not as expected, not just the first.
fn check(cases: impl IntoIterator<Item = (&'static str, World, &'static str)>) {
    let wrong: Vec<String> = cases
        .into_iter()
        .map(|(case, world, expected)| (case, world.says(7), expected))
        .filter(|(_, said, expected)| said != expected)
        .map(|(case, said, expected)| format!("{case}: `{said}` instead of `{expected}`"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rules of the design.
fn rules() -> Rules {
    let strings = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    let python = ["python*", "py", "pythonw*"];
    Rules::new([
        GroupSpec {
            name: "unreal".to_owned(),
            limit: Some(3),
            names: strings(&[
                "UnrealEditor*",
                "CrashReportClient*",
                "ShaderCompileWorker*",
            ]),
            spare: strings(&["zenserver*", "UnrealTraceServer*"]),
            ..GroupSpec::default()
        },
        GroupSpec {
            name: "monitor".to_owned(),
            names: strings(&python),
            scripts: strings(&["**/*monitor*.py", "**/*watch*.py"]),
            ..GroupSpec::default()
        },
        GroupSpec {
            name: "python".to_owned(),
            limit: Some(2),
            names: strings(&python),
            scripts: strings(&["**/*.py"]),
            ..GroupSpec::default()
        },
        GroupSpec {
            name: "server".to_owned(),
            names: strings(&["my-server"]),
            ..GroupSpec::default()
        },
        GroupSpec {
            name: "scripts".to_owned(),
            scripts: strings(&["tools/*.js", "tools/*.sh"]),
            ..GroupSpec::default()
        },
    ])
    .unwrap()
}

fn signs(id: &str, scope: ScopeRef, is_live: bool) -> RunSigns {
    RunSigns {
        scope,
        is_live,
        ..RunSigns::new(id)
    }
}

/// The processes of clients 1, 2 and so on.
fn members<const N: usize>(pids: [u32; N]) -> BTreeMap<Identity, Member> {
    let numbers = (1..).map(Member::Client);
    pids.map(identity).into_iter().zip(numbers).collect()
}

fn identity(pid: u32) -> Identity {
    Identity {
        pid,
        start: u64::from(pid),
        boot: Boot::new(1),
    }
}

/// A process of one's own whose command line is split at spaces; its working directory is the home folder.
fn process(pid: u32, parent: u32, executable: &str, command: &str) -> Facts {
    Facts {
        own: Some(true),
        executable: Some(executable.into()),
        arguments: Some(command.split(' ').map(str::to_owned).collect()),
        directory: Some("/home/me".into()),
        sees_scope: Some(true),
        session: pid,
        ..Facts::new(identity(pid), parent)
    }
}

fn within(directory: &str, process: Facts) -> Facts {
    Facts {
        directory: Some(directory.into()),
        ..process
    }
}

fn every_group() -> CleanRequest {
    CleanRequest {
        groups: Groups::All,
        ..CleanRequest::default()
    }
}
