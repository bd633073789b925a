//! The defaults that make everything work without a file, and that a file is laid over.

use std::collections::BTreeMap;
use std::path::Path;

use proc_core::readiness::Ready;

use super::model::{ClientConsole, Config, Group, LaunchConfig, Profile};
use super::path::canonical;
use super::unreal;

/// The configuration of a scope without a file.
pub(super) fn config(root: &Path) -> Config {
    Config {
        root: canonical(root),
        file: None,
        launch: LaunchConfig::default(),
        profiles: profiles(root),
        groups: groups(),
    }
}

/// The built-in profiles. `unreal` has no program: the engine lies somewhere else on each machine.
pub(super) fn profiles(root: &Path) -> BTreeMap<String, Profile> {
    let demo = Profile {
        program: Some("demo-client".to_owned()),
        args: strings(["serve", "--port", "{port}", "--number", "{number}"]),
        ..Profile::default()
    };
    // The map is left to the project's own default, since no other name would be right for every project.
    let unreal = Profile {
        project: unreal::find_uproject(root),
        args: strings([
            "{project}",
            "-game",
            "-windowed",
            "-ResX=800",
            "-ResY=600",
            "-HTTPPort={port}",
            "-nohmd",
            "-log",
        ]),
        console: ClientConsole::New,
        lock_files: strings(["Intermediate/**/*.lock*"]),
        ..Profile::default()
    };
    let python_http = Profile {
        program: Some("python3".to_owned()),
        args: strings(["-m", "http.server", "{port}"]),
        ready: Ready {
            path: "/".to_owned(),
            ..Ready::default()
        },
        ..Profile::default()
    };
    [
        ("demo", demo),
        ("unreal", unreal),
        ("python-http", python_http),
    ]
    .map(|(name, profile)| (name.to_owned(), profile))
    .into()
}

/// The built-in groups in matching order: a monitor is a Python script too, so it is asked about first.
pub(super) fn groups() -> Vec<(String, Group)> {
    let unreal = Group {
        limit: Some(3),
        name: strings([
            "UnrealEditor*",
            "UnrealGame*",
            "CrashReportClient*",
            "ShaderCompileWorker*",
            "EpicWebHelper*",
            "LiveCodingConsole*",
        ]),
        script: Vec::new(),
        // One of each serves every editor of its user, the ones outside the scope included.
        spare: strings(["zenserver*", "UnrealTraceServer*"]),
    };
    let interpreters = strings(["python*", "py", "pythonw*"]);
    let monitor = Group {
        limit: None,
        name: interpreters.clone(),
        script: strings(["**/*monitor*.py", "**/*watch*.py"]),
        spare: Vec::new(),
    };
    let python = Group {
        limit: Some(2),
        name: interpreters,
        script: strings(["**/*.py"]),
        spare: Vec::new(),
    };
    [("unreal", unreal), ("monitor", monitor), ("python", python)]
        .map(|(name, group)| (name.to_owned(), group))
        .into()
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::placeholder;

    #[test]
    fn the_defaults_hold_what_a_file_is_held_to() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        for role in config.launch.plan() {
            assert!(config.profiles.contains_key(&role.profile));
        }
        for profile in config.profiles.values() {
            for text in &profile.args {
                assert_eq!(placeholder::check(text), Ok(()));
            }
        }
        for (_, group) in &config.groups {
            for glob in [&group.name, &group.script, &group.spare]
                .into_iter()
                .flatten()
            {
                assert!(globset::Glob::new(glob).is_ok(), "{glob}");
            }
        }
    }

    #[test]
    fn the_only_project_of_the_root_is_the_unreal_project() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(profiles(dir.path())["unreal"].project, None);
        let project = dir.path().join("Own.uproject");
        std::fs::write(&project, "{}").unwrap();
        assert_eq!(profiles(dir.path())["unreal"].project, Some(project));
    }

    #[test]
    fn monitors_are_asked_about_before_python() {
        let names: Vec<String> = groups().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["unreal", "monitor", "python"]);
    }
}
