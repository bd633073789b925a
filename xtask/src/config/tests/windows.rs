//! Paths of a file on Windows, in each way in which one can be written.

use std::fs;

use super::*;

#[test]
fn every_way_to_write_a_path_leads_where_windows_leads() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("my gäme")).unwrap();
    let folder = canonical(dir.path());
    let game = folder.join("my gäme");
    let text = game.to_str().unwrap();
    let (drive, from_drive) = text.split_at(2);
    assert!(drive.ends_with(':'), "{text}");
    for written in [
        "my gäme".to_owned(),
        r".\my gäme".to_owned(),
        "./x/../my gäme".to_owned(),
        "MY GÄME".to_owned(),
        from_drive.to_owned(),
        from_drive.replace('\\', "/"),
        text.to_owned(),
        text.replace('\\', "/"),
        format!(r"\\?\{text}"),
        format!("//?/{}", text.replace('\\', "/")),
    ] {
        let file = format!(
            "root = '{written}'\n[profile.x]\nprogram = 'x'\ncwd = '{written}'\nproject = '{written}/a.uproject'"
        );
        let config = file::parse(&file, &folder.join(FILE_NAME)).unwrap();
        assert_eq!(config.root, game, "{written}");
        let profile = config.profile("x").unwrap();
        let lower = |path: &Path| path.to_str().unwrap().to_lowercase();
        let game = lower(&game);
        assert_eq!(lower(profile.cwd.as_ref().unwrap()), game, "{written}");
        assert_eq!(
            lower(profile.project.as_ref().unwrap()),
            format!(r"{game}\a.uproject"),
            "{written}"
        );
    }
}

#[test]
fn a_share_is_a_place_of_its_own() {
    let text = "[profile.x]\nprogram = '//server/share/x.exe'\ncwd = '//server/share/a/../b'";
    let file = Path::new(r"C:\Game\xtask.toml");
    let profile = file::parse(text, file).unwrap().profiles["x"].clone();
    assert_eq!(profile.program.as_deref(), Some(r"\\server\share\x.exe"));
    assert_eq!(profile.cwd, Some(r"\\server\share\b".into()));
    let file = Path::new(r"\\server\share\Game\xtask.toml");
    let text = r"profile.x = { program = 'x', cwd = '\Tools', project = 'a.uproject' }";
    let profile = file::parse(text, file).unwrap().profiles["x"].clone();
    assert_eq!(profile.cwd, Some(r"\\server\share\Tools".into()));
    let project = r"\\server\share\Game\a.uproject";
    assert_eq!(profile.project, Some(project.into()));
}

#[test]
fn what_depends_on_a_drives_own_folder_is_refused() {
    let text = "root = 'C:x'\n[profile.x]\nprogram = 'C:x.exe'\ncwd = 'D:'\nproject = '\\\\server'";
    let said = messages(text);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    let start = "1:8: `root` depends on the current folder of drive C:";
    assert!(lines[0].starts_with(start), "{said}");
    assert!(lines.iter().all(|line| line.contains(r"write `")), "{said}");
}
