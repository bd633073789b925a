//! Stale lock files of a project: found by globs below its folder, removed when nobody is left who could hold them.
//!
//! Never outside the folder and never through a symbolic link: links are not followed, and not removed either.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Removes the files below a folder that match one of the globs, which are relative to it.
pub(crate) fn remove(folder: &Path, globs: &[String], in_use: bool) -> Vec<LockFile> {
    let Some(set) = compile(globs) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    find(folder, Path::new(""), &set, DEPTH, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let reason = if in_use {
                Some("a process of the project is left, which may hold it".to_owned())
            } else {
                fs::remove_file(&path).err().map(|error| error.to_string())
            };
            LockFile {
                path: path.display().to_string(),
                removed: reason.is_none(),
                reason,
            }
        })
        .collect()
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

fn find(folder: &Path, relative: &Path, set: &GlobSet, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder.join(relative)) else {
        return;
    };
    for entry in entries.flatten() {
        // Of the entry itself, not of what a link leads to.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = relative.join(entry.file_name());
        if kind.is_dir() && depth > 0 {
            find(folder, &path, set, depth - 1, found);
        } else if kind.is_file() && set.is_match(&path) {
            found.push(folder.join(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (project, outside) = (folder.path().join("project"), folder.path().join("outside"));
        let folders = ["Intermediate/deep", "Intermediate/shaders.locked"].map(|f| project.join(f));
        for folder in folders.iter().chain([&outside]) {
            fs::create_dir_all(folder).unwrap();
        }
        let stale = [
            project.join("Intermediate/a.lock"),
            project.join("Intermediate/deep/b.lock.1"),
        ];
        let other = [
            outside.join("c.lock"),
            project.join("d.lock"),
            project.join("Intermediate/e.txt"),
            project.join("Intermediate/shaders.locked/f.bin"),
        ];
        for file in stale.iter().chain(&other) {
            fs::write(file, "").unwrap();
        }
        std::os::unix::fs::symlink(&outside, project.join("Intermediate/link")).unwrap();
        std::os::unix::fs::symlink(&other[0], project.join("Intermediate/f.lock")).unwrap();
        let globs = ["Intermediate/**/*.lock*".to_owned()];

        let kept = remove(&project, &globs, true);
        assert!(kept.len() == 2 && kept.iter().all(|file| !file.removed));
        assert!(stale.iter().all(|file| file.exists()));

        assert!(
            remove(&project, &globs, false)
                .iter()
                .all(|file| file.removed)
        );
        assert!(stale.iter().all(|file| !file.exists()));
        assert!(other.iter().all(|file| file.exists()));
        assert!(project.join("Intermediate/f.lock").is_symlink());
    }
}
