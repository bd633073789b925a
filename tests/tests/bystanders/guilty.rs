//! The guilty: what belongs to the scope, in every disguise.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::fixture::{Fixture, SCRIPT, file};
use crate::part::Part;

/// By what the guilty are found, and so by which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Python,
    Monitor,
    Unreal,
    /// Left of a run whose launcher and guardian were killed.
    Left,
    /// Of a detached run that goes on.
    Detached,
}

/// Says that it is up, and then takes no notice of SIGTERM.
const DEAF: &str = "import os, signal, time\n\
    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
    open(os.environ['SIGN'], 'w')\n\
    time.sleep(85)\n";

pub(crate) const DEAF_SCRIPT: &str = "script that takes no notice of SIGTERM";
pub(crate) const STOPPED: &str = "script that was stopped";

/// Every process that is found by a rule, with the group whose rule that is.
pub(crate) fn crowd(fixture: &Fixture) -> Vec<(Group, Part)> {
    let kinds = [
        (2, Group::Python, scripts(fixture)),
        (2, Group::Python, modules(fixture)),
        (2, Group::Python, runners(fixture)),
        (2, Group::Python, by_lineage(fixture)),
        (2, Group::Monitor, monitors(fixture)),
        (2, Group::Unreal, engines(fixture)),
        (2, Group::Unreal, helpers(fixture)),
    ];
    let mut all = Vec::new();
    for (times, group, parts) in kinds {
        let repeated = fixture.repeat(times, &parts).into_iter();
        all.extend(repeated.map(|part| (group, part)));
    }
    all
}

/// One that has to be killed, where a command lets its grace be set.
pub(crate) fn deaf(fixture: &Fixture) -> (Group, Part) {
    let script = file(&fixture.scope().join("deaf.py"), DEAF);
    let part = python(fixture, DEAF_SCRIPT, &[&script]).with_sign(&fixture.out("deaf"));
    (Group::Python, part)
}

/// A script that ends when it is asked to.
pub(crate) fn script(fixture: &Fixture) -> Part {
    python(fixture, "python3 with a relative path", &["client.py"])
}

fn python(fixture: &Fixture, disguise: &'static str, arguments: &[&str]) -> Part {
    let argv: Vec<&str> = [&["python3"], arguments].concat();
    Part::new(disguise, &fixture.python, &argv).at(&fixture.scope())
}

fn tool(fixture: &Fixture, disguise: &'static str, argv: &[&str]) -> Part {
    Part::new(disguise, &fixture.tool(argv[0]), argv)
}

fn scripts(fixture: &Fixture) -> Vec<Part> {
    let scope = fixture.scope();
    let path = format!("{}/client.py", scope.display());
    let venv = scope.join(".venv/bin/python");
    link(&fixture.python, &venv);
    let into = fixture.out("into");
    link(&scope, &into);
    let through_link = format!("{}/client.py", into.display());
    let shebang = file(
        &scope.join("serve.py"),
        &format!("#!/usr/bin/env python3\n{SCRIPT}"),
    );
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&shebang, executable).unwrap();
    let versioned = fixture.python.file_name().unwrap().to_string_lossy();
    vec![
        python(fixture, "python3 with an absolute path", &[&path]).at(Path::new("/")),
        python(fixture, "python3 with a relative path", &["client.py"]),
        python(fixture, "python3 with a path through ..", &["../client.py"])
            .at(&scope.join("tools")),
        python(
            fixture,
            "python3 with options first",
            &["-u", "-X", "dev", "-W", "ignore", "client.py"],
        ),
        python(
            fixture,
            "script with spaces in its path",
            &["a folder/a script.py"],
        ),
        python(fixture, "script reached through a link", &[&through_link]).at(Path::new("/")),
        Part::new("python3.N", &fixture.python, &[&versioned, "client.py"]).at(&scope),
        Part::new(
            "a virtual environment's python",
            &venv,
            &[".venv/bin/python", &path],
        )
        .at(&scope),
        Part::new(
            "env python3",
            Path::new("/usr/bin/env"),
            &["env", "python3", "client.py"],
        )
        .at(&scope),
        Part::new(
            "script with #!",
            Path::new(&shebang),
            &["./serve.py", "--port", "1"],
        )
        .at(&scope),
        Part::new(
            "python3 called otherwise",
            &fixture.python,
            &["clients", "client.py"],
        )
        .at(&scope),
        tool(fixture, "py and pythonw", &["py", "-3", "client.py"]).at(&scope),
        tool(fixture, "py and pythonw", &["pythonw", &path]),
        python(
            fixture,
            "script in another session, at a terminal",
            &["client.py"],
        )
        .at_terminal(),
        python(
            fixture,
            "script with an ordinary limit for real-time tasks",
            &["client.py"],
        )
        .limit(200_000),
        python(fixture, "script with an empty environment", &["client.py"]).bare(),
        python(fixture, STOPPED, &["client.py"]),
    ]
}

fn modules(fixture: &Fixture) -> Vec<Part> {
    vec![
        python(
            fixture,
            "python3 -m with a package or a module",
            &["-m", "pkg"],
        ),
        python(
            fixture,
            "python3 -m with a package or a module",
            &["-um", "pkg.server"],
        ),
        python(fixture, "a package's folder", &["pkg"]),
    ]
}

fn runners(fixture: &Fixture) -> Vec<Part> {
    let disguise = "console script or module that runs the scope's tests";
    let pytest = file(&fixture.out("venv/bin/pytest"), SCRIPT);
    let tests = format!("{}/test_consensus.py::one", fixture.scope().display());
    vec![
        python(fixture, disguise, &[&pytest, "-x", &tests]).at(Path::new("/")),
        tool(
            fixture,
            disguise,
            &["python3", "-m", "pytest", "test_consensus.py"],
        )
        .at(&fixture.scope()),
    ]
}

fn by_lineage(fixture: &Fixture) -> Vec<Part> {
    let disguise = "what a script has started, in other sessions and folders";
    let sleep = Path::new("/bin/sleep");
    let root = Path::new("/");
    let grandchild = Part::new(disguise, sleep, &["sleep", "85"])
        .at(root)
        .in_session();
    let shell = tool(fixture, disguise, &["sh", "server"]).child(grandchild);
    vec![python(fixture, "python3 with a relative path", &["client.py"]).child(shell)]
}

fn monitors(fixture: &Fixture) -> Vec<Part> {
    let disguise = "monitor that has become a daemon";
    let path = format!("{}/tools/watch_clients.py", fixture.scope().display());
    vec![
        python(fixture, disguise, &["monitor.py"]).in_session(),
        python(fixture, disguise, &[&path])
            .at(Path::new("/"))
            .in_session(),
    ]
}

fn engines(fixture: &Fixture) -> Vec<Part> {
    let scope = fixture.scope();
    let project = format!("{}/Game.uproject", scope.display());
    let given = format!("-project={project}");
    let call = |argv: &[&str]| {
        tool(
            fixture,
            "Unreal editor of the project with a run's switch",
            argv,
        )
    };
    vec![
        call(&["UnrealEditor", &project, "-game", "-HTTPPort=8080"]),
        call(&["UnrealEditor", "Game.uproject", "-server", "-log"]).at(&scope),
        call(&["UnrealEditor", &project, "-unattended"]),
        call(&["UnrealEditor-Cmd", &given, "-run=Cook"]),
        call(&[
            "UnrealEditor",
            &project,
            "-ExecCmds=Automation RunTests All",
        ]),
        call(&["UnrealEditor.exe", &project, "-NullRHI"]).in_session(),
    ]
}

fn helpers(fixture: &Fixture) -> Vec<Part> {
    let project = format!("{}/Game.uproject", fixture.scope().display());
    let crash = format!("{}/Saved/Crashes/1", fixture.scope().display());
    let worker = tool(
        fixture,
        "Unreal helper below a game of the project",
        &["ShaderCompileWorker", "/tmp/work", "1"],
    );
    let game = fixture.scope().join("Binaries/Linux/UnrealGame-Linux-Test");
    let game = fixture.stand_in(&game);
    let switch = "Unreal editor of the project with a run's switch";
    vec![
        tool(fixture, switch, &["UnrealEditor", &project, "-game"]).child(worker),
        Part::new(
            "game that lies in the project",
            &game,
            &["UnrealGame-Linux-Test"],
        ),
        tool(
            fixture,
            "crash reporter of the project",
            &["CrashReportClient", &crash],
        ),
    ]
}

fn link(target: &Path, link: &Path) {
    if link.symlink_metadata().is_err() {
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
}
