//! Stale lock files of a project: found by globs below its folder, removed when no process is left that could hold them.
//!
//! Never outside the folder and never through a symbolic link: links are not followed, and not removed either. Nor in a
//! folder below that is the root of another scope, whose editors are not looked for. They are found before it is asked what
//! is left, and one that was written since is in use again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Serialize;

/// How deep below the project lock files are looked for.
const DEPTH: usize = 32;

/// One lock file, and what was done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct LockFile {
    /// The file.
    pub(crate) path: String,
    /// Whether it was removed.
    pub(crate) removed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A lock file as it was found.
#[derive(Clone, Debug)]
pub(crate) struct FoundLock {
    path: PathBuf,
    written: Option<SystemTime>,
}

/// The files below a folder that match one of the globs, which are relative to it, and lie in no folder of another scope.
pub(crate) fn find(
    folder: &Path,
    globs: &[String],
    is_others: &dyn Fn(&Path) -> bool,
) -> Vec<FoundLock> {
    let Some(set) = compile(globs) else {
        return Vec::new();
    };
    let mut search = LockSearch {
        folder,
        set,
        is_others,
        found: Vec::new(),
    };
    search.enter(Path::new(""), DEPTH);
    search.found.sort();
    let found = search.found.into_iter().map(|path| FoundLock {
        written: written(folder, &path),
        path,
    });
    found.collect()
}

/// Removes what was found below a folder, unless a process is left that may hold it.
pub(crate) fn remove(folder: &Path, found: &[FoundLock], in_use: bool) -> Vec<LockFile> {
    let remove_one = |found: &FoundLock| {
        let path = &found.path;
        let reason = if in_use {
            Some("a process of the project is left, which may hold it".to_owned())
        } else if found.written.is_none() || found.written != written(folder, path) {
            Some("it was written a moment ago".to_owned())
        } else {
            fs::remove_file(path).err().map(|error| error.to_string())
        };
        LockFile {
            path: path.display().to_string(),
            removed: reason.is_none(),
            reason,
        }
    };
    found.iter().map(remove_one).collect()
}

/// When a file was written. `None`: it is no plain file, or a link leads to it.
fn written(folder: &Path, path: &Path) -> Option<SystemTime> {
    let is_link = |above: &Path| above.symlink_metadata().is_ok_and(|data| data.is_symlink());
    let mut between = path.ancestors().take_while(|above| *above != folder);
    if between.any(is_link) {
        return None;
    }
    let data = path.symlink_metadata().ok()?;
    data.is_file().then(|| data.modified().ok())?
}

/// What was done, a line each.
pub(crate) fn show(files: &[LockFile]) -> String {
    files.iter().fold(String::new(), |mut text, file| {
        let done = file
            .reason
            .as_ref()
            .map_or_else(|| "removed".to_owned(), |reason| format!("kept: {reason}"));
        let _ = writeln!(text, "lock file {}  {done}", file.path);
        text
    })
}

fn compile(globs: &[String]) -> Option<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        // The configuration has refused those that do not compile.
        // A `*` stays within one name: `*.lock*` is no folder and what lies in it.
        let glob = GlobBuilder::new(glob).literal_separator(true).build();
        builder.add(glob.ok()?);
    }
    builder.build().ok()
}

/// Looking for files below a folder.
struct LockSearch<'a> {
    folder: &'a Path,
    set: GlobSet,
    is_others: &'a dyn Fn(&Path) -> bool,
    found: Vec<PathBuf>,
}

impl LockSearch<'_> {
    fn enter(&mut self, relative: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(self.folder.join(relative)) else {
            return;
        };
        for entry in entries.flatten() {
            // Of the entry itself, not of what a link leads to.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = relative.join(entry.file_name());
            if kind.is_dir() && depth > 0 {
                if !(self.is_others)(&self.folder.join(&path)) {
                    self.enter(&path, depth - 1);
                }
            } else if kind.is_file() && self.set.is_match(&path) {
                self.found.push(self.folder.join(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file, with what lies above it.
    fn write(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }

    /// Makes a link, and says whether it is there: not every user of Windows may make one, and Wine only says that it has.
    fn link(target: &Path, link: &Path) -> bool {
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, link).unwrap();
        #[cfg(windows)]
        let _ = if target.is_dir() {
            std::os::windows::fs::symlink_dir(target, link)
        } else {
            std::os::windows::fs::symlink_file(target, link)
        };
        let is_there = link.is_symlink();
        if !is_there {
            eprintln!("not looked at: links, which cannot be made here");
        }
        is_there
    }

    #[test]
    fn links_lead_nowhere_and_stay_and_so_does_what_is_no_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let (project, outside) = (folder.path().join("project"), folder.path().join("outside"));
        let stale = ["Intermediate/a.lock", "Intermediate/deep/b.lock.1"].map(|f| project.join(f));
        let other = [
            outside.join("c.lock"),
            project.join("d.lock"),
            project.join("Intermediate/e.txt"),
            project.join("Intermediate/shaders.locked/f.bin"),
        ];
        stale.iter().chain(&other).for_each(|file| write(file));
        let to_folder = project.join("Intermediate/link");
        let to_file = project.join("Intermediate/f.lock");
        let links = [link(&outside, &to_folder), link(&other[0], &to_file)];
        let globs = ["Intermediate/**/*.lock*".to_owned()];

        let found = find(&project, &globs, &|_| false);
        let kept = remove(&project, &found, true);
        assert!(kept.len() == 2 && kept.iter().all(|file| !file.removed));
        assert!(stale.iter().all(|file| file.exists()));

        assert!(
            remove(&project, &found, false)
                .iter()
                .all(|file| file.removed)
        );
        assert!(stale.iter().all(|file| !file.exists()));
        assert!(other.iter().all(|file| file.exists()));
        assert_eq!([to_folder.is_symlink(), to_file.is_symlink()], links);
    }

    #[test]
    fn those_in_a_folder_of_another_scope_are_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.lock", "own/b.lock", "other/c.lock", "other/deep/d.lock"];
        let files = files.map(|file| folder.path().join(file));
        for file in &files {
            write(file);
        }
        let other = folder.path().join("other");
        let found = find(folder.path(), &["**/*.lock".to_owned()], &|at| at == other);
        let removed = remove(folder.path(), &found, false);
        assert_eq!(removed.len(), 2, "{removed:?}");
        let is_there = files.map(|file| file.exists());
        assert_eq!(is_there, [false, false, true, true]);
    }

    #[test]
    fn what_has_changed_since_it_was_found_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (project, outside) = (folder.path().join("project"), folder.path().join("outside"));
        for name in ["taken", "moved", "stale"] {
            let lock = project.join(name).join("a.lock");
            write(&lock);
            let long_ago = SystemTime::UNIX_EPOCH;
            let file = fs::File::options().write(true).open(&lock).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        let found = find(&project, &["**/*.lock".to_owned()], &|_| false);
        // One is held anew; another folder has become a link that leads out of the project.
        fs::write(project.join("taken/a.lock"), "").unwrap();
        fs::rename(project.join("moved"), &outside).unwrap();
        link(&outside, &project.join("moved"));

        let removed = remove(&project, &found, false);
        let kept: Vec<bool> = removed.iter().map(|file| !file.removed).collect();
        assert_eq!(kept, [true, false, true], "{removed:?}");
        assert!(project.join("taken/a.lock").exists() && outside.join("a.lock").exists());
    }
}
