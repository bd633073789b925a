//! Arguments arrive to the letter, up to what Windows has room for.

use std::fs;
use std::path::Path;

use crate::support::project;
use tests::{Bench, assert_over, binary, named};

/// What is hard to quote. Rust's library, C's and `CommandLineToArgvW` read all of it alike.
const HARD: [&str; 16] = [
    "",
    "two words",
    "tab\there",
    r#"say "x""#,
    r#"""#,
    r"C:\folder\",
    r"C:\two words\",
    r#"a\\"b"#,
    r"\",
    "%PATH%",
    "^&|<>()",
    "!x!",
    "*.py",
    "é😀語",
    "'single'",
    "-flag=\"a b\"",
];

/// A project whose client, and whose test, are programs that write down what they were given.
fn bench(arguments: &[&str]) -> Bench {
    let bench = project();
    let program = binary("stand-in");
    let mut config = format!(
        "[launch]\nprofile = \"own\"\nbase_port = \"auto\"\n[profile.own]\nprogram = {:?}\nshutdown = {{ grace = \"0s\" }}\n\
         ready = {{ path = \"/\", timeout = \"60s\" }}\nargs = [",
        program.to_str().unwrap()
    );
    let seen = format!(
        "--stand-in-arguments={}",
        bench.root().join("client.json").display()
    );
    for argument in ["--stand-in-port={port}", &seen].iter().chain(arguments) {
        let argument = toml_text(argument);
        config = format!("{config}{argument}, ");
    }
    config.push(']');
    fs::write(bench.root().join("xtask.toml"), config).unwrap();
    bench
}

fn toml_text(text: &str) -> String {
    // JSON's strings are TOML's too.
    serde_json::to_string(text).unwrap()
}

fn seen(file: &Path) -> Vec<String> {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn arguments_of_clients_and_tests_arrive_to_the_letter() {
    let bench = bench(&HARD);
    let file = bench.root().join("test.json");
    let own = format!("--stand-in-arguments={}", file.display());
    let launch = ["launch", "--clients", "1", "--format", "json", "--"];
    let test = ["stand-in", "--stand-in-life=0", &own];
    let finished = bench.run([&launch[..], &test, &HARD].concat()).expect(0);
    assert_eq!(seen(&file)[2..], HARD);
    assert_eq!(seen(&bench.root().join("client.json"))[2..], HARD);
    // As they are seen from outside.
    let command = &named(&finished.events(), "test_started")[0]["command"];
    let words = command.as_array().unwrap()[3..].iter();
    assert!(words.eq(HARD.iter()), "{command}");
}

#[test]
fn a_batch_file_gets_its_arguments_without_their_being_executed() {
    let bench = project();
    let script = "@echo off\r\n> \"%~dp0seen.txt\" echo %1 %2 %3\r\n";
    fs::write(bench.root().join("my test.cmd"), script).unwrap();
    let test = ["./my test.cmd", "", "a^b & exit 5", r"C:\two words\"];
    let launch = ["launch", "--clients", "1", "--base-port", "auto", "--"];
    bench.run([&launch[..], &test].concat()).expect(0);
    let seen = fs::read_to_string(bench.root().join("seen.txt")).unwrap();
    // To be taken from within their quotes by the script, if that is what it wants.
    let start = r#""" "a^b & exit 5" "C:\two words\"#;
    assert!(seen.starts_with(start), "{seen}");
}

#[test]
fn there_is_room_for_31000_characters_and_none_for_33000() {
    let long = "x".repeat(31_000);
    let bench = bench(&[&long]);
    let file = bench.root().join("test.json");
    let own = format!("--stand-in-arguments={}", file.display());
    let launch = ["launch", "--clients", "1", "--format", "json"];
    let test = ["--", "stand-in", "--stand-in-life=0", &own, &long];
    let finished = bench.run([&launch[..], &test].concat()).expect(0);
    assert_eq!(seen(&file)[2], long);
    assert_eq!(seen(&bench.root().join("client.json"))[2], long);
    assert_over(&finished.events());

    // A command line for `xtask` itself cannot be that long.
    let bench = self::bench(&["{project}", &"x".repeat(33_000)]);
    let config = fs::read_to_string(bench.root().join("xtask.toml")).unwrap();
    let config = config.replace("[profile.own]", "[profile.own]\nproject = \"x\"");
    fs::write(bench.root().join("xtask.toml"), config).unwrap();
    let refused = bench.run(launch).expect(106);
    assert!(
        refused.stdout.contains("there is room for 32766"),
        "{}",
        refused.stdout
    );
    assert_eq!(named(&refused.events(), "run_started").len(), 0);
    assert!(!bench.root().join("client.json").exists());
}
