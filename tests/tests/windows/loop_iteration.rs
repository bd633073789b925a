//! The example of a loop iteration for `cmd`, as it stands in the repository.
//!
//! That for PowerShell is not run: where Wine stands for Windows there is none.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use wait_timeout::ChildExt;

use crate::stand_in::put;
use crate::support::project;
use tests::{Bench, PATIENCE, binaries, binary};

/// Runs the example with a test, and returns its exit code and what it has printed.
fn iterate(bench: &Bench, test: &[&str]) -> (i32, String) {
    // Tests are started in the folder of their package.
    let package = std::env::current_dir().unwrap();
    let example = package
        .parent()
        .unwrap()
        .join("examples/loop_iteration.bat");
    assert!(example.is_file(), "{}", example.display());
    let tools = bench.root().join("tools");
    fs::create_dir_all(&tools).unwrap();
    fs::copy(binary("cargo-stand-in"), tools.join("cargo.exe")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let folders = [tools, binaries().to_owned()].into_iter();
    let folders = folders.chain(std::env::split_paths(&path));
    let said = bench.root().join("said.txt");
    let output = File::create(&said).unwrap();
    let mut child = Command::new("cmd")
        .arg("/c")
        .arg(example)
        .args(test)
        .current_dir(bench.root())
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("XTASK_STATE_DIR", bench.root().join("state"))
        .stdin(Stdio::null())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .spawn()
        .unwrap();
    let status = child.wait_timeout(PATIENCE).unwrap();
    let said = fs::read_to_string(said).unwrap();
    let Some(status) = status else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it does not end: {said}");
    };
    (status.code().unwrap(), said)
}

#[test]
fn an_iteration_in_cmd() {
    let bench = project();
    let config = bench.root().join("xtask.toml");
    let demo = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        demo.replace("[launch]", "[launch]\nbase_port = \"auto\""),
    )
    .unwrap();

    let (code, said) = iterate(&bench, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 clients ready"), "{said}");

    let (code, said) = iterate(&bench, &["cmd", "/c", "echo from the test& exit 7"]);
    assert_eq!(code, 7, "{said}");
    assert!(said.contains("from the test"), "{said}");

    // An iteration that leaves something ends it.
    let leaving = put(&bench.root().join("tools/leaving.exe"));
    let below = put(&bench.root().join("tools/below.exe"));
    let child = format!("--stand-in-child={}", below.display());
    let test = [leaving.to_str().unwrap(), "--stand-in-life=0", &child];
    let (code, said) = iterate(&bench, &test);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("below.exe"), "{said}");
    let table = proc_core::table::Table::read().unwrap();
    let left = table.iter().find(|process| {
        let executable = process.executable();
        !process.is_zombie() && executable.is_some_and(|path| path.starts_with(bench.root()))
    });
    assert!(left.is_none(), "{left:?}");
}
