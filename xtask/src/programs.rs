//! The programs of this workspace that the commands need beside themselves: the guardian, and the demo client.
//!
//! They lie in the folder of `xtask`. In a checkout they are built when they are missing or older than their sources,
//! which `cargo` lists beside each program; asking `cargo` itself each time would cost more than a launch.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use proc_core::report::Exit;
use proc_core::scope::Scope;
use xshell::{Shell, cmd};

use crate::failure::Failure;

const GUARDIAN: &str = "proc-guardian";
const DEMO: &str = "demo-client";

/// Where the programs of this workspace are.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds the programs, and builds them where they are missing or out of date.
    pub(crate) fn ready() -> Result<Self, Failure> {
        Self::find().map_err(|error| Failure::new(Exit::Guardian, error))
    }

    /// The guardian.
    pub(crate) fn guardian(&self) -> PathBuf {
        self.program(GUARDIAN)
    }

    /// The folder in which commands of this workspace are found by their names.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path from which to start a program, so that a run which goes on does not keep it from being built anew.
    ///
    /// It stays as it is for all but those that are built here: others may need what lies beside them, as these commands
    /// themselves do.
    pub(crate) fn lasting(&self, scope: &Scope, program: PathBuf) -> Result<PathBuf, Failure> {
        if [GUARDIAN, DEMO]
            .map(|name| self.program(name))
            .contains(&program)
        {
            Ok(scope.lasting_program(&program)?)
        } else {
            Ok(program)
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{EXE_SUFFIX}"))
    }

    /// The list of what a program was built from.
    fn list(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.d"))
    }

    fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program lies")?;
        let folder = own
            .parent()
            .context("this program lies in no folder")?
            .to_owned();
        let programs = Self { folder };
        if let Some(workspace) = workspace()
            && ![GUARDIAN, DEMO]
                .iter()
                .all(|name| programs.is_fresh(name, &workspace))
        {
            programs.build(&workspace)?;
        }
        if !programs.guardian().is_file() {
            bail!(
                "{} is missing; install it beside this program",
                programs.guardian().display()
            );
        }
        Ok(programs)
    }

    /// Whether a program is there, and nothing that it is built from has changed since it was.
    fn is_fresh(&self, name: &str, workspace: &Path) -> bool {
        let list = self.list(name);
        let Some(built) = modified(&list).filter(|_| self.program(name).is_file()) else {
            return false;
        };
        let Ok(list) = fs::read_to_string(list) else {
            return false;
        };
        let Some((_, sources)) = list.split_once(": ") else {
            return false;
        };
        // Spaces in paths are escaped with a backslash.
        let sources = sources.replace("\\ ", "\0");
        sources
            .split_whitespace()
            .map(|path| PathBuf::from(path.replace('\0', " ")))
            .chain([workspace.join("Cargo.lock"), workspace.join("Cargo.toml")])
            .all(|source| modified(&source).is_some_and(|time| time <= built))
    }

    fn build(&self, workspace: &Path) -> anyhow::Result<()> {
        let shell = Shell::new()?;
        let _directory = shell.push_dir(workspace);
        // What changes from now on may not be in what is built.
        let begun = SystemTime::now();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = self
            .folder
            .parent()
            .context("this program lies in no target folder")?;
        let release: &[&str] = if self.folder.ends_with("release") {
            &["--release"]
        } else {
            &[]
        };
        cmd!(shell, "{cargo} build --quiet --package {GUARDIAN} --package {DEMO} --target-dir {target} {release...}")
            .quiet()
            .run()
            .context("cannot build the guardian and the demo client")?;
        // Cargo leaves a program alone that would come out the same, however much younger its sources are. What is noted
        // is that it was asked: a program that runs cannot be opened for writing, and on Windows its time needs that.
        for name in [GUARDIAN, DEMO] {
            let list = self.list(name);
            let file = fs::File::options().append(true).open(&list);
            file.and_then(|file| file.set_modified(begun))
                .with_context(|| format!("cannot note that {} is up to date", list.display()))?;
        }
        Ok(())
    }
}

/// The checkout that this program was built from, if it is still there and this program still lies in it.
fn workspace() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let in_checkout = std::env::var_os("CARGO_MANIFEST_DIR")
        .is_some_and(|folder| folder == env!("CARGO_MANIFEST_DIR"));
    (in_checkout && workspace.join("crates").join(GUARDIAN).is_dir()).then(|| workspace.to_owned())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_that_has_changed_since_a_build_began_is_built_again() {
        let folder = tempfile::tempdir().unwrap();
        let begun = SystemTime::now() - Duration::from_mins(1);
        let put = |name: &str, text: &str, time: SystemTime| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
            path
        };
        let programs = Programs {
            folder: folder.path().to_owned(),
        };
        let source = folder.path().join("a source.rs");
        let list = format!("x: {}\n", source.display()).replace("a source", "a\\ source");
        put(&format!("{GUARDIAN}.d"), &list, begun);
        for name in ["Cargo.lock", "Cargo.toml", "a source.rs"] {
            put(name, "", begun - Duration::from_secs(1));
        }
        let is_fresh = || programs.is_fresh(GUARDIAN, folder.path());
        assert!(!is_fresh(), "there is no program");
        let program = programs.program(GUARDIAN);
        put(
            program.file_name().unwrap().to_str().unwrap(),
            "",
            begun + Duration::from_secs(9),
        );
        assert!(is_fresh());
        put("a source.rs", "", begun + Duration::from_secs(1));
        assert!(!is_fresh());
    }
}
