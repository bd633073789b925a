//! The configuration: `xtask.toml` laid over built-in defaults.
//!
//! Every command starts from a [`Config`]. It is complete without a file, because the tool has to be useful in a
//! folder that was not prepared.
//!
//! Invariant: what is in here is resolved and valid. Paths are absolute, durations are durations, globs compile,
//! placeholders are known, ports fit, and each profile that `[launch]` names exists. So the commands only ever see
//! failures of the world, and all the mistakes of a file are reported in one go, with their places, before anything
//! has been started or ended.
//!
//! The modules stand in the order in which they build on each other: each imports only from those above it.

mod duration;
mod guarantee;
pub(crate) mod nearest;
mod path;
mod windows;

mod placeholder;
mod ports;

mod error;

mod node;

mod section;
mod value;

mod model;

mod unreal;

mod find;

mod builtin;

mod file;
mod init;

use std::path::Path;

pub use duration::{DurationError, parse_duration, show_duration};
pub use error::{ConfigError, Invalid, Mistake};
pub use find::FILE_NAME;
pub use guarantee::{CONTAIN, REQUIRE, one_of};
pub use init::render_init;
pub use model::{ClientConsole, Config, Group, LaunchConfig, Leaks, Profile, Role, Shutdown};
pub use placeholder::{PlaceholderError, Values, expand};
pub use ports::{BasePort, PortList, Ports, PortsError, assign};
pub use unreal::{editor, find_engine, find_uproject, uprojects};

use path::{absolute, canonical};

impl Config {
    /// Reads `explicit`, or else the nearest `xtask.toml` from `cwd` upward, or else takes the built-in defaults.
    pub fn load(explicit: Option<&Path>, cwd: &Path) -> Result<Self, ConfigError> {
        let file = match explicit {
            Some(file) => Some(absolute(&cwd.join(file))),
            None => find::file(cwd),
        };
        let Some(file) = file else {
            return Ok(builtin::config(&find::root(cwd)));
        };
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(file::parse(&text, &file)?),
            Err(source) => Err(ConfigError::Read { path: file, source }),
        }
    }

    /// The names by which a folder below the root is known for the root of another scope.
    pub(crate) fn marks_of_roots(&self) -> Vec<String> {
        let folder = self.file.as_deref().and_then(Path::parent);
        match folder.map(canonical) {
            None => find::marks(&self.root, false),
            // A file below the root that it names does not make its own folder one.
            Some(folder) if folder != self.root && folder.starts_with(&self.root) => Vec::new(),
            Some(_) => find::marks(&self.root, true),
        }
    }
}

#[cfg(test)]
mod tests;
