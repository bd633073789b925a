//! The guilty: what belongs to the scope, in every disguise.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::part::Part;
use crate::stage::{SCRIPT, Stage, file};

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
pub(crate) fn crowd(stage: &Stage) -> Vec<(Group, Part)> {
    let kinds = [
        (2, Group::Python, scripts(stage)),
        (2, Group::Python, modules(stage)),
        (2, Group::Python, runners(stage)),
        (2, Group::Python, by_lineage(stage)),
        (2, Group::Monitor, monitors(stage)),
        (2, Group::Unreal, engines(stage)),
        (2, Group::Unreal, helpers(stage)),
    ];
    let mut all = Vec::new();
    for (times, group, parts) in kinds {
        let repeated = stage.repeat(times, &parts).into_iter();
        all.extend(repeated.map(|part| (group, part)));
    }
    all
}

/// One that has to be killed, where a command lets its grace be set.
pub(crate) fn deaf(stage: &Stage) -> (Group, Part) {
    let script = file(&stage.scope().join("deaf.py"), DEAF);
    let part = python(stage, DEAF_SCRIPT, &[&script]).with_sign(&stage.out("deaf"));
    (Group::Python, part)
}

/// A script that ends when it is asked to.
pub(crate) fn script(stage: &Stage) -> Part {
    python(stage, "python3 with a relative path", &["client.py"])
}

fn python(stage: &Stage, disguise: &'static str, arguments: &[&str]) -> Part {
    let argv: Vec<&str> = [&["python3"], arguments].concat();
    Part::new(disguise, &stage.python, &argv).at(&stage.scope())
}

fn tool(stage: &Stage, disguise: &'static str, argv: &[&str]) -> Part {
    Part::new(disguise, &stage.tool(argv[0]), argv)
}

fn scripts(stage: &Stage) -> Vec<Part> {
    let scope = stage.scope();
    let path = format!("{}/client.py", scope.display());
    let venv = scope.join(".venv/bin/python");
    link(&stage.python, &venv);
    let into = stage.out("into");
    link(&scope, &into);
    let through_link = format!("{}/client.py", into.display());
    let shebang = file(
        &scope.join("serve.py"),
        &format!("#!/usr/bin/env python3\n{SCRIPT}"),
    );
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&shebang, executable).unwrap();
    let versioned = stage.python.file_name().unwrap().to_string_lossy();
    vec![
        python(stage, "python3 with an absolute path", &[&path]).at(Path::new("/")),
        python(stage, "python3 with a relative path", &["client.py"]),
        python(stage, "python3 with a path through ..", &["../client.py"]).at(&scope.join("tools")),
        python(
            stage,
            "python3 with options first",
            &["-u", "-X", "dev", "-W", "ignore", "client.py"],
        ),
        python(
            stage,
            "script with spaces in its path",
            &["a folder/a script.py"],
        ),
        python(stage, "script reached through a link", &[&through_link]).at(Path::new("/")),
        Part::new("python3.N", &stage.python, &[&versioned, "client.py"]).at(&scope),
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
            &stage.python,
            &["clients", "client.py"],
        )
        .at(&scope),
        tool(stage, "py and pythonw", &["py", "-3", "client.py"]).at(&scope),
        tool(stage, "py and pythonw", &["pythonw", &path]),
        python(
            stage,
            "script in another session, at a terminal",
            &["client.py"],
        )
        .at_terminal(),
        python(
            stage,
            "script with an ordinary limit for real-time tasks",
            &["client.py"],
        )
        .limit(200_000),
        python(stage, "script with an empty environment", &["client.py"]).bare(),
        python(stage, STOPPED, &["client.py"]),
    ]
}

fn modules(stage: &Stage) -> Vec<Part> {
    vec![
        python(
            stage,
            "python3 -m with a package or a module",
            &["-m", "pkg"],
        ),
        python(
            stage,
            "python3 -m with a package or a module",
            &["-um", "pkg.server"],
        ),
        python(stage, "a package's folder", &["pkg"]),
    ]
}

fn runners(stage: &Stage) -> Vec<Part> {
    let disguise = "console script or module that runs the scope's tests";
    let pytest = file(&stage.out("venv/bin/pytest"), SCRIPT);
    let tests = format!("{}/test_consensus.py::one", stage.scope().display());
    vec![
        python(stage, disguise, &[&pytest, "-x", &tests]).at(Path::new("/")),
        tool(
            stage,
            disguise,
            &["python3", "-m", "pytest", "test_consensus.py"],
        )
        .at(&stage.scope()),
    ]
}

fn by_lineage(stage: &Stage) -> Vec<Part> {
    let disguise = "what a script has started, in other sessions and folders";
    let sleep = Path::new("/bin/sleep");
    let root = Path::new("/");
    let grandchild = Part::new(disguise, sleep, &["sleep", "85"])
        .at(root)
        .in_session();
    let shell = tool(stage, disguise, &["sh", "server"]).child(grandchild);
    vec![python(stage, "python3 with a relative path", &["client.py"]).child(shell)]
}

fn monitors(stage: &Stage) -> Vec<Part> {
    let disguise = "monitor that has become a daemon";
    let path = format!("{}/tools/watch_clients.py", stage.scope().display());
    vec![
        python(stage, disguise, &["monitor.py"]).in_session(),
        python(stage, disguise, &[&path])
            .at(Path::new("/"))
            .in_session(),
    ]
}

fn engines(stage: &Stage) -> Vec<Part> {
    let scope = stage.scope();
    let project = format!("{}/Game.uproject", scope.display());
    let given = format!("-project={project}");
    let call = |argv: &[&str]| {
        tool(
            stage,
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

fn helpers(stage: &Stage) -> Vec<Part> {
    let project = format!("{}/Game.uproject", stage.scope().display());
    let crash = format!("{}/Saved/Crashes/1", stage.scope().display());
    let worker = tool(
        stage,
        "Unreal helper below a game of the project",
        &["ShaderCompileWorker", "/tmp/work", "1"],
    );
    let game = stage.scope().join("Binaries/Linux/UnrealGame-Linux-Test");
    let game = stage.stand_in(&game);
    let switch = "Unreal editor of the project with a run's switch";
    vec![
        tool(stage, switch, &["UnrealEditor", &project, "-game"]).child(worker),
        Part::new(
            "game that lies in the project",
            &game,
            &["UnrealGame-Linux-Test"],
        ),
        tool(
            stage,
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
