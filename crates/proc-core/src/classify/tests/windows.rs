//! Processes on Windows, where a path has many spellings.

use super::*;

const SCRIPT: &str = "belongs to group monitor: runs a script of this scope";
const ELSEWHERE: &str = "belongs to group monitor: by name alone, elsewhere";
const NOTHING: &str = "the interpreter runs no script of this scope";
const PROJECT: &str = "belongs to group unreal: works on a project of this scope";

/// What is said of a process in a scope with this root, in which these files exist.
fn says(root: &str, directory: &str, executable: &str, command: &str, files: &[&str]) -> String {
    // Windows takes `..` by the text.
    let resolve = |path: &Path| {
        let mut parts = Vec::new();
        for part in path.to_str()?.split(['/', '\\']) {
            if part == ".." {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
        let path = parts.join("\\");
        let path = path.trim_start_matches(r"\\?\");
        let is_it = |file: &&&str| file.chars().map(upper).eq(path.chars().map(upper));
        files.iter().find(is_it).map(PathBuf::from)
    };
    let spec = BoundsSpec {
        root: root.into(),
        projects: vec![format!(r"{root}\My.uproject").into()],
        marks: vec!["xtask.toml".to_owned()],
        ..BoundsSpec::default()
    };
    let bounds = Bounds::new(&spec, &resolve).unwrap();
    let rules = rules();
    let seven = within(directory, process(7, 1, executable, command));
    let caller = process(CALLER, 1, r"C:\xtask.exe", "xtask");
    let table = Table::of([seven, caller].map(Process::from));
    let inputs = Inputs {
        caller: Caller::new(CALLER),
        bounds: &bounds,
        rules: &rules,
        runs: &[],
        all_users: false,
    };
    let classifier = Classifier::new(&table, inputs).unwrap();
    classifier.explain(7, &every_group()).unwrap().text
}

/// The letter as the disk compares it: no other one for what would be two.
fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

#[test]
fn a_script_is_found_in_whatever_way_its_path_is_written() {
    let drive = r"C:\Games\My";
    let share = r"\\Server\Share\My";
    let files = [
        r"C:\Games\My\Tools\watch.py",
        r"D:\Games\My\Tools\watch.py",
        r"\\Server\Share\My\Tools\watch.py",
        r"C:\Games\My\watch\__main__.py",
    ];
    for (root, directory, script, expected) in [
        (drive, r"C:\", r"c:/games/my/Tools/Watch.PY", SCRIPT),
        (
            drive,
            r"C:\",
            r"C:\GAMES\other\..\My\tools\watch.py",
            SCRIPT,
        ),
        (drive, r"C:\", r"\\?\C:\Games\My\Tools\watch.py", SCRIPT),
        (drive, r"c:\GAMES\my", r"Tools\watch.py", SCRIPT),
        (drive, r"c:\GAMES\my", "tools/watch.py", SCRIPT),
        // Of the drive on which the process works, and not of the caller's.
        (drive, r"C:\Windows", r"\games\my\tools\watch.py", SCRIPT),
        (drive, r"C:\Windows", "/games/my/tools/watch.py", SCRIPT),
        (drive, r"D:\Windows", "/games/my/tools/watch.py", ELSEWHERE),
        (drive, r"C:\", r"C:\Games\MyOther\watch.py", ELSEWHERE),
        (
            drive,
            r"C:\",
            r"\\server\share\my\tools\watch.py",
            ELSEWHERE,
        ),
        (share, r"C:\", r"\\SERVER\share\My\Tools\watch.py", SCRIPT),
        (share, r"C:\", "//server/share/my/tools/watch.py", SCRIPT),
        (
            share,
            r"C:\",
            r"\\?\UNC\server\share\my\tools\watch.py",
            SCRIPT,
        ),
        (share, r"\\server\share\my\x", r"..\Tools\watch.py", SCRIPT),
        (share, r"\\server\share\x", r"\my\Tools\watch.py", SCRIPT),
        (share, r"C:\", r"C:\Games\My\Tools\watch.py", ELSEWHERE),
    ] {
        let command = format!("python.exe {script}");
        let said = says(
            root,
            directory,
            r"C:\Python311\python.exe",
            &command,
            &files,
        );
        assert_eq!(said, expected, "{root} {directory} {script}");
    }
    // What is relative to another drive's own directory cannot be known from outside.
    let command = r"python.exe D:watch.py";
    let said = says(drive, drive, r"C:\Python311\python.exe", command, &files);
    assert!(!said.starts_with("belongs"), "{said}");
}

#[test]
fn a_folder_is_asked_about_whose_name_has_no_other_case_on_the_disk() {
    let root = r"C:\Games\My";
    let python = r"C:\Python311\python.exe";
    for folder in ["İ", "\u{212a}", "ẞ", "ΟΔΟΣ", "Plain"] {
        let files = [
            format!(r"C:\Games\My\{folder}\other\xtask.toml"),
            format!(r"C:\Games\My\{folder}\env\pyvenv.cfg"),
        ];
        let files = files.each_ref().map(String::as_str);
        for (script, expected) in [
            ("watch.py", SCRIPT),
            (r"other\watch.py", ELSEWHERE),
            (r"env\watch.py", NOTHING),
        ] {
            let command = format!(r"python.exe C:\Games\My\{folder}\{script}");
            let said = says(root, r"C:\", python, &command, &files);
            assert_eq!(said, expected, "{folder} {script}");
        }
    }
}

#[test]
fn a_program_that_is_only_called_like_a_loader_loads_nothing() {
    let command = r"winemerge.exe C:\UE\UnrealEditor.exe C:\Games\My\My.uproject -game";
    let said = says(r"C:\Games\My", r"D:\", r"D:\winemerge.exe", command, &[]);
    assert_eq!(said, "no rule matches it");
}

#[test]
fn an_editor_belongs_to_a_project_in_whatever_case() {
    let editor = r"D:\UE\UnrealEditor.exe";
    for (directory, command, expected) in [
        (
            r"c:\games\MY",
            "UnrealEditor.exe my.UPROJECT -game",
            PROJECT,
        ),
        (
            r"D:\",
            r"UnrealEditor.exe C:/GAMES/My/My.uproject -game",
            PROJECT,
        ),
        (
            r"D:\",
            r"UnrealEditor.exe C:/Games/Other/My.uproject -game",
            "belongs to group unreal: by name alone, elsewhere",
        ),
    ] {
        assert_eq!(
            says(r"C:\Games\My", directory, editor, command, &[]),
            expected
        );
    }
}

#[test]
fn a_game_lies_in_the_binaries_of_its_project_in_whatever_case() {
    let game = r"c:\games\my\BINARIES\Win64\My-Win64-Shipping.exe";
    let said = says(
        r"C:\Games\My",
        r"D:\",
        game,
        "My-Win64-Shipping.exe -game",
        &[],
    );
    assert!(said.starts_with("belongs to group unreal"), "{said}");
}
