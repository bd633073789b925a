//! The innocents: processes that look guilty in every way, and are none of the scope's business.

mod strangers;

use std::os::unix::fs::symlink;

use crate::actor::Actor;
use crate::part::Part;
use crate::stage::{SCRIPT, Stage, file};

pub(crate) use strangers::{of_another_user, recycled, with_signs};

/// Sets what the kernel shows as its arguments, in the place where they lie.
const RETITLE: &str = "import ctypes, os, sys, time\n\
    title = sys.argv[1].encode()\n\
    fields = open('/proc/self/stat').read().rpartition(')')[2].split()\n\
    start, end = int(fields[45]), int(fields[46])\n\
    room = end - start\n\
    ctypes.memmove(start, title[:room - 1].ljust(room, b'\\0'), room)\n\
    open(os.environ['SIGN'], 'w')\n\
    time.sleep(85)\n";

/// Attaches to its child.
const DEBUGGER: &str = "import ctypes, os, time\n\
    own = os.getpid()\n\
    child = int(open(f'/proc/{own}/task/{own}/children').read().split()[0])\n\
    seize = 0x4206\n\
    ctypes.CDLL(None).ptrace(seize, child, None, None)\n\
    time.sleep(85)\n";

/// Every process that can be started at any time, and by any other.
pub(crate) fn crowd(stage: &Stage) -> Vec<Part> {
    let kinds = [
        (3, tools(stage)),
        (5, agents(stage)),
        (4, namesakes(stage)),
        (4, scripts_elsewhere(stage)),
        (6, links_out(stage)),
        (3, other_interpreters(stage)),
        (3, without_script(stage)),
        (4, language_servers(stage)),
        (3, engines_elsewhere(stage)),
        (4, daemons(stage)),
        (2, own_editors(stage)),
        (2, unsaved_files(stage)),
        (3, only_here(stage)),
        (4, sessions(stage)),
        (4, limits(stage)),
        (4, in_brackets(stage)),
        (4, renamed(stage)),
        (3, retitled(stage)),
        (4, removed(stage)),
        (3, zombies(stage)),
        (3, debuggers(stage)),
        (3, runners_elsewhere(stage)),
    ];
    let mut all = Vec::new();
    for (times, parts) in kinds {
        all.extend(stage.repeat(times, &parts));
    }
    // One at a time: each has a sign of its own.
    for (number, part) in all.iter_mut().enumerate() {
        if part.disguise == RETITLED {
            *part = part
                .clone()
                .with_sign(&stage.out(&format!("sign-{number}")));
        }
    }
    all
}

fn tool(stage: &Stage, disguise: &'static str, argv: &[&str]) -> Part {
    Part::new(disguise, &stage.tool(argv[0]), argv).at(&stage.scope())
}

fn python(stage: &Stage, disguise: &'static str, arguments: &[&str]) -> Part {
    let argv: Vec<&str> = [&["python3"], arguments].concat();
    Part::new(disguise, &stage.python, &argv)
}

fn tools(stage: &Stage) -> Vec<Part> {
    let monitor = format!("{}/monitor.py", stage.scope().display());
    let calls: [&[&str]; 9] = [
        &["vim", "client.py"],
        &["nano", "pkg/server.py"],
        &["less", "UnrealEditor.log"],
        &["tail", "-f", &monitor],
        &["grep", "-r", "UnrealEditor"],
        &["rg", "python3 client.py"],
        &["pgrep", "-f", "monitor.py"],
        &["code", "--wait", "monitor.py"],
        &["git", "log", "-p", "client.py"],
    ];
    let disguise = "editor, pager or search with a pattern among its arguments";
    calls.map(|argv| tool(stage, disguise, argv)).into()
}

fn agents(stage: &Stage) -> Vec<Part> {
    let disguise = "coding agent with pattern and path in its prompt";
    let scope = stage.scope();
    let prompt = format!(
        "run `python3 {0}/client.py`, then pkill -f UnrealEditor {0}/Game.uproject -game",
        scope.display()
    );
    let agent = file(&stage.out("agent/agent.py"), SCRIPT);
    vec![
        tool(stage, disguise, &["agent", "-p", &prompt]),
        tool(
            stage,
            disguise,
            &["node", "/opt/agent/cli.js", "--prompt", &prompt],
        ),
        python(stage, disguise, &[&agent, "--message", &prompt]).at(&scope),
    ]
}

fn namesakes(stage: &Stage) -> Vec<Part> {
    let disguise = "program whose name only resembles one of a rule";
    vec![
        tool(stage, disguise, &["pythonista", "client.py"]),
        tool(stage, disguise, &["monitor.py", "client.py"]),
        tool(
            stage,
            disguise,
            &["MyUnrealEditor", "Game.uproject", "-game"],
        ),
    ]
}

fn scripts_elsewhere(stage: &Stage) -> Vec<Part> {
    let disguise = "the same scripts in another project, or in a worktree below this one";
    let other = stage.other();
    let sibling = stage.scope().with_file_name("project-2");
    let beside = file(&sibling.join("client.py"), SCRIPT);
    let absolute = other.join("client.py");
    vec![
        python(stage, disguise, &[absolute.to_str().unwrap()]).at(&stage.scope()),
        python(stage, disguise, &["monitor.py"]).at(&other),
        python(
            stage,
            disguise,
            &["-u", "-X", "dev", "tools/watch_clients.py"],
        )
        .at(&other),
        python(stage, disguise, &["-m", "pkg"]).at(&other),
        python(stage, disguise, &[&beside]),
        python(stage, disguise, &["client.py"]).at(&stage.worktree()),
    ]
}

fn links_out(stage: &Stage) -> Vec<Part> {
    let link = stage.scope().join("shared.py");
    if !link.exists() {
        symlink(stage.other().join("client.py"), &link).unwrap();
    }
    vec![
        python(
            stage,
            "link of the scope that leads out of it",
            &["shared.py"],
        )
        .at(&stage.scope()),
    ]
}

fn other_interpreters(stage: &Stage) -> Vec<Part> {
    let disguise = "script of the scope with an interpreter that no rule names";
    let script = file(
        &stage.scope().join("watch.sh"),
        "read line; exec sleep 85\n",
    );
    let shell = std::path::Path::new("/bin/sh");
    vec![
        Part::new(disguise, shell, &["sh", &script]).input("\n"),
        Part::new(disguise, shell, &["python-clients", "./watch.sh"]).at(&stage.scope()),
        tool(stage, disguise, &["node", "client.py"]),
        tool(stage, disguise, &["perl", "monitor.py"]),
    ]
}

fn without_script(stage: &Stage) -> Vec<Part> {
    let disguise = "Python without a script";
    let scope = stage.scope();
    let code = "import time; time.sleep(85) # client.py";
    vec![
        python(stage, disguise, &["-c", code, "client.py"]).at(&scope),
        python(stage, disguise, &["-uc", code, "monitor.py"]).at(&scope),
        python(stage, disguise, &[]).input(SCRIPT).at(&scope),
        python(stage, disguise, &["-", "client.py"])
            .input(SCRIPT)
            .at(&scope),
        python(
            stage,
            disguise,
            &["-m", "http.server", "--bind", "127.0.0.1", "0"],
        )
        .at(&scope),
    ]
}

fn language_servers(stage: &Stage) -> Vec<Part> {
    let disguise = "language server or formatter, given files of the scope";
    let scope = stage.scope();
    let script = format!("{}/client.py", scope.display());
    let packages = "lib/python3/site-packages/pylsp/__main__.py";
    let outside = file(&stage.out("venv").join(packages), SCRIPT);
    let within = file(&scope.join(".venv").join(packages), SCRIPT);
    let formatter = file(&stage.out("black.py"), SCRIPT);
    vec![
        python(stage, disguise, &[&outside, "--check", &script]).at(&scope),
        python(stage, disguise, &[&within, &script]).at(&scope),
        python(stage, disguise, &[&formatter, &script, "client.py"]).at(&scope),
    ]
}

fn engines_elsewhere(stage: &Stage) -> Vec<Part> {
    let disguise = "Unreal editor, game or helper of another project";
    let other = format!("{}/Other.uproject", stage.other().display());
    let crash = format!("{}/Saved/Crashes/1", stage.other().display());
    let engine = |argv: &[&str]| tool(stage, disguise, argv).at(&stage.other());
    vec![
        engine(&["UnrealEditor", &other, "-game", "-HTTPPort=8080"]).child(engine(&[
            "ShaderCompileWorker",
            "/tmp/work",
            "1",
        ])),
        engine(&["UnrealEditor", "Other.uproject", "-server"]),
        engine(&["UnrealEditor-Cmd", &other, "-run=Cook", "-unattended"]),
        engine(&["CrashReportClient", &crash]),
        engine(&["UnrealEditor", "-game"]),
    ]
}

fn daemons(stage: &Stage) -> Vec<Part> {
    let disguise = "shared daemon of Unreal";
    let scope = stage.scope();
    let data = format!("--data-dir={}/Saved/zen", scope.display());
    vec![
        tool(stage, disguise, &["zenserver", &data]),
        tool(stage, disguise, &["UnrealTraceServer", "daemon"]),
    ]
}

fn own_editors(stage: &Stage) -> Vec<Part> {
    let disguise = "a person's own editor of the project, and what serves it";
    let project = format!("{}/Game.uproject", stage.scope().display());
    let own = |argv: &[&str]| tool(stage, disguise, argv);
    vec![
        own(&["UnrealEditor", &project])
            .child(own(&["ShaderCompileWorker", "/tmp/work", "1"]))
            .child(own(&["UnrealEditor", &project, "-game"]))
            .child(own(&["zenserver", "--owner-pid", "1"])),
        own(&["UnrealEditor", "Game.uproject", "-log", "-windowed"]),
    ]
}

fn unsaved_files(stage: &Stage) -> Vec<Part> {
    let disguise = "editor with the project in the path of an unsaved file";
    let scope = stage.scope();
    let unsaved = format!("{}/Game.uproject.autosave", scope.display());
    let backup = format!("-backup={}/Saved/Game.uproject", scope.display());
    let other = format!("{}/Other.uproject", stage.other().display());
    vec![
        tool(
            stage,
            disguise,
            &["UnrealEditor", &other, &unsaved, "-game"],
        ),
        tool(stage, disguise, &["UnrealEditor", &other, &backup, "-game"]),
        tool(stage, disguise, &["code", "--file", &unsaved]),
        tool(stage, disguise, &["vim", "-r", ".client.py.swp"]),
    ]
}

fn only_here(stage: &Stage) -> Vec<Part> {
    let disguise = "process that has only its working directory in the scope";
    let scope = stage.scope();
    let shell = std::path::Path::new("/bin/sh");
    vec![
        Part::new(disguise, shell, &["-sh"])
            .input("read -r line < /dev/null; sleep 85\n")
            .at(&scope),
        Part::new(disguise, shell, &["sh", "-c", "sleep 85; : client.py"]).at(&scope),
        tool(stage, disguise, &["make", "client.py"]),
        tool(stage, disguise, &["cargo", "run"]).at(&scope.join("tools")),
    ]
}

fn sessions(stage: &Stage) -> Vec<Part> {
    let disguise = "in another session, or at another terminal";
    vec![
        python(stage, disguise, &["monitor.py"])
            .at(&stage.other())
            .in_session(),
        python(stage, disguise, &["client.py"])
            .at(&stage.other())
            .at_terminal(),
    ]
}

fn limits(stage: &Stage) -> Vec<Part> {
    let disguise = "with an ordinary limit for real-time tasks";
    vec![
        python(stage, disguise, &["client.py"])
            .at(&stage.other())
            .limit(200_000),
        tool(stage, disguise, &["pipewire", "client.py"]).limit(1 << 60),
    ]
}

fn in_brackets(stage: &Stage) -> Vec<Part> {
    let disguise = "called like a thread of the kernel";
    let program = stage.tool("agetty");
    vec![
        Part::new(disguise, &program, &["[kworker/0:1-python3 client.py]"]).at(&stage.scope()),
        Part::new(
            disguise,
            &program,
            &["[UnrealEditor]", "--stand-in-name=[UnrealEditor]"],
        )
        .at(&stage.scope()),
    ]
}

fn renamed(stage: &Stage) -> Vec<Part> {
    let disguise = "renamed with prctl to a name of a rule";
    vec![
        tool(
            stage,
            disguise,
            &["cupsd", "--stand-in-name=python3", "client.py"],
        ),
        tool(
            stage,
            disguise,
            &["sshd", "--stand-in-name=UnrealEditor", "-game"],
        ),
    ]
}

const RETITLED: &str = "has overwritten its arguments";

fn retitled(stage: &Stage) -> Vec<Part> {
    let scope = stage.scope();
    let script = file(&stage.out("service/retitle.py"), RETITLE);
    let project = format!("UnrealEditor {}/Game.uproject -game", scope.display());
    // Room for the title.
    let room = "-".repeat(200);
    let titled = |title: &str| {
        python(stage, RETITLED, &[&script, title, &room])
            .at(&scope)
            .doing()
    };
    vec![titled("python3 client.py"), titled(&project)]
}

fn removed(stage: &Stage) -> Vec<Part> {
    let disguise = "relative script, and a working directory that was removed";
    let gone = stage.scope().join("gone");
    let tool = |name: &str| Part::new(disguise, &stage.tool(name), &[name, "client.py"]);
    vec![tool("python3").in_removed(&gone)]
}

fn zombies(stage: &Stage) -> Vec<Part> {
    let disguise = "zombie, and the parent that does not collect it";
    let life = "--stand-in-life=0";
    let brief = |name: &str| tool(stage, disguise, &[name, life, "client.py"]).zombie();
    vec![
        tool(stage, disguise, &["dbus-daemon"])
            .child(brief("python3"))
            .child(brief("UnrealEditor")),
    ]
}

fn debuggers(stage: &Stage) -> Vec<Part> {
    let disguise = "debugger, and what it is attached to";
    let script = file(&stage.scope().join(".tools/debug.py"), DEBUGGER);
    let part = python(stage, disguise, &[&script, "client.py"])
        .at(&stage.scope())
        .doing();
    vec![part.child(tool(stage, disguise, &["client", "client.py"]))]
}

fn runners_elsewhere(stage: &Stage) -> Vec<Part> {
    let disguise = "test runner at work in another project";
    let tests = format!("{}/test_consensus.py", stage.other().display());
    let runner = file(&stage.out("venv/bin/pytest"), SCRIPT);
    vec![
        python(stage, disguise, &[&runner, &tests]).at(&stage.scope()),
        tool(stage, disguise, &["uv", "run", "client.py"]).at(&stage.other()),
    ]
}

/// Whether a command for the whole machine means this one too, where a rule matches it by name.
pub(crate) fn is_of_the_machine(actor: &Actor) -> bool {
    const MEANT: [&str; 9] = [
        "test runner at work in another project",
        "the same scripts in another project, or in a worktree below this one",
        "link of the scope that leads out of it",
        "Unreal editor, game or helper of another project",
        "editor with the project in the path of an unsaved file",
        "in another session, or at another terminal",
        "with an ordinary limit for real-time tasks",
        "language server or formatter, given files of the scope",
        "coding agent with pattern and path in its prompt",
    ];
    MEANT.contains(&actor.disguise)
}
