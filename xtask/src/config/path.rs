//! Paths as the configuration has them.

use std::path::{Path, PathBuf};

use proc_core::scope::true_path;

/// An absolute path, without looking at links.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The canonical path if there is one, else the absolute one.
pub(super) fn canonical(path: &Path) -> PathBuf {
    true_path(path).unwrap_or_else(|_| absolute(path))
}
