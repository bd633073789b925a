//! Where the configuration and the root of the scope are found.
//!
//! The way up follows the path as it was given, and only the root that comes of it is made canonical: a folder reached
//! through a link or a mapped drive is the same scope, but the paths that a client is given stay as the user knows them.

use std::path::{Path, PathBuf};

use super::path::absolute;
use super::unreal::uprojects;

/// The name of the file that is looked for.
pub const FILE_NAME: &str = "xtask.toml";

/// What marks the root of a working copy.
const VERSION_CONTROL: [&str; 5] = [".git", ".hg", ".svn", ".jj", ".p4config"];

/// The nearest configuration file from `cwd` upward.
///
/// A dangling link counts, so that reading it fails loudly instead of the defaults being taken quietly.
pub(super) fn file(cwd: &Path) -> Option<PathBuf> {
    absolute(cwd)
        .ancestors()
        .map(|folder| folder.join(FILE_NAME))
        .find(|file| {
            file.symlink_metadata()
                .is_ok_and(|metadata| !metadata.is_dir())
        })
}

/// The root without a file: the nearest folder upward with a `.uproject`, else with a version-control root, else `cwd`.
pub(super) fn root(cwd: &Path) -> PathBuf {
    let cwd = absolute(cwd);
    let nearest = |is_root: fn(&Path) -> bool| cwd.ancestors().find(|folder| is_root(folder));
    nearest(|folder| !uprojects(folder).is_empty())
        .or_else(|| nearest(is_working_copy))
        .unwrap_or(&cwd)
        .to_path_buf()
}

/// The names by which a folder below a root would be chosen for a root itself, from within.
pub(super) fn marks(root: &Path, has_file: bool) -> Vec<String> {
    let mut marks = vec![FILE_NAME.to_owned()];
    let projects = uprojects(root);
    if has_file {
        return marks;
    }
    if projects.is_empty() {
        marks.extend(VERSION_CONTROL.map(str::to_owned));
    }
    // A working copy of the same project, within this one.
    let names = projects
        .iter()
        .filter_map(|path| path.file_name()?.to_str());
    marks.extend(names.map(str::to_owned));
    marks
}

fn is_working_copy(folder: &Path) -> bool {
    VERSION_CONTROL
        .iter()
        .any(|marker| folder.join(marker).exists())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_upward_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b/c");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(file(&inner), None);
        fs::write(dir.path().join(FILE_NAME), "").unwrap();
        assert_eq!(file(&inner), Some(dir.path().join(FILE_NAME)));
        fs::write(dir.path().join("a/b").join(FILE_NAME), "").unwrap();
        assert_eq!(file(&inner), Some(dir.path().join("a/b").join(FILE_NAME)));
    }

    #[test]
    fn a_folder_of_that_name_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(file(dir.path()), None);
    }

    #[test]
    fn a_project_is_the_root_before_a_working_copy_and_that_before_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("Game/Plugins/Own/Source");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(root(&inner), inner);
        for marker in VERSION_CONTROL {
            let marker = inner.parent().unwrap().join(marker);
            fs::write(&marker, "").unwrap();
            assert_eq!(root(&inner), dir.path().join("Game/Plugins/Own"));
            fs::remove_file(marker).unwrap();
        }
        fs::create_dir(dir.path().join("Game/Plugins/Own/.git")).unwrap();
        fs::write(dir.path().join("Game/Game.uproject"), "{}").unwrap();
        assert_eq!(root(&inner), dir.path().join("Game"));
    }

    #[test]
    fn a_root_within_a_root_is_known_by_what_would_be_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let marks = |has_file| marks(dir.path(), has_file);
        assert_eq!(marks(true), [FILE_NAME]);
        assert_eq!(marks(false).len(), 1 + VERSION_CONTROL.len());
        fs::write(dir.path().join("Game.uproject"), "{}").unwrap();
        assert_eq!(marks(true), [FILE_NAME]);
        assert_eq!(marks(false), [FILE_NAME, "Game.uproject"]);
    }
}
