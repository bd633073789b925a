//! Bad input that only this system knows: each mistake is a clear error with its own exit code, and nothing has been started.

use tests::Bench;

use crate::support::PASS;

#[track_caller]
fn refuse_profile(line: &str, parts: &[&str]) {
    let bench = Bench::with_config(&format!("[profile.demo]\n{line}\nargs = ['{{port}}']\n"));
    bench.assert_refused(["launch"].iter().chain(&PASS), 106, parts);
}

/// As it is written by a user who has copied a path of Windows.
#[test]
fn a_path_with_backslashes_in_double_quotes() {
    refuse_profile(
        r#"program = "C:\Users\me\game.exe""#,
        &["xtask.toml:2:", "not valid TOML"],
    );
}

#[test]
fn a_path_that_depends_on_the_folder_of_a_drive() {
    refuse_profile(
        "program = 'C:game.exe'",
        &["xtask.toml:2:11:", "drive C:", r"write `C:\game.exe`"],
    );
}

#[test]
fn programs_that_are_not_there() {
    refuse_profile(
        r"program = '.\no-such-program.exe'",
        &["no-such-program.exe\" is not there", "looked at "],
    );
    refuse_profile(
        r"program = 'Z:\no\such\place.exe'",
        &[r"Z:\no\such\place.exe", "is not there"],
    );
}
