//! A scope: one project root on one machine for one user, and the folder that holds its state.
//!
//! ```text
//! <state>/scopes/<name>-<hash>/      readable by its user alone
//!     root                           the project root that this folder belongs to
//!     lock                           held while ports are claimed and a run is opened
//!     runs/<run id>/                 one folder a run: ledger, lock, control socket, logs, record
//!     set-aside/<run id>/            runs whose ledger could not be read
//! <state>/programs/<hash>/           Windows: copies of programs that are to run while they are built anew
//! ```

mod hash;
mod programs;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys;
use crate::wait::{Deadline, poll_until};

use hash::fnv1a;

/// The environment variable that moves the state elsewhere.
pub const STATE_VARIABLE: &str = "XTASK_STATE_DIR";

/// How long a command waits for another one that is about to open a run.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// No path is longer, in bytes.
const LONGEST_PATH: u64 = 64 << 10;

/// One project root, and where its state is kept.
#[derive(Clone, Debug)]
pub struct Scope {
    root: PathBuf,
    folder: PathBuf,
}

/// Held while a run is opened, so that two launches cannot claim the same port.
#[derive(Debug)]
pub struct ScopeLock {
    _file: File,
}

/// The state of a scope cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// There is no home folder to derive the state folder from.
    #[error("cannot tell where state belongs: {0}; set {STATE_VARIABLE} to a folder of your own")]
    NoHome(String),
    /// The project root is not there.
    #[error("cannot open the project root {path}: {source}", path = path.display())]
    Root {
        /// The root as it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder cannot be made, read or written.
    #[error("cannot {operation} {path}: {source}; set {STATE_VARIABLE} to a folder that you can write", path = path.display())]
    Folder {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another command has held the scope for too long.
    #[error("another command holds {path} for {seconds} s; see what it waits for, or end it", path = path.display(), seconds = LOCK_TIMEOUT.as_secs())]
    Locked {
        /// The lock's path.
        path: PathBuf,
    },
}

impl Scope {
    /// Opens the scope of a project root, and makes its state folder where there is none.
    pub fn open(root: &Path) -> Result<Self, ScopeError> {
        Self::open_in(root, &state_folder()?)
    }

    /// Opens the scope of a project root with its state below the given folder.
    pub fn open_in(root: &Path, state: &Path) -> Result<Self, ScopeError> {
        let root = true_path(root).map_err(|source| ScopeError::Root {
            path: root.to_owned(),
            source,
        })?;
        let folder = state.join("scopes").join(folder_name(&root));
        let scope = Self { root, folder };
        for folder in [
            scope.folder.clone(),
            scope.runs_folder(),
            scope.set_aside_folder(),
        ] {
            make_private(&folder)?;
        }
        let note = scope.folder.join("root");
        let bytes = scope.root.as_os_str().as_encoded_bytes();
        if sys::read_plain_file(&note, LONGEST_PATH).ok().as_deref() != Some(bytes) {
            if fs::symlink_metadata(&note).is_ok_and(|metadata| !metadata.is_file()) {
                // What cannot be removed is an error of the writing.
                let _ = fs::remove_file(&note);
            }
            fs::write(&note, bytes).map_err(|source| ScopeError::Folder {
                operation: "write",
                path: note,
                source,
            })?;
        }
        Ok(scope)
    }

    /// The project root, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds this scope's state.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that holds a folder for each run.
    pub fn runs_folder(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// Where runs go whose ledger could not be read.
    pub fn set_aside_folder(&self) -> PathBuf {
        self.folder.join("set-aside")
    }

    /// The runs folders of all other scopes under the same state folder.
    pub fn other_runs_folders(&self) -> Vec<PathBuf> {
        self.other_folders()
            .into_iter()
            .map(|folder| folder.join("runs"))
            .collect()
    }

    /// The roots of all other scopes under the same state folder.
    pub fn other_roots(&self) -> Vec<PathBuf> {
        let read = |folder: PathBuf| {
            let bytes = sys::read_plain_file(&folder.join("root"), LONGEST_PATH);
            sys::path_from_bytes(bytes.ok()?)
        };
        self.other_folders().into_iter().filter_map(read).collect()
    }

    fn other_folders(&self) -> Vec<PathBuf> {
        let Some(scopes) = self.folder.parent() else {
            return Vec::new();
        };
        let Ok(entries) = fs::read_dir(scopes) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|folder| *folder != self.folder)
            .collect()
    }

    /// Makes the folder of a new run.
    pub fn make_run_folder(&self, run: &str) -> Result<PathBuf, ScopeError> {
        let folder = self.runs_folder().join(run);
        make_private(&folder)?;
        Ok(folder)
    }

    /// The path of a program from which it can go on while it is built anew.
    ///
    /// Windows replaces no program that runs, so there it is that of a copy below the state folder, made once for each
    /// build. Elsewhere it is the path itself.
    pub fn lasting_program(&self, program: &Path) -> Result<PathBuf, ScopeError> {
        if !sys::RUNNING_PROGRAMS_ARE_LOCKED {
            return Ok(program.to_owned());
        }
        let scopes = self.folder.parent();
        let state = scopes.and_then(Path::parent).unwrap_or(&self.folder);
        let copies = state.join("programs");
        programs::copy(program, &copies).map_err(|source| ScopeError::Folder {
            operation: "copy a program into",
            path: copies,
            source,
        })
    }

    /// Waits for its turn to open a run in this scope.
    pub fn lock(&self) -> Result<ScopeLock, ScopeError> {
        let path = self.folder.join("lock");
        let file = open_lock(&path).map_err(|source| ScopeError::Folder {
            operation: "open",
            path: path.clone(),
            source,
        })?;
        let attempt = || match file.try_lock() {
            Ok(()) => Some(Ok(())),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(source)) => Some(Err(ScopeError::Folder {
                operation: "lock",
                path: path.clone(),
                source,
            })),
        };
        poll_until(Deadline::after(LOCK_TIMEOUT), attempt)
            .unwrap_or_else(|| Err(ScopeError::Locked { path: path.clone() }))?;
        Ok(ScopeLock { _file: file })
    }
}

/// The path of something that exists, without links, as other programs take it.
pub fn true_path(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).map(without_verbatim_prefix)
}

/// Windows gives canonical paths as `\\?\C:\…`, which many programs cannot take. Paths that need the prefix keep it.
fn without_verbatim_prefix(path: PathBuf) -> PathBuf {
    const LONGEST_PLAIN: usize = 259;
    let plain = path
        .to_str()
        .and_then(|text| text.strip_prefix(r"\\?\"))
        .and_then(|text| match text.strip_prefix(r"UNC\") {
            Some(share) => Some(format!(r"\\{share}")),
            None if text.as_bytes().get(1) == Some(&b':') => Some(text.to_owned()),
            None => None,
        });
    match plain {
        Some(plain) if plain.len() <= LONGEST_PLAIN => PathBuf::from(plain),
        _ => path,
    }
}

/// A new run id: the time in UTC, for people, and random letters, for uniqueness.
pub fn new_run_id() -> io::Result<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    Ok(format!("{time}-{:08x}", u32::from_ne_bytes(random)))
}

/// Opens a lock file without ever replacing it: a lock belongs to the file, not to its name.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
}

fn state_folder() -> Result<PathBuf, ScopeError> {
    if let Some(folder) = env::var_os(STATE_VARIABLE).filter(|folder| !folder.is_empty()) {
        return std::path::absolute(&folder).map_err(|source| ScopeError::Folder {
            operation: "use",
            path: PathBuf::from(folder),
            source,
        });
    }
    let base = etcetera::base_strategy::choose_native_strategy()
        .map_err(|error| ScopeError::NoHome(error.to_string()))?;
    Ok(sys::state_base(&base).join("clean-slate"))
}

fn make_private(folder: &Path) -> Result<(), ScopeError> {
    sys::make_private_folder(folder).map_err(|source| ScopeError::Folder {
        operation: "create",
        path: folder.to_owned(),
        source,
    })
}

/// The last part of the root, for people, and a hash of all of it.
fn folder_name(root: &Path) -> OsString {
    let mut name: String = root
        .file_name()
        .map(|name| {
            name.to_string_lossy()
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                .take(32)
                .collect()
        })
        .unwrap_or_default();
    if name.is_empty() {
        name.push_str("root");
    }
    OsString::from(format!(
        "{name}-{:016x}",
        fnv1a(root.as_os_str().as_encoded_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_roots_have_two_folders_and_one_root_has_one() {
        let state = tempfile::tempdir().unwrap();
        let (a, b) = (state.path().join("a/game"), state.path().join("b/game"));
        for root in [&a, &b] {
            fs::create_dir_all(root).unwrap();
        }
        let open = |root: &Path| {
            Scope::open_in(root, state.path())
                .unwrap()
                .folder()
                .to_owned()
        };
        assert_ne!(open(&a), open(&b));
        assert_eq!(open(&a), open(&state.path().join("b/../a/game")));
    }

    #[test]
    fn canonical_paths_are_fit_for_other_programs() {
        let plain = |text: &str| without_verbatim_prefix(PathBuf::from(text));
        assert_eq!(plain(r"\\?\C:\Game"), Path::new(r"C:\Game"));
        assert_eq!(plain(r"\\?\UNC\host\share\x"), Path::new(r"\\host\share\x"));
        assert_eq!(plain(r"\\?\Volume{1}\x"), Path::new(r"\\?\Volume{1}\x"));
        assert_eq!(plain("/home/game"), Path::new("/home/game"));
        let long = format!(r"\\?\C:\{}", "x".repeat(300));
        assert_eq!(plain(&long), Path::new(&long));
    }
}
