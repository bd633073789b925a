//! The examples of a loop iteration, as they stand in the repository.

use std::process::Command;

use tests::namespace::{alone, others};
use tests::{Bench, Finished, workspace};

use crate::session::write_cargo;

fn example(bench: &Bench, program: &str, file: &str, test: &[&str]) -> Finished {
    let mut command: Command = bench.command(program);
    command
        .arg(workspace().join("examples").join(file))
        .args(test)
        .env("PATH", write_cargo(bench));
    bench.finish(command)
}

fn run(program: &str, file: &str) {
    let bench = Bench::with_config("[launch]\nbase_port = \"auto\"\n");
    assert!(workspace().join("examples").join(file).is_file());
    let passed = example(&bench, program, file, &[]).expect(0);
    assert!(
        passed
            .stdout
            .contains("ok: the test passed; 0 leaks, 0 survivors"),
        "{}",
        passed.stdout
    );
    // What the test prints can be seen.
    let failed = example(
        &bench,
        program,
        file,
        &["sh", "-c", "echo from the test; exit 7"],
    );
    let failed = failed.expect(7);
    let seen = failed.stdout + &failed.stderr;
    assert!(seen.contains("from the test\n"), "{seen}");
    // An iteration that leaves something ends it.
    let leaving = example(&bench, program, file, &["sh", "-c", "setsid sleep 80 &"]).expect(0);
    assert!(leaving.stdout.contains("1 leaks"), "{}", leaving.stdout);
    bench.assert_nothing_left();
    assert_eq!(others(), []);
}

#[test]
fn an_iteration_in_python() {
    alone(|| run("python3", "loop_iteration.py"));
}

#[test]
fn an_iteration_in_bash() {
    alone(|| run("bash", "loop_iteration.sh"));
}
