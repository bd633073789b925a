//! `[group.NAME]` among the built-in ones.

use super::*;

#[test]
fn own_groups_come_first_and_the_builtin_ones_keep_their_order() {
    let text = "
        [group.python]
        limit = 5
        [group.zebra]
        name = ['z*']
        [group.ape]
        script = ['**/ape.py']
        [group.monitor]
        script = []
    ";
    let config = parse(text).unwrap();
    assert_eq!(
        group_names(&config),
        ["zebra", "ape", "unreal", "monitor", "python"]
    );
}

#[test]
fn a_builtin_group_keeps_what_is_not_given() {
    let config = parse("[group.unreal]\nlimit = 0\nspare = []").unwrap();
    let defaults = builtin::groups();
    let group = config.group("unreal").unwrap();
    assert_eq!(group.limit, Some(0));
    assert_eq!(group.name, defaults[0].1.name);
    assert!(group.spare.is_empty());
}

#[test]
fn what_a_group_cannot_be_is_refused() {
    let text = "
[group.x]
limit = -1
[group.y]
name = ['{a', '']
scripts = ['**/*.py']
";
    insta::assert_snapshot!(report(text), @"
    xtask.toml:2:8: this group matches nothing; add globs with `name` or `script`
      2 | [group.x]
        |        ^
    xtask.toml:3:9: `limit` must be a whole number from 0 to 4294967295, not -1
      3 | limit = -1
        |         ^^
    xtask.toml:5:9: `name` item 1 has a bad glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
      5 | name = ['{a', '']
        |         ^^^^
    xtask.toml:5:15: `name` item 2 must not be empty
      5 | name = ['{a', '']
        |               ^^
    xtask.toml:6:1: unknown key `scripts` in [group.y], did you mean `script`?
      6 | scripts = ['**/*.py']
        | ^^^^^^^
    ");
}

fn group_names(config: &Config) -> Vec<&str> {
    config
        .groups
        .iter()
        .map(|(name, _)| name.as_str())
        .collect()
}
