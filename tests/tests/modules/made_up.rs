//! Crates that were made up to see what is found in them.

use std::path::Path;

use crate::graph::Modules;
use crate::reading::System;

/// The modules of a crate of these files.
fn made_up(files: &[(&str, &str)], system: System) -> Modules {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Modules::read(&folder.path().join("lib.rs"), system)
}

/// What is found in a crate of two modules, `above` and `below`, of which the first has this text.
fn found_in(above: &str) -> Vec<String> {
    let files = [
        ("lib.rs", "mod above; mod below;"),
        ("above.rs", above),
        ("above/child.rs", "fn f() { super::super::below::g() }"),
        (
            "below.rs",
            "pub mod inner { pub struct Thing; } pub fn g() {}",
        ),
    ];
    made_up(&files, System::Linux)
        .uses_of_later()
        .into_iter()
        .collect()
}

#[test]
fn every_way_to_name_a_later_module_is_found() {
    for (text, path) in [
        ("use crate::below::g;", "above.rs: crate::below::g"),
        ("use crate::{below as other};", "above.rs: crate::below"),
        ("use super::below::*;", "above.rs: super::below"),
        (
            "pub use crate::below::{inner::Thing};",
            "above.rs: crate::below::inner::Thing",
        ),
        (
            "use self::super::below::inner::{self};",
            "above.rs: self::super::below::inner",
        ),
        ("fn f() { crate::below::g() }", "above.rs: crate::below::g"),
        (
            "fn f() { if true { use crate::below::g; } }",
            "above.rs: crate::below::g",
        ),
        (
            "fn f(_: Option<crate::below::inner::Thing>) {}",
            "above.rs: crate::below::inner::Thing",
        ),
        (
            "fn f() { assert!(x(&[crate::below::g()])) }",
            "above.rs: crate::below::g",
        ),
        (
            "mod within { fn f() { super::super::below::g() } }",
            "above.rs: super::super::below::g",
        ),
        ("mod child;", "above/child.rs: super::super::below::g"),
    ] {
        assert_eq!(found_in(text), [path], "{text}");
    }
}

#[test]
fn what_is_no_use_is_not_found() {
    for text in [
        "// use crate::below::g;\n/// See [`crate::below::g`].\nfn f() {}",
        "const TEXT: &str = \"use crate::below::g;\";",
        "#[cfg(test)] mod tests { use crate::below::g; }",
        "#[cfg(all(test, unix))] use crate::below::g;",
        "#[cfg(target_os = \"macos\")] use crate::below::g;",
        "#[cfg(not(unix))] mod child;",
        "mod below { pub fn g() {} } use self::below::g;",
        "use other::below::g;",
        "use other::*; use another::*; fn f() { below::g() }",
    ] {
        assert_eq!(found_in(text), [""; 0], "{text}");
    }
}

#[test]
fn a_circle_is_found_through_what_others_pass_on() {
    let files = [
        ("lib.rs", "mod system; mod last;"),
        (
            "system/mod.rs",
            "#[cfg(windows)] mod a; mod b; mod c; #[cfg(windows)] pub use a::*; pub use {b::*, c::f as g};",
        ),
        ("system/a.rs", "pub struct A(crate::system::B);"),
        ("system/b.rs", "use super::g; pub struct B; fn h() { g() }"),
        ("system/c.rs", "pub fn f() { crate::system::A }"),
        (
            "last.rs",
            "use crate::system; fn f() -> system::A { system::g() }",
        ),
    ];
    let circles = made_up(&files, System::Windows).circles();
    let [circle] = &circles[..] else {
        panic!("one circle was expected");
    };
    assert_eq!(circle.files, ["system/a.rs", "system/b.rs", "system/c.rs"]);
    assert_eq!(
        circle.uses,
        [
            "system/a.rs uses system/b.rs: crate::system::B",
            "system/b.rs uses system/c.rs: g, super::g",
            "system/c.rs uses system/a.rs: crate::system::A",
        ]
    );
    assert!(made_up(&files, System::Linux).circles().is_empty());
}
