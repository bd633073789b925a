//! Which file and which root count.

use std::fs;

use super::*;

#[test]
fn without_a_file_the_defaults_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    let config = Config::load(None, dir.path()).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.root, canonical(dir.path()));
    assert_eq!(config.folder(), config.root);
    assert_eq!(config.launch, LaunchConfig::default());
    assert_eq!(config.program("demo").unwrap(), "demo-client");
    let names: Vec<&String> = config.profiles.keys().collect();
    assert_eq!(names, ["demo", "python-http", "unreal"]);
}

#[test]
fn an_empty_file_changes_nothing_but_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let written = dir.path().join(FILE_NAME);
    fs::write(&written, "").unwrap();
    let config = Config::load(None, &inner).unwrap();
    assert_eq!(config.file, Some(written));
    assert_eq!(config.folder(), dir.path());
    let defaults = builtin::config(dir.path());
    let file = None;
    assert_eq!(Config { file, ..config }, defaults);
}

#[test]
fn a_named_file_wins_and_its_folder_is_what_counts() {
    let dir = tempfile::tempdir().unwrap();
    let game = dir.path().join("game");
    fs::create_dir_all(dir.path().join("tools/own")).unwrap();
    fs::create_dir(&game).unwrap();
    fs::write(game.join(FILE_NAME), "wrong").unwrap();
    fs::write(game.join("Own.uproject"), "{}").unwrap();
    let text =
        "root = '../../game'\n[profile.x]\nprogram = 'x'\ncwd = 'sub'\nproject = 'a.uproject'";
    fs::write(dir.path().join("tools/own/ci.toml"), text).unwrap();
    let config = Config::load(Some(Path::new("../tools/own/ci.toml")), &game).unwrap();
    assert_eq!(config.root, canonical(&game));
    let profile = config.profile("x").unwrap();
    assert_eq!(profile.cwd, Some(config.folder().join("sub")));
    assert_eq!(profile.project, Some(config.folder().join("a.uproject")));
    let project = config.profile("unreal").unwrap().project.as_ref().unwrap();
    assert_eq!(canonical(project), config.root.join("Own.uproject"));
}

#[test]
fn a_root_that_is_reached_another_way_is_the_same_scope() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join(FILE_NAME), "").unwrap();
    let direct = Config::load(None, &real).unwrap();
    let around = Config::load(Some(Path::new("../real/xtask.toml")), &real).unwrap();
    assert_eq!(direct.root, around.root);
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.toml");
    match Config::load(Some(&missing), dir.path()) {
        Err(ConfigError::Read { path, .. }) => assert_eq!(path, missing),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_root_that_does_not_exist_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let written = dir.path().join(FILE_NAME);
    let error = file::parse("root = 'missing'", &written).unwrap_err();
    let missing = dir.path().join("missing");
    let message = format!(
        "`root` names a folder that does not exist: {}",
        missing.display()
    );
    assert_eq!(error.mistakes[0].message, message);
}
