//! Unreal programs, and a user's own.

use super::*;

const HERE: &str = "belongs to group unreal: works on a project of this scope";
const ELSEWHERE: &str = "belongs to group unreal: by name alone, elsewhere";
const OWN: &str = "belongs to group unreal: works on a project of this scope, a person's own editor (no switch of an automated run)";
const OWN_ELSEWHERE: &str = "belongs to group unreal: by name alone, elsewhere, a person's own editor (no switch of an automated run)";
const BINARIES: &str = "/opt/ue/Engine/Binaries/Linux";

fn unreal(name: &str, arguments: &str) -> World {
    World::unreal().with(program(7, 1, name, arguments))
}

fn program(pid: u32, parent: u32, name: &str, arguments: &str) -> Facts {
    let path = format!("{BINARIES}/{name}");
    process(pid, parent, &path, format!("{path} {arguments}").trim_end())
}

#[test]
fn guilty_in_every_disguise() {
    let mut wine = process(7, 1, "/usr/lib/wine/wine64-preloader", "");
    wine.arguments = Some(vec![
        r"C:\Program Files\Epic Games\UE\UnrealEditor.exe".to_owned(),
        r"Z:\home\me\game\My.uproject".to_owned(),
        "-game".to_owned(),
    ]);
    let loader = process(
        7,
        1,
        "/usr/lib/wine/wine64",
        "wine UnrealEditor.exe z:/home/me/game/my.UProject -game",
    );
    let mac = process(
        7,
        1,
        "/Users/Shared/Epic Games/UE/UnrealEditor.app/Contents/MacOS/UnrealEditor",
        "UnrealEditor /home/me/game/My.uproject -server",
    );
    let relative = within(ROOT, program(7, 1, "UnrealEditor", "My.uproject -game"));
    let mut linked = unreal("UnrealEditor", "/tmp/link/My.uproject -game");
    linked.links.insert("/tmp/link".into(), ROOT.into());
    let packaged = process(
        7,
        1,
        "/home/me/game/Binaries/Linux/UnrealEditor-Shipping",
        "x -game",
    );
    check([
        (
            "a game",
            unreal("UnrealEditor", "/home/me/game/My.uproject Map -game"),
            HERE,
        ),
        (
            "with .exe",
            unreal("UnrealEditor.exe", "/home/me/game/My.uproject -game"),
            HERE,
        ),
        (
            "in other letters",
            unreal("unrealeditor-CMD", "/home/me/game/My.uproject -RUN=Cook"),
            HERE,
        ),
        (
            "a debug build",
            unreal(
                "UnrealEditor-Win64-DebugGame",
                "/home/me/game/My.uproject -game",
            ),
            HERE,
        ),
        (
            "-project=",
            unreal("UnrealEditor", "-game -Project=/home/me/game/My.uproject"),
            HERE,
        ),
        ("a relative project", World::unreal().with(relative), HERE),
        ("a project through a link", linked, HERE),
        ("Wine", World::unreal().with(wine), HERE),
        ("Wine's loader", World::unreal().with(loader), HERE),
        ("a macOS bundle", World::unreal().with(mac), HERE),
        (
            "a program of the project",
            World::unreal().with(packaged),
            "belongs to group unreal: is a program of this scope",
        ),
        (
            "an orphaned crash reporter",
            unreal(
                "CrashReportClient",
                "/home/me/game/Saved/Crashes/UECC-1 -AppName=UE-My",
            ),
            HERE,
        ),
        (
            "a helper of a game",
            unreal("ShaderCompileWorker", "/tmp/work 0 in out").with(Facts {
                parent: 6,
                ..program(8, 6, "x", "")
            }),
            ELSEWHERE,
        ),
    ]);
    let helper = World::unreal()
        .with(program(
            6,
            1,
            "UnrealEditor",
            "/home/me/game/My.uproject -game",
        ))
        .with(program(7, 6, "ShaderCompileWorker", "/tmp/work 0 in out"));
    assert_eq!(
        helper.says(7),
        "belongs to group unreal: descends from a member"
    );
}

/// There may be other projects in a scope, whose editors are not its own either.
#[test]
fn a_helper_serves_the_project_whose_folder_it_is_given() {
    check([
        (
            "a crash reporter of a build",
            unreal(
                "CrashReportClient",
                "/home/me/game/Build/My/Saved/Crashes/1",
            ),
            HERE,
        ),
        (
            "a crash reporter of another project in the scope",
            unreal(
                "CrashReportClient",
                "/home/me/game/Samples/Lyra/Saved/Crashes/1",
            ),
            ELSEWHERE,
        ),
        (
            "a crash reporter of another copy of the project",
            unreal(
                "CrashReportClient",
                "/home/me/game/trees/My/Saved/Crashes/1",
            )
            .with_files(["/home/me/game/trees/My/My.uproject"]),
            ELSEWHERE,
        ),
    ]);
}

/// Such a game is called after its project, and not after the engine.
#[test]
fn a_game_that_was_built_from_the_project_is_told_by_name_and_place() {
    let game = |path: &str| World::unreal().with(process(7, 1, path, "x"));
    let of_the_scope = "belongs to group unreal: is a program of this scope";
    let none = "no rule matches it";
    check([
        (
            "a shipping build",
            game("/home/me/game/Binaries/Linux/My-Linux-Shipping"),
            of_the_scope,
        ),
        (
            "a staged server",
            game("/home/me/game/Saved/StagedBuilds/Linux/My/Binaries/Linux/MyServer-Linux-Test"),
            of_the_scope,
        ),
        (
            "a plain name",
            game("/home/me/game/Binaries/Linux/My"),
            of_the_scope,
        ),
        (
            "a tool that only begins like it",
            game("/home/me/game/Binaries/Linux/MyTool"),
            none,
        ),
        ("a tool elsewhere", game("/home/me/game/tools/My"), none),
        (
            "another project's",
            game("/home/me/other/Binaries/Linux/My-Linux-Shipping"),
            none,
        ),
        (
            "where no project is known",
            World::new().with(process(
                7,
                1,
                "/home/me/game/Binaries/Linux/My-Linux-Shipping",
                "x",
            )),
            none,
        ),
    ]);
}

#[test]
fn innocent_however_guilty_it_looks() {
    let other_helper = World::unreal()
        .with(program(
            6,
            1,
            "UnrealEditor",
            "/home/me/other/Other.uproject -game",
        ))
        .with(program(7, 6, "ShaderCompileWorker", "/tmp/work 0 in out"));
    let code = process(7, 1, "/usr/bin/code", "code /home/me/game/My.uproject");
    check([
        (
            "another project's editor",
            unreal("UnrealEditor", "/home/me/other/Other.uproject"),
            OWN_ELSEWHERE,
        ),
        (
            "another project's game",
            unreal("UnrealEditor", "/home/me/other/Other.uproject -game"),
            ELSEWHERE,
        ),
        (
            "the project in an unsaved file's path",
            unreal(
                "UnrealEditor",
                "/home/me/other/Other.uproject -game /home/me/game/My.uproject.autosave",
            ),
            ELSEWHERE,
        ),
        (
            "the project as a second argument",
            unreal(
                "UnrealEditor",
                "/home/me/other/Other.uproject -game /home/me/game/My.uproject",
            ),
            ELSEWHERE,
        ),
        (
            "the project in a command",
            unreal("UnrealEditor", "-ExecCmds=open:/home/me/game/My.uproject"),
            ELSEWHERE,
        ),
        (
            "a person's editor",
            unreal("UnrealEditor", "/home/me/game/My.uproject"),
            OWN,
        ),
        (
            "a person's editor with a log",
            unreal(
                "UnrealEditor",
                "/home/me/game/My.uproject -log -gameabc -runtests",
            ),
            OWN,
        ),
        (
            "the project browser",
            unreal("UnrealEditor", ""),
            OWN_ELSEWHERE,
        ),
        (
            "overwritten arguments",
            World::unreal().with(Facts {
                arguments: Some(Vec::new()),
                ..program(7, 1, "UnrealEditor", "")
            }),
            OWN_ELSEWHERE,
        ),
        ("another editor's helper", other_helper, ELSEWHERE),
        (
            "a shared daemon",
            unreal("zenserver", "--owner"),
            "spared by the rule of group unreal (zenserver*)",
        ),
        (
            "another shared daemon",
            unreal("UnrealTraceServer.exe", "fork"),
            "spared by the rule of group unreal (UnrealTraceServer*)",
        ),
        (
            "a code editor on the project",
            World::unreal().with(code),
            "no rule matches it",
        ),
    ]);
}

#[test]
fn without_a_project_only_runs_tell_what_is_ours() {
    let mut world = unreal("UnrealEditor", "/home/me/game/My.uproject -game");
    world.projects.clear();
    assert_eq!(world.says(7), ELSEWHERE);
    assert_eq!(world.targets(&every_group()), [0_u32; 0]);
    let machine = CleanRequest {
        machine: true,
        ..every_group()
    };
    assert_eq!(world.targets(&machine), [7]);
    let path = "/home/me/game/Engine/Binaries/UnrealEditor";
    let built_here = World::new().with(process(7, 1, path, "UnrealEditor -game"));
    assert_eq!(built_here.says(7), ELSEWHERE);
}

#[test]
fn another_project_is_foreign_wherever_its_editor_was_started() {
    let world = World::unreal()
        .with(program(
            5,
            1,
            "UnrealEditor",
            "/home/me/game/My.uproject -game",
        ))
        .with(program(
            6,
            5,
            "UnrealEditor",
            "/home/me/other/Other.uproject -game",
        ))
        .with(program(7, 6, "ShaderCompileWorker", "/tmp 0"));
    assert_eq!(world.says(6), ELSEWHERE);
    assert_eq!(world.says(7), ELSEWHERE);
}

#[test]
fn a_game_started_from_within_a_persons_editor_is_that_persons() {
    let world = World::unreal()
        .with(program(6, 1, "UnrealEditor", "/home/me/game/My.uproject"))
        .with(program(
            7,
            6,
            "UnrealEditor",
            "/home/me/game/My.uproject -game -PIEVIACONSOLE",
        ))
        .with(program(8, 6, "ShaderCompileWorker", "/tmp 0"));
    assert_eq!(world.says(7), OWN);
    assert_eq!(world.targets(&every_group()), [0_u32; 0]);
    let editors = CleanRequest {
        editors: true,
        ..every_group()
    };
    assert_eq!(world.targets(&editors), [6, 7, 8]);
}

#[test]
fn a_profiles_switches_tell_a_run_from_a_person() {
    let mut world = unreal("UnrealEditor", "/home/me/game/My.uproject -HTTPPort=8080");
    assert_eq!(world.says(7), OWN);
    world.rules = world.rules.with_switches(["-HTTPPort={port}", "{project}"]);
    assert_eq!(world.says(7), HERE);
}

#[test]
fn a_program_of_ones_own_is_told_by_its_place() {
    let server = |executable: &str, directory: &str| {
        World::new().with(within(directory, process(7, 1, executable, "my-server -v")))
    };
    let nested = |others: &[&str]| World {
        others: others.iter().map(PathBuf::from).collect(),
        ..server("/usr/bin/my-server", "/home/me/game/trees/b/x")
    };
    // What a full disk leaves of one, and what no text can say.
    let unusable = ["", "relative", "/home/me/game/\u{fffd}"];
    let others = ["/home/me/game/trees/b", "/home/me"];
    check([
        (
            "working in the scope",
            server("/usr/bin/my-server", "/home/me/game/x"),
            "belongs to group server: works in a directory of this scope",
        ),
        (
            "built in the scope",
            server("/home/me/game/target/my-server", "/"),
            "belongs to group server: is a program of this scope",
        ),
        (
            "elsewhere",
            server("/usr/bin/my-server", "/"),
            "belongs to group server: by name alone, elsewhere",
        ),
        (
            "in a worktree within the scope",
            nested(&others),
            "belongs to group server: by name alone, elsewhere",
        ),
        (
            "in such a worktree, beside scopes whose roots are no paths",
            nested(&[&unusable[..], &others].concat()),
            "belongs to group server: by name alone, elsewhere",
        ),
    ]);
}

#[test]
fn bounds_that_hold_everything_are_refused() {
    let resolve = |_: &Path| None;
    for root in ["/", r"C:\", "relative", "/a/.."] {
        let spec = BoundsSpec {
            root: root.into(),
            ..BoundsSpec::default()
        };
        assert!(Bounds::new(&spec, &resolve).is_err(), "{root}");
    }
}
