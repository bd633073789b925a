//! Finding an Unreal project and the engine that it belongs to, for the defaults and for `init`.
//!
//! Everything here only looks, and what cannot be read counts as not found: `init` then writes a line to be filled in,
//! and a wrong guess would be worse than that line.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::path::{absolute, canonical};

/// The project of a folder: its one `.uproject` file. `None` if there is none, and also if there are several, since
/// picking one would be a guess.
pub fn find_uproject(folder: &Path) -> Option<PathBuf> {
    let mut found = uprojects(folder);
    if found.len() == 1 { found.pop() } else { None }
}

/// The root of the engine that a project is opened with: the folder that holds `Engine/`.
///
/// In this order: `UE_ROOT` or `UNREAL_ENGINE` in the environment; then what `EngineAssociation` in the `.uproject`
/// says, which is a path, or nothing for an engine in a folder above the project, or an identifier that the engine's
/// own registration knows (`Install.ini`, which Windows keeps in the registry instead and is not read there), or a
/// version, looked up in the launcher's list of installations and then in the usual folders.
///
/// Only an engine whose editor is there counts.
pub fn find_engine(uproject: &Path) -> Option<PathBuf> {
    Host::current().engine(uproject)
}

/// The editor's program in an engine, on this operating system.
pub fn editor(engine: &Path) -> PathBuf {
    editor_on(std::env::consts::OS, engine)
}

/// All `.uproject` files of a folder, sorted.
pub fn uprojects(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(folder)
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("uproject"))
                && path.is_file()
        })
        .collect();
    found.sort();
    found
}

/// What a machine offers to look in. A value, so that the search can be tried for each system on any of them.
struct Host {
    os: &'static str,
    /// Engines that the environment names.
    named: Vec<PathBuf>,
    /// `Install.ini`: lines of `identifier=path`.
    registered: Option<PathBuf>,
    /// `LauncherInstalled.dat`: JSON.
    launcher: Option<PathBuf>,
    /// Folders in which engines lie side by side.
    shelves: Vec<PathBuf>,
}

impl Host {
    fn current() -> Self {
        let os = std::env::consts::OS;
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let below = |folder: Option<PathBuf>, path: &str| folder.map(|folder| folder.join(path));
        let home = std::env::home_dir();
        let named = ["UE_ROOT", "UNREAL_ENGINE"];
        let named = named.into_iter().filter_map(variable).collect();
        match os {
            "windows" => Self {
                os,
                named,
                registered: None,
                launcher: below(
                    variable("ProgramData"),
                    "Epic/UnrealEngineLauncher/LauncherInstalled.dat",
                ),
                shelves: below(variable("ProgramFiles"), "Epic Games")
                    .into_iter()
                    .chain([PathBuf::from(r"C:\Epic Games")])
                    .collect(),
            },
            "macos" => {
                let epic = below(home, "Library/Application Support/Epic");
                Self {
                    os,
                    named,
                    registered: below(epic.clone(), "UnrealEngine/Install.ini"),
                    launcher: below(epic, "UnrealEngineLauncher/LauncherInstalled.dat"),
                    shelves: vec![PathBuf::from("/Users/Shared/Epic Games")],
                }
            }
            _ => Self {
                os,
                named,
                registered: below(home.clone(), ".config/Epic/UnrealEngine/Install.ini"),
                launcher: None,
                shelves: home.into_iter().chain([PathBuf::from("/opt")]).collect(),
            },
        }
    }

    fn engine(&self, uproject: &Path) -> Option<PathBuf> {
        let named = self.named.iter().find(|engine| self.has_editor(engine));
        if let Some(engine) = named {
            return Some(engine.clone());
        }
        let project = absolute(uproject);
        let folder = project.parent()?;
        let described = json(&project)?;
        let association = described["EngineAssociation"].as_str().unwrap_or_default();
        if association.is_empty() {
            let above = folder.ancestors().find(|above| self.has_editor(above));
            return above.map(Path::to_path_buf);
        }
        [
            Some(canonical(&folder.join(association))),
            self.registered(association),
            self.installed(association),
        ]
        .into_iter()
        .flatten()
        .find(|engine| self.has_editor(engine))
        .or_else(|| self.shelved(association))
    }

    fn registered(&self, identifier: &str) -> Option<PathBuf> {
        let text = std::fs::read_to_string(self.registered.as_ref()?).ok()?;
        let (_, path) = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(identifier))?;
        Some(PathBuf::from(path.trim()))
    }

    fn installed(&self, version: &str) -> Option<PathBuf> {
        let name = format!("UE_{version}");
        let list = json(self.launcher.as_ref()?)?;
        let entry = list["InstallationList"]
            .as_array()?
            .iter()
            .find(|entry| entry["AppName"] == name.as_str())?;
        entry["InstallLocation"].as_str().map(PathBuf::from)
    }

    /// An engine on one of the shelves that says of itself that it has this version; its folder may have any name.
    fn shelved(&self, version: &str) -> Option<PathBuf> {
        self.shelves
            .iter()
            .flat_map(|shelf| entries(shelf))
            .filter(|engine| version_of(engine).is_some_and(|found| found == version))
            .find(|engine| self.has_editor(engine))
    }

    fn has_editor(&self, engine: &Path) -> bool {
        editor_on(self.os, engine).is_file()
    }
}

fn editor_on(os: &str, engine: &Path) -> PathBuf {
    let binaries = engine.join("Engine").join("Binaries");
    match os {
        "windows" => binaries.join("Win64").join("UnrealEditor.exe"),
        "macos" => binaries.join("Mac/UnrealEditor.app/Contents/MacOS/UnrealEditor"),
        _ => binaries.join("Linux/UnrealEditor"),
    }
}

fn version_of(engine: &Path) -> Option<String> {
    let build = json(&engine.join("Engine/Build/Build.version"))?;
    let (major, minor) = (&build["MajorVersion"], &build["MinorVersion"]);
    Some(format!("{}.{}", major.as_u64()?, minor.as_u64()?))
}

/// A JSON file; Unreal's own may begin with a byte-order mark.
fn json(file: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(file).ok()?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Machine {
        dir: tempfile::TempDir,
        host: Host,
    }

    impl Machine {
        fn new(os: &'static str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            let host = Host {
                os,
                named: Vec::new(),
                registered: Some(at("Install.ini")),
                launcher: Some(at("LauncherInstalled.dat")),
                shelves: vec![at("shelf")],
            };
            Self { dir, host }
        }

        fn write(&self, file: &str, text: &str) -> PathBuf {
            let file = self.dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            file
        }

        fn engine(&self, folder: &str, minor: u32) -> PathBuf {
            let version = format!("{{\"MajorVersion\":5,\"MinorVersion\":{minor}}}");
            self.write(&format!("{folder}/Engine/Build/Build.version"), &version);
            let engine = self.dir.path().join(folder);
            let editor = editor_on(self.host.os, &engine);
            self.write(editor.to_str().unwrap(), "");
            engine
        }

        fn project(&self, association: &str) -> PathBuf {
            let text = format!("\u{feff}{{\"EngineAssociation\":\"{association}\"}}");
            self.write("games/Own/Own.uproject", &text)
        }
    }

    #[test]
    fn one_project_is_found_and_several_are_not_guessed_between() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find_uproject(dir.path()), None);
        assert_eq!(find_uproject(&dir.path().join("missing")), None);
        fs::create_dir(dir.path().join("Folder.uproject")).unwrap();
        let first = dir.path().join("A.UProject");
        fs::write(&first, "{}").unwrap();
        assert_eq!(find_uproject(dir.path()), Some(first));
        fs::write(dir.path().join("B.uproject"), "{}").unwrap();
        assert_eq!(find_uproject(dir.path()), None);
        assert_eq!(uprojects(dir.path()).len(), 2);
    }

    #[test]
    fn a_version_is_looked_up_in_the_launchers_list_and_then_on_the_shelves() {
        for os in ["windows", "macos", "linux"] {
            let machine = Machine::new(os);
            let project = machine.project("5.6");
            assert_eq!(machine.host.engine(&project), None, "{os}");
            machine.engine("shelf/older", 5);
            let shelved = machine.engine("shelf/any name", 6);
            assert_eq!(machine.host.engine(&project), Some(shelved), "{os}");
            let listed = machine.engine("elsewhere/UE_5.6", 6);
            let entry = serde_json::json!({"AppName": "UE_5.6", "InstallLocation": listed});
            let list = serde_json::json!({"InstallationList": [entry]});
            machine.write("LauncherInstalled.dat", &list.to_string());
            assert_eq!(machine.host.engine(&project), Some(listed), "{os}");
        }
    }

    #[test]
    fn an_identifier_is_looked_up_in_the_registration() {
        let machine = Machine::new("linux");
        let engine = machine.engine("src/UnrealEngine", 7);
        let ini = format!("[Installations]\n{{1A2B}}={}\n", engine.display());
        machine.write("Install.ini", &ini);
        let project = machine.project("{1a2b}");
        assert_eq!(machine.host.engine(&project), Some(engine));
    }

    #[test]
    fn without_an_association_the_engine_lies_above_the_project() {
        let machine = Machine::new("linux");
        let project = machine.project("");
        assert_eq!(machine.host.engine(&project), None);
        let engine = machine.engine("games", 6);
        assert_eq!(machine.host.engine(&project), Some(engine));
    }

    #[test]
    fn an_association_may_be_a_path() {
        let machine = Machine::new("linux");
        let project = machine.project("../../engine");
        let engine = canonical(&machine.engine("engine", 6));
        assert_eq!(machine.host.engine(&project), Some(engine));
    }

    #[test]
    fn the_environment_wins_if_it_names_an_engine() {
        let mut machine = Machine::new("linux");
        let project = machine.project("5.6");
        machine.engine("shelf/UE", 6);
        let named = machine.engine("named", 4);
        machine.host.named = vec![machine.dir.path().join("missing"), named.clone()];
        assert_eq!(machine.host.engine(&project), Some(named));
    }

    #[test]
    fn a_broken_project_finds_nothing() {
        let machine = Machine::new("linux");
        let project = machine.write("Broken.uproject", "{");
        assert_eq!(machine.host.engine(&project), None);
        assert_eq!(machine.host.engine(Path::new("/missing/X.uproject")), None);
    }
}
