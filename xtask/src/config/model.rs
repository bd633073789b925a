//! What is configured, and what holds unless said otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proc_core::clean::DEFAULT_GRACE;
use proc_core::guarantee::{Choice, Level};
use proc_core::readiness::Ready;

use super::error::ConfigError;
use super::ports::{DEFAULT_BASE, Ports};

/// Everything that is configured for one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The root of the scope: absolute, and canonical where the system allows it, so that one folder is one scope
    /// however it was reached.
    pub root: PathBuf,
    /// The file that was read, if any: absolute, but as it was reached (links and mapped drives stay).
    pub file: Option<PathBuf>,
    /// What `launch` starts.
    pub launch: LaunchConfig,
    /// The profiles by name, the built-in ones included.
    pub profiles: BTreeMap<String, Profile>,
    /// The groups in matching order: the first one that matches a process has it. The user's own come first, in the
    /// order of the file, because they are more specific than the built-in `unreal`, `monitor` and `python`.
    pub groups: Vec<(String, Group)>,
}

/// The `[launch]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchConfig {
    /// The profile of a run that has no `roles`.
    pub profile: String,
    /// The clients of a run that has no `roles`; at least one.
    pub clients: u32,
    /// The ports of a run that has no `roles`.
    pub ports: Ports,
    /// The roles of a run with several, in starting order; empty where the file names none.
    pub roles: Vec<Role>,
    /// The pause between two starts within a role.
    pub stagger: Duration,
    /// What a leak does to the exit code.
    pub leaks: Leaks,
    /// How what is started is contained.
    pub contain: Choice,
    /// The weakest promise with which a launch may begin.
    pub require: Option<Level>,
}

/// What some clients of a run are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The name that `{role}`, logs and reports use: letters, digits, `-` and `_` only. Unique within a run.
    pub name: String,
    /// The profile that its clients are started from.
    pub profile: String,
    /// How many clients; at least one.
    pub clients: u32,
    /// Their ports.
    pub ports: Ports,
}

/// What leaked processes do to the exit code of a run whose test passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaks {
    /// They are ended and reported.
    Warn,
    /// They are ended and reported, and the run fails.
    Deny,
}

/// How a client is started, known to be ready, and ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The program as it was written. With a separator in it, it is relative to [`Config::folder`]; without one it is
    /// searched for. [`Config::program`] says what to do where it is unset.
    pub program: Option<String>,
    /// The project file, absolute; what `{project}` stands for.
    pub project: Option<PathBuf>,
    /// The arguments, with known placeholders only (see [`expand`](super::placeholder::expand)).
    pub args: Vec<String>,
    /// Additions to the environment, with known placeholders only.
    pub env: BTreeMap<String, String>,
    /// The working directory, absolute; the scope's root where it is unset.
    pub cwd: Option<PathBuf>,
    /// Where the client's output goes.
    pub console: ClientConsole,
    /// When a client counts as ready.
    pub ready: Ready,
    /// How a client is ended.
    pub shutdown: Shutdown,
    /// Globs for the names of programs that a client may leave behind, because they serve others too.
    pub survive: Vec<String>,
    /// Stale files that `postflight` removes: globs that stay below the folder of `project`, or below the root where
    /// there is no project.
    pub lock_files: Vec<String>,
}

/// Where a client's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientConsole {
    /// A console window of its own on Windows; elsewhere the log file.
    New,
    /// The log file.
    Log,
}

/// How a client is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long a client has between being asked and being killed. Zero asks and kills at once.
    pub grace: Duration,
}

/// A class of processes that are counted and cleaned together.
///
/// A process belongs to it if its name matches one of `name`, its script one of `script`, and its name none of
/// `spare`. An empty list does not restrict, but a group with neither `name` nor `script` matches nothing: that is
/// how a file switches a built-in group off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// How many members are in order before a run; `None` for any number.
    pub limit: Option<u32>,
    /// Globs for the process name.
    pub name: Vec<String>,
    /// Globs for the script that an interpreter runs.
    pub script: Vec<String>,
    /// Globs for the names of processes that are never touched.
    pub spare: Vec<String>,
}

impl Config {
    /// The folder that relative paths of the configuration start from: that of the file, or the root without a file.
    pub fn folder(&self) -> &Path {
        self.file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(&self.root)
    }

    /// The profile of that name, or an error that suggests the nearest one.
    pub fn profile(&self, name: &str) -> Result<&Profile, ConfigError> {
        self.profiles.get(name).ok_or_else(|| {
            let known = self.profiles.keys().map(String::as_str);
            ConfigError::unknown("profile", name, known)
        })
    }

    /// The program of that profile as it was written, or an error that says how to set it.
    pub fn program(&self, profile: &str) -> Result<&str, ConfigError> {
        let unset = || ConfigError::ProgramUnset {
            profile: profile.to_owned(),
        };
        self.profile(profile)?.program.as_deref().ok_or_else(unset)
    }

    /// The group of that name, or an error that suggests the nearest one.
    pub fn group(&self, name: &str) -> Result<&Group, ConfigError> {
        let found = self.groups.iter().find(|(known, _)| known == name);
        found.map(|(_, group)| group).ok_or_else(|| {
            let known = self.groups.iter().map(|(known, _)| known.as_str());
            ConfigError::unknown("group", name, known)
        })
    }
}

impl LaunchConfig {
    /// The roles to start, in order: those of the file, or the single one that `profile`, `clients` and `ports`
    /// describe. Each role's clients are ready before the next role starts.
    pub fn plan(&self) -> Vec<Role> {
        if self.roles.is_empty() {
            vec![Role {
                name: self.profile.clone(),
                profile: self.profile.clone(),
                clients: self.clients,
                ports: self.ports.clone(),
            }]
        } else {
            self.roles.clone()
        }
    }
}

impl Default for LaunchConfig {
    fn default() -> Self {
        Self {
            profile: "demo".to_owned(),
            clients: 3,
            ports: Ports::Base(DEFAULT_BASE),
            roles: Vec::new(),
            stagger: Duration::ZERO,
            leaks: Leaks::Warn,
            contain: Choice::Auto,
            require: None,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            program: None,
            project: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            console: ClientConsole::Log,
            ready: Ready::default(),
            shutdown: Shutdown::default(),
            survive: Vec::new(),
            lock_files: Vec::new(),
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            grace: DEFAULT_GRACE,
        }
    }
}
