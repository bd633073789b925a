//! The order of modules: each uses only those that stand above it, and no two files use each other.
//!
//! The sources are read as each system compiles them, without their tests. A use is a path in the code, followed
//! through imports and what they pass on to where it is defined; that a method is called cannot be seen.

#![expect(clippy::unwrap_used, reason = "a panic is how a test tells a failure")]

mod graph;
mod made_up;
mod reading;

use std::path::{Path, PathBuf};

use graph::Modules;
use reading::System;

/// The crates whose root lists its modules in the order in which they build on each other.
const ORDERED: [&str; 2] = ["crates/proc-core", "xtask"];

#[test]
fn a_module_uses_only_those_above_it() {
    for package in ORDERED {
        for system in System::ALL {
            let found = read(package, system).uses_of_later();
            assert!(
                found.is_empty(),
                "{package} for {system:?}: a module uses one that stands below it in lib.rs: {found:#?}"
            );
        }
    }
}

#[test]
fn no_files_use_each_other() {
    for package in ORDERED {
        for system in System::ALL {
            let circles = read(package, system).circles();
            let uses: Vec<_> = circles.iter().map(|circle| &circle.uses).collect();
            assert!(
                uses.is_empty(),
                "{package} for {system:?}: files use each other: {uses:#?}"
            );
        }
    }
}

#[test]
fn the_documentation_has_the_same_order() {
    let text = std::fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let (_, section) = text
        .split_once("\n## The modules of `proc-core`\n")
        .unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let documented: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name)
        .collect();
    let modules = read("crates/proc-core", System::Linux);
    assert_eq!(documented, modules.order());
}

fn read(package: &str, system: System) -> Modules {
    Modules::read(&workspace().join(package).join("src/lib.rs"), system)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
