//! What is said about a mistake, and where.

use super::*;

#[test]
fn an_unknown_key_names_the_nearest_with_its_place() {
    let text = "# a comment\n[launch]\n\tclinets = 3";
    insta::assert_snapshot!(report(text), @"
    xtask.toml:3:2: unknown key `clinets` in [launch], did you mean `clients`?
      3 |  clinets = 3
        |  ^^^^^^^
    ");
}

#[test]
fn unknown_keys_are_found_everywhere() {
    let text = "
verbose = true
[launches]
[profile.demo]
base-port = 1
[profile.demo.ready]
url = 'x'
[group.python]
names = ['x']
[[launch.role]]
name = 'demo'
port = 1
";
    insta::assert_snapshot!(messages(text), @"
    2:1: unknown key `verbose` at the top of the file, known here: `root`, `profile`, `launch`, `group`
    3:2: unknown key `launches` at the top of the file, did you mean `launch`?
    5:1: unknown key `base-port` in [profile.demo], known here: `program`, `project`, `args`, `env`, `cwd`, `console`, `ready`, `shutdown`, `survive`, `lock_files`
    7:1: unknown key `url` in [profile.demo.ready], known here: `path`, `status`, `timeout`, `request_timeout`, `host`
    9:1: unknown key `names` in [group.python], did you mean `name`?
    12:1: unknown key `port` in [launch.role], did you mean `ports`?
    ");
}

#[test]
fn wrong_types_are_named() {
    let text = "
root = 1
launch = 'demo'
profile = []
[group]
python = 1
";
    insta::assert_snapshot!(messages(text), @"
    2:8: `root` must be a string, not an integer
    3:10: `launch` must be a table, not a string
    4:11: `profile` must be a table, not an array
    6:10: [group.python] must be a table, not an integer
    ");
    let text = "[launch]\nprofile = 'dmeo'\nstagger = 5\nleaks = true\nrole = {}";
    insta::assert_snapshot!(messages(text), @r#"
    2:11: `profile` names an unknown profile `dmeo`, did you mean `demo`?
    3:11: `stagger` needs a unit: write "5s" for seconds or "5ms" for milliseconds
    4:9: `leaks` must be a string, not a boolean
    5:8: `role` is a list of tables; write [[launch.role]], with two brackets
    "#);
}

#[test]
fn toml_that_is_broken_is_reported_alone() {
    insta::assert_snapshot!(report("[launch\nclinets = 3"), @"
    xtask.toml:1:8: not valid TOML: unclosed table, expected `]`
      1 | [launch
        |        ^
    ");
    insta::assert_snapshot!(report("[launch]\nprofile = demo"), @"
    xtask.toml:2:11: not valid TOML: string values must be quoted, expected literal string
      2 | profile = demo
        |           ^^^^
    ");
    insta::assert_snapshot!(report("[launch]\nclients = 1\nclients = 2"), @"
    xtask.toml:3:1: not valid TOML: duplicate key
      3 | clients = 2
        | ^^^^^^^
    ");
    insta::assert_snapshot!(report("[launch]\nprofile = 'demo"), @"
    xtask.toml:2:16: not valid TOML: invalid literal string, expected `'`
      2 | profile = 'demo
        |                ^
    ");
    insta::assert_snapshot!(report("[launch]\nclients ="), @"
    xtask.toml:2:10: not valid TOML: string values must be quoted, expected literal string
      2 | clients =
        |          ^
    ");
}

#[test]
fn columns_count_characters_and_excerpts_are_fit_to_print() {
    let text = "launch = { profile = 'demo', leaks = 'wärn', stägger = '5s' }\r\n";
    insta::assert_snapshot!(report(text), @"
    xtask.toml:1:48: not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
      1 | launch = { profile = 'demo', leaks = 'wärn', stägger = '5s' }
        |                                                ^
    ");
    let mistake = &parse("x = '\u{1b}[31m'").unwrap_err().mistakes[0];
    assert!(!mistake.excerpt.contains('\u{1b}'), "{mistake:?}");
}

#[test]
fn a_mistake_at_the_end_of_the_file_has_a_place() {
    for text in ["x", "x =", "[", "\u{feff}x", "é", "x = \"é"] {
        for mistake in parse(text).unwrap_err().mistakes {
            assert_eq!(mistake.line, 1, "{text}");
            assert!(mistake.column <= text.chars().count() + 1, "{mistake:?}");
        }
    }
}
