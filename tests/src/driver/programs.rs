//! The binaries that are driven.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The environment variable that names the folder with the binaries, where they are known to be built.
pub(super) const BINARIES: &str = "XTASK_TEST_BINARIES";

/// The folder with the binaries of this workspace, built anew if need be.
pub fn binaries() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os(BINARIES) {
            return folder.into();
        }
        let test = std::env::current_exe().expect("a test has a path");
        // target/…/<profile>/deps/<test>
        let folder = test
            .ancestors()
            .nth(2)
            .expect("a test lies in a target folder")
            .to_owned();
        // Where Wine stands for Windows there is no cargo to start.
        if cfg!(unix) {
            build(&folder);
        }
        let xtask = folder.join(format!("xtask{EXE_SUFFIX}"));
        assert!(
            xtask.is_file(),
            "build the binaries first: cargo build --workspace --bins"
        );
        folder
    })
}

fn build(folder: &Path) {
    let target = folder
        .parent()
        .expect("a profile's folder lies in a target folder");
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
        .arg(target);
    build.current_dir(workspace());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo can be started");
    assert!(status.success(), "the binaries do not build");
}

/// The root of this workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
}

/// The path of a binary of this workspace.
pub fn binary(name: &str) -> PathBuf {
    binaries().join(format!("{name}{EXE_SUFFIX}"))
}
