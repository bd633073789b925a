//! Whole files: what they come to, and what is said about their mistakes.

use std::time::Duration;

use proc_core::readiness::Ready;

use super::*;

mod groups;
mod launching;
mod loading;
mod mistakes;
mod profiles;
#[cfg(windows)]
mod windows;

/// Reads a text as the file `xtask.toml` of a folder that holds nothing else.
fn parse(text: &str) -> Result<Config, Invalid> {
    file::parse(text, Path::new("xtask.toml"))
}

/// The whole report about a text that must be wrong.
fn report(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// The messages alone, for rules whose place another test checks.
fn messages(text: &str) -> String {
    let mistakes = parse(text).unwrap_err().mistakes;
    let messages: Vec<String> = mistakes
        .into_iter()
        .map(|mistake| format!("{}:{}: {}", mistake.line, mistake.column, mistake.message))
        .collect();
    messages.join("\n")
}

#[test]
fn an_unknown_profile_or_group_suggests_the_nearest() {
    let config = parse("").unwrap();
    insta::assert_snapshot!(config.profile("unrael").unwrap_err(), @"unknown profile `unrael`, did you mean `unreal`?");
    insta::assert_snapshot!(config.profile("godot").unwrap_err(), @"unknown profile `godot`, known here: `demo`, `python-http`, `unreal`");
    insta::assert_snapshot!(config.group("pyhton").unwrap_err(), @"unknown group `pyhton`, did you mean `python`?");
    assert_eq!(config.group("python").unwrap().limit, Some(2));
}

#[test]
fn the_unreal_profile_says_how_to_get_a_program() {
    let config = parse("").unwrap();
    insta::assert_snapshot!(config.program("unreal").unwrap_err(), @"profile `unreal` has no program; run `cargo xtask init`, which looks for it, or set `program` under [profile.unreal] in xtask.toml");
}

#[test]
fn a_complete_file_for_unreal_is_understood() {
    let config = parse(include_str!("tests/unreal.toml")).unwrap();
    assert_eq!(config.launch.stagger, Duration::from_secs(5));
    let [role] = &config.launch.plan()[..] else {
        panic!("{:?}", config.launch);
    };
    assert_eq!((role.clients, &role.ports), (3, &Ports::Base(8080)));
    let profile = config.profile(&role.profile).unwrap();
    let values = Values {
        port: 8081,
        number: 2,
        role: &role.name,
        project: profile.project.as_deref(),
        run_dir: Path::new("run"),
    };
    let args: Vec<String> = profile
        .args
        .iter()
        .map(|arg| expand(arg, &values).unwrap())
        .collect();
    assert!(args[0].ends_with("MyGame.uproject"), "{args:?}");
    assert_eq!(args[1], "Map?game=/Script/MyGame.AutomationGameMode");
    assert_eq!(args[6], "-HTTPPort=8081");
    assert_eq!(profile.ready, Ready::default());
    let groups: Vec<&str> = config
        .groups
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(groups, ["unreal", "monitor", "python"]);
    for (name, group) in builtin::groups() {
        let mut written = config.group(&name).unwrap().clone();
        if name == "unreal" {
            written.name.clone_from(&group.name);
        }
        assert_eq!(written, group, "{name}");
    }
}
