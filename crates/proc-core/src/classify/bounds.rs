//! The bounds of a scope: where it lies, and whether a path leads into it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::UnknownReason;
use super::unreal;
use crate::program::paths;
use crate::scope::true_path;
use crate::sys;

/// Follows symbolic links: the true path of something that exists, `None` for everything else.
///
/// [`true_path`] is the one to use on a real machine; see [`on_disk`].
pub type Resolver<'a> = &'a dyn Fn(&Path) -> Option<PathBuf>;

/// The [`Resolver`] of the machine on which this runs.
///
/// A path that leads every process somewhere else (`/dev/stdin`, `/proc/self/cwd/x.py`) leads this process to what is
/// its own, and says nothing of others.
pub fn on_disk(path: &Path) -> Option<PathBuf> {
    let found = true_path(path).ok()?;
    (found == path || !passes_through_oneself(path)).then_some(found)
}

/// Whether the links of a path lead through a folder that is another one to each process.
fn passes_through_oneself(path: &Path) -> bool {
    /// As many as the kernel follows.
    const MOST_LINKS: u32 = 40;
    let Ok(path) = std::path::absolute(path) else {
        return false;
    };
    let mut links = 0;
    let mut at = PathBuf::new();
    let mut rest: Vec<PathBuf> = parts(&path);
    while let Some(part) = rest.pop() {
        if part.as_os_str() == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        if sys::is_own_to_each(&next) {
            return true;
        }
        match next.read_link() {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at.clear();
                }
                rest.extend(parts(&target));
            }
            _ => at = next,
        }
    }
    false
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev();
    parts.map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// What the bounds of a scope are made of.
#[derive(Clone, Debug, Default)]
pub struct BoundsSpec {
    /// The root folder.
    pub root: PathBuf,
    /// The `.uproject` files whose editors and games belong to the scope. None: no Unreal process is told by its
    /// command line.
    pub projects: Vec<PathBuf>,
    /// The roots of other scopes. Those that lie within this root (a worktree in a subfolder) are no part of it.
    pub others: Vec<PathBuf>,
    /// Names of files and folders by which a folder within this root is known for the root of another scope, which may
    /// have no state yet (a worktree in which the tool was never called).
    pub marks: Vec<String>,
}

/// The bounds of one scope, with all links on the way followed.
#[derive(Clone)]
pub struct Bounds<'a> {
    /// As given and as resolved.
    roots: [String; 2],
    /// Whether they are paths of Windows, and those of its processes are too.
    is_windows: bool,
    projects: Vec<String>,
    others: Vec<String>,
    marks: Vec<String>,
    /// Whether a folder within the root is another scope's, as far as that was asked.
    known: RefCell<BTreeMap<String, bool>>,
    resolve: Resolver<'a>,
}

/// Bounds that do not tell the scope from the rest of the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// The path is relative or is not Unicode.
    #[error("`{0}` is no usable path for a scope: give an absolute one, in Unicode")]
    Path(PathBuf),
    /// The root is the root of a file system, so that everything would lie in the scope.
    #[error(
        "`{0}` is too much for one scope: everything lies within; choose the project's own folder"
    )]
    TooBroad(PathBuf),
}

/// Where a path of another process leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the scope: relative to its root, empty for the root itself.
    Inside(String),
    /// Out of the scope: the normal path.
    Outside(String),
    /// This cannot be told.
    Unknown(UnknownReason),
}

impl<'a> Bounds<'a> {
    /// Resolves the paths of a scope.
    pub fn new(spec: &BoundsSpec, resolve: Resolver<'a>) -> Result<Self, BoundsError> {
        let given = normal(&spec.root)?;
        let resolved = resolved(resolve, &spec.root)?;
        if [&given, &resolved].iter().any(|root| root.ends_with('/')) {
            return Err(BoundsError::TooBroad(spec.root.clone()));
        }
        let all = |paths: &[PathBuf]| -> Result<Vec<String>, BoundsError> {
            paths
                .iter()
                .map(|path| self::resolved(resolve, path))
                .collect()
        };
        // Some are no paths: a full disk has cut off what a scope has noted of itself. Below one that is not Unicode no
        // process is told to be this scope's.
        let others = spec
            .others
            .iter()
            .filter_map(|other| self::resolved(resolve, other).ok());
        let is_within =
            |other: &String| paths::relative(&resolved, other).is_some_and(|rest| !rest.is_empty());
        let others = others.filter(is_within).collect();
        Ok(Self {
            projects: all(&spec.projects)?,
            others,
            marks: spec.marks.clone(),
            known: RefCell::default(),
            is_windows: spec.root.to_str().is_some_and(paths::is_windows),
            roots: [given, resolved],
            resolve,
        })
    }

    /// The root, with all links followed.
    pub(super) fn root(&self) -> &Path {
        Path::new(&self.roots[1])
    }

    /// Whether a path that a process means stands for itself, without a working directory.
    pub(super) fn is_absolute(&self, text: &str) -> bool {
        if self.is_windows {
            paths::is_windows(&text.replace('/', "\\"))
        } else {
            paths::is_absolute(text)
        }
    }

    /// What stands between the folders in a variable of a process's environment.
    pub(super) fn list_separator(&self) -> char {
        if self.is_windows { ';' } else { ':' }
    }

    /// Whether it has an Unreal project.
    pub(super) fn has_project(&self) -> bool {
        !self.projects.is_empty()
    }

    /// Where a path leads that a process with this working directory means.
    ///
    /// With `must_exist`, a path that leads nowhere is unknown: a process that was given a relative path may have
    /// changed its directory since.
    pub(super) fn locate(&self, text: &str, directory: Option<&Path>, must_exist: bool) -> Place {
        let (given, resolved) = match self.follow(text, directory, must_exist) {
            Ok(both) => both,
            Err(reason) => return Place::Unknown(reason),
        };
        match (self.inside(&resolved), self.inside(&given)) {
            (Some(path), _) => Place::Inside(path.to_owned()),
            (None, Some(_)) => Place::Unknown(UnknownReason::LeadsOut),
            (None, None) => Place::Outside(resolved),
        }
    }

    /// Whether a path that a process means is one of the scope's projects.
    pub(super) fn is_project(&self, text: &str, directory: Option<&Path>) -> bool {
        let Ok((_, resolved)) = self.follow(text, directory, false) else {
            return false;
        };
        // Wine finds a file in whatever case it is called.
        let is_wine = paths::is_windows(text) && !self.is_windows;
        self.projects.iter().any(|project| {
            *project == resolved || is_wine && project.to_lowercase() == resolved.to_lowercase()
        })
    }

    /// Whether a name is that of a project, alone or with what a build adds (`MyGame-Win64-Shipping`, `MyGameServer`).
    pub(super) fn is_called_after_project(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.projects.iter().any(|project| {
            let file = paths::base_name(project).to_lowercase();
            let stem = file.strip_suffix(".uproject").unwrap_or(&file);
            let added = name.strip_prefix(stem).filter(|_| !stem.is_empty());
            added.is_some_and(|added| {
                let kind = added.split('-').next().unwrap_or_default();
                ["", "client", "server", "game"].contains(&kind)
            })
        })
    }

    /// Whether a path of the scope is one that a project writes to, in its own folder or in that of a build, which is called
    /// after it. There may be other projects in the scope.
    pub(super) fn is_written_by_project(&self, inside: &str) -> bool {
        let path = self.absolute(inside);
        unreal::writers(&path).any(|folder| {
            self.projects.iter().any(|project| {
                let (own, file) = project.rsplit_once('/').unwrap_or_default();
                let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                let is_build = paths::base_name(folder).eq_ignore_ascii_case(stem)
                    && !self.exists(folder, file);
                folder == own || is_build
            })
        })
    }

    /// Whether something lies in a folder.
    pub(super) fn exists(&self, path: &str, name: &str) -> bool {
        (self.resolve)(&Path::new(path).join(name)).is_some()
    }

    /// Where a path of this machine leads. `None`: there is nothing.
    pub(super) fn true_path(&self, path: &Path) -> Option<PathBuf> {
        (self.resolve)(path)
    }

    /// The normal path of something in the scope.
    pub(super) fn absolute(&self, relative: &str) -> String {
        format!("{}/{relative}", self.roots[1])
    }

    fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        let hidden = |other: &String| paths::relative(other, path).is_some();
        self.roots
            .iter()
            .find_map(|root| paths::relative(root, path))
            .filter(|_| !self.others.iter().any(hidden))
            .filter(|inside| !self.is_in_marked_folder(path, inside))
    }

    /// Whether a path within the root lies in a folder that is the root of another scope, or is that folder.
    fn is_in_marked_folder(&self, path: &str, inside: &str) -> bool {
        let root = path.len() - inside.len();
        let ends = inside.match_indices('/').map(|(at, _)| root + at);
        ends.chain([path.len()])
            .filter(|end| *end > root)
            .any(|end| self.is_marked(&path[..end]))
    }

    fn is_marked(&self, folder: &str) -> bool {
        if let Some(known) = self.known.borrow().get(folder) {
            return *known;
        }
        let is_marked = self.marks.iter().any(|mark| self.exists(folder, mark));
        self.known.borrow_mut().insert(folder.to_owned(), is_marked);
        is_marked
    }

    /// The path as it was given and as the links on it lead, both normal.
    fn follow(
        &self,
        text: &str,
        directory: Option<&Path>,
        must_exist: bool,
    ) -> Result<(String, String), UnknownReason> {
        let text = self.native(text)?;
        let raw = if paths::is_absolute(&text) {
            text.into_owned()
        } else {
            let directory = directory.ok_or(UnknownReason::NoDirectory)?;
            let directory = directory.to_str().ok_or(UnknownReason::NotText)?;
            paths::join(directory, &text).ok_or(UnknownReason::NoDirectory)?
        };
        let given = paths::normal(&raw).ok_or(UnknownReason::NotText)?;
        let found = (self.resolve)(Path::new(&raw));
        if found.is_none() && (must_exist || raw.split(['/', '\\']).any(|part| part == "..")) {
            // Where a link is followed by `..`, only the disk knows where that leads.
            return Err(UnknownReason::NotFound);
        }
        let resolved = match found {
            Some(path) => path.to_str().and_then(paths::normal),
            None => through_parent(self.resolve, &given),
        };
        Ok((given, resolved.ok_or(UnknownReason::NotText)?))
    }

    /// A path as it is to be understood where the scope lies.
    ///
    /// Windows takes both separators. Wine shows the root of the file system as drive `Z:`; where its other drives lie,
    /// its own settings say.
    fn native<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, UnknownReason> {
        if self.is_windows {
            return Ok(text.replace('/', "\\").into());
        }
        if !paths::is_windows(text) {
            return Ok(text.into());
        }
        match paths::drive(text) {
            Some(('z', rest)) => Ok(rest.replace('\\', "/").into()),
            _ => Err(UnknownReason::ForeignDrive),
        }
    }
}

/// The normal form of a path that the caller gave, links followed as far as it exists.
fn resolved(resolve: Resolver<'_>, path: &Path) -> Result<String, BoundsError> {
    let given = normal(path)?;
    match resolve(path) {
        Some(found) => normal(&found),
        None => through_parent(resolve, &given).ok_or_else(|| BoundsError::Path(path.to_owned())),
    }
}

fn normal(path: &Path) -> Result<String, BoundsError> {
    path.to_str()
        .and_then(paths::normal)
        .ok_or_else(|| BoundsError::Path(path.to_owned()))
}

/// The true path of what does not exist: that of the nearest folder above it that does, and the rest.
fn through_parent(resolve: Resolver<'_>, normal: &str) -> Option<String> {
    let mut at = normal.len();
    while let Some(slash) = normal[..at].rfind('/').filter(|slash| *slash > 0) {
        if let Some(found) = resolve(Path::new(&normal[..slash])) {
            let found = paths::normal(found.to_str()?)?;
            return Some(format!(
                "{}{}",
                found.trim_end_matches('/'),
                &normal[slash..]
            ));
        }
        at = slash;
    }
    Some(normal.to_owned())
}

impl fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds")
            .field("roots", &self.roots)
            .field("projects", &self.projects)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}
