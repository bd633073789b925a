//! The innocents: processes that look guilty in every way, and are none of the scope's business.

mod strangers;

use std::os::unix::fs::symlink;

use crate::actor::Actor;
use crate::fixture::{Fixture, SCRIPT, file};
use crate::part::Part;

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
pub(crate) fn crowd(fixture: &Fixture) -> Vec<Part> {
    let kinds = [
        (3, tools(fixture)),
        (5, agents(fixture)),
        (4, namesakes(fixture)),
        (4, scripts_elsewhere(fixture)),
        (6, links_out(fixture)),
        (3, other_interpreters(fixture)),
        (3, without_script(fixture)),
        (4, language_servers(fixture)),
        (3, engines_elsewhere(fixture)),
        (4, daemons(fixture)),
        (2, own_editors(fixture)),
        (2, unsaved_files(fixture)),
        (3, only_here(fixture)),
        (4, sessions(fixture)),
        (4, limits(fixture)),
        (4, in_brackets(fixture)),
        (4, renamed(fixture)),
        (3, retitled(fixture)),
        (4, removed(fixture)),
        (3, zombies(fixture)),
        (3, debuggers(fixture)),
        (3, runners_elsewhere(fixture)),
    ];
    let mut all = Vec::new();
    for (times, parts) in kinds {
        all.extend(fixture.repeat(times, &parts));
    }
    // One at a time: each has a sign of its own.
    for (number, part) in all.iter_mut().enumerate() {
        if part.disguise == RETITLED {
            *part = part
                .clone()
                .with_sign(&fixture.out(&format!("sign-{number}")));
        }
    }
    all
}

fn tool(fixture: &Fixture, disguise: &'static str, argv: &[&str]) -> Part {
    Part::new(disguise, &fixture.tool(argv[0]), argv).at(&fixture.scope())
}

fn python(fixture: &Fixture, disguise: &'static str, arguments: &[&str]) -> Part {
    let argv: Vec<&str> = [&["python3"], arguments].concat();
    Part::new(disguise, &fixture.python, &argv)
}

fn tools(fixture: &Fixture) -> Vec<Part> {
    let monitor = format!("{}/monitor.py", fixture.scope().display());
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
    calls.map(|argv| tool(fixture, disguise, argv)).into()
}

fn agents(fixture: &Fixture) -> Vec<Part> {
    let disguise = "coding agent with pattern and path in its prompt";
    let scope = fixture.scope();
    let prompt = format!(
        "run `python3 {0}/client.py`, then pkill -f UnrealEditor {0}/Game.uproject -game",
        scope.display()
    );
    let agent = file(&fixture.out("agent/agent.py"), SCRIPT);
    vec![
        tool(fixture, disguise, &["agent", "-p", &prompt]),
        tool(
            fixture,
            disguise,
            &["node", "/opt/agent/cli.js", "--prompt", &prompt],
        ),
        python(fixture, disguise, &[&agent, "--message", &prompt]).at(&scope),
    ]
}

fn namesakes(fixture: &Fixture) -> Vec<Part> {
    let disguise = "program whose name only resembles one of a rule";
    vec![
        tool(fixture, disguise, &["pythonista", "client.py"]),
        tool(fixture, disguise, &["monitor.py", "client.py"]),
        tool(
            fixture,
            disguise,
            &["MyUnrealEditor", "Game.uproject", "-game"],
        ),
    ]
}

fn scripts_elsewhere(fixture: &Fixture) -> Vec<Part> {
    let disguise = "the same scripts in another project, or in a worktree below this one";
    let other = fixture.other();
    let sibling = fixture.scope().with_file_name("project-2");
    let beside = file(&sibling.join("client.py"), SCRIPT);
    let absolute = other.join("client.py");
    vec![
        python(fixture, disguise, &[absolute.to_str().unwrap()]).at(&fixture.scope()),
        python(fixture, disguise, &["monitor.py"]).at(&other),
        python(
            fixture,
            disguise,
            &["-u", "-X", "dev", "tools/watch_clients.py"],
        )
        .at(&other),
        python(fixture, disguise, &["-m", "pkg"]).at(&other),
        python(fixture, disguise, &[&beside]),
        python(fixture, disguise, &["client.py"]).at(&fixture.worktree()),
    ]
}

fn links_out(fixture: &Fixture) -> Vec<Part> {
    let link = fixture.scope().join("shared.py");
    if !link.exists() {
        symlink(fixture.other().join("client.py"), &link).unwrap();
    }
    vec![
        python(
            fixture,
            "link of the scope that leads out of it",
            &["shared.py"],
        )
        .at(&fixture.scope()),
    ]
}

fn other_interpreters(fixture: &Fixture) -> Vec<Part> {
    let disguise = "script of the scope with an interpreter that no rule names";
    let script = file(
        &fixture.scope().join("watch.sh"),
        "read line; exec sleep 85\n",
    );
    let shell = std::path::Path::new("/bin/sh");
    vec![
        Part::new(disguise, shell, &["sh", &script]).input("\n"),
        Part::new(disguise, shell, &["python-clients", "./watch.sh"]).at(&fixture.scope()),
        tool(fixture, disguise, &["node", "client.py"]),
        tool(fixture, disguise, &["perl", "monitor.py"]),
    ]
}

fn without_script(fixture: &Fixture) -> Vec<Part> {
    let disguise = "Python without a script";
    let scope = fixture.scope();
    let code = "import time; time.sleep(85) # client.py";
    vec![
        python(fixture, disguise, &["-c", code, "client.py"]).at(&scope),
        python(fixture, disguise, &["-uc", code, "monitor.py"]).at(&scope),
        python(fixture, disguise, &[]).input(SCRIPT).at(&scope),
        python(fixture, disguise, &["-", "client.py"])
            .input(SCRIPT)
            .at(&scope),
        python(
            fixture,
            disguise,
            &["-m", "http.server", "--bind", "127.0.0.1", "0"],
        )
        .at(&scope),
    ]
}

fn language_servers(fixture: &Fixture) -> Vec<Part> {
    let disguise = "language server or formatter, given files of the scope";
    let scope = fixture.scope();
    let script = format!("{}/client.py", scope.display());
    let packages = "lib/python3/site-packages/pylsp/__main__.py";
    let outside = file(&fixture.out("venv").join(packages), SCRIPT);
    let within = file(&scope.join(".venv").join(packages), SCRIPT);
    let formatter = file(&fixture.out("black.py"), SCRIPT);
    vec![
        python(fixture, disguise, &[&outside, "--check", &script]).at(&scope),
        python(fixture, disguise, &[&within, &script]).at(&scope),
        python(fixture, disguise, &[&formatter, &script, "client.py"]).at(&scope),
    ]
}

fn engines_elsewhere(fixture: &Fixture) -> Vec<Part> {
    let disguise = "Unreal editor, game or helper of another project";
    let other = format!("{}/Other.uproject", fixture.other().display());
    let crash = format!("{}/Saved/Crashes/1", fixture.other().display());
    let engine = |argv: &[&str]| tool(fixture, disguise, argv).at(&fixture.other());
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

fn daemons(fixture: &Fixture) -> Vec<Part> {
    let disguise = "shared daemon of Unreal";
    let scope = fixture.scope();
    let data = format!("--data-dir={}/Saved/zen", scope.display());
    vec![
        tool(fixture, disguise, &["zenserver", &data]),
        tool(fixture, disguise, &["UnrealTraceServer", "daemon"]),
    ]
}

fn own_editors(fixture: &Fixture) -> Vec<Part> {
    let disguise = "a person's own editor of the project, and what serves it";
    let project = format!("{}/Game.uproject", fixture.scope().display());
    let own = |argv: &[&str]| tool(fixture, disguise, argv);
    vec![
        own(&["UnrealEditor", &project])
            .child(own(&["ShaderCompileWorker", "/tmp/work", "1"]))
            .child(own(&["UnrealEditor", &project, "-game"]))
            .child(own(&["zenserver", "--owner-pid", "1"])),
        own(&["UnrealEditor", "Game.uproject", "-log", "-windowed"]),
    ]
}

fn unsaved_files(fixture: &Fixture) -> Vec<Part> {
    let disguise = "editor with the project in the path of an unsaved file";
    let scope = fixture.scope();
    let unsaved = format!("{}/Game.uproject.autosave", scope.display());
    let backup = format!("-backup={}/Saved/Game.uproject", scope.display());
    let other = format!("{}/Other.uproject", fixture.other().display());
    vec![
        tool(
            fixture,
            disguise,
            &["UnrealEditor", &other, &unsaved, "-game"],
        ),
        tool(
            fixture,
            disguise,
            &["UnrealEditor", &other, &backup, "-game"],
        ),
        tool(fixture, disguise, &["code", "--file", &unsaved]),
        tool(fixture, disguise, &["vim", "-r", ".client.py.swp"]),
    ]
}

fn only_here(fixture: &Fixture) -> Vec<Part> {
    let disguise = "process that has only its working directory in the scope";
    let scope = fixture.scope();
    let shell = std::path::Path::new("/bin/sh");
    vec![
        Part::new(disguise, shell, &["-sh"])
            .input("read -r line < /dev/null; sleep 85\n")
            .at(&scope),
        Part::new(disguise, shell, &["sh", "-c", "sleep 85; : client.py"]).at(&scope),
        tool(fixture, disguise, &["make", "client.py"]),
        tool(fixture, disguise, &["cargo", "run"]).at(&scope.join("tools")),
    ]
}

fn sessions(fixture: &Fixture) -> Vec<Part> {
    let disguise = "in another session, or at another terminal";
    vec![
        python(fixture, disguise, &["monitor.py"])
            .at(&fixture.other())
            .in_session(),
        python(fixture, disguise, &["client.py"])
            .at(&fixture.other())
            .at_terminal(),
    ]
}

fn limits(fixture: &Fixture) -> Vec<Part> {
    let disguise = "with an ordinary limit for real-time tasks";
    vec![
        python(fixture, disguise, &["client.py"])
            .at(&fixture.other())
            .limit(200_000),
        tool(fixture, disguise, &["pipewire", "client.py"]).limit(1 << 60),
    ]
}

fn in_brackets(fixture: &Fixture) -> Vec<Part> {
    let disguise = "called like a thread of the kernel";
    let program = fixture.tool("agetty");
    vec![
        Part::new(disguise, &program, &["[kworker/0:1-python3 client.py]"]).at(&fixture.scope()),
        Part::new(
            disguise,
            &program,
            &["[UnrealEditor]", "--stand-in-name=[UnrealEditor]"],
        )
        .at(&fixture.scope()),
    ]
}

fn renamed(fixture: &Fixture) -> Vec<Part> {
    let disguise = "renamed with prctl to a name of a rule";
    vec![
        tool(
            fixture,
            disguise,
            &["cupsd", "--stand-in-name=python3", "client.py"],
        ),
        tool(
            fixture,
            disguise,
            &["sshd", "--stand-in-name=UnrealEditor", "-game"],
        ),
    ]
}

const RETITLED: &str = "has overwritten its arguments";

fn retitled(fixture: &Fixture) -> Vec<Part> {
    let scope = fixture.scope();
    let script = file(&fixture.out("service/retitle.py"), RETITLE);
    let project = format!("UnrealEditor {}/Game.uproject -game", scope.display());
    // Room for the title.
    let room = "-".repeat(200);
    let titled = |title: &str| {
        python(fixture, RETITLED, &[&script, title, &room])
            .at(&scope)
            .doing()
    };
    vec![titled("python3 client.py"), titled(&project)]
}

fn removed(fixture: &Fixture) -> Vec<Part> {
    let disguise = "relative script, and a working directory that was removed";
    let gone = fixture.scope().join("gone");
    let tool = |name: &str| Part::new(disguise, &fixture.tool(name), &[name, "client.py"]);
    vec![tool("python3").in_removed(&gone)]
}

fn zombies(fixture: &Fixture) -> Vec<Part> {
    let disguise = "zombie, and the parent that does not collect it";
    let life = "--stand-in-life=0";
    let brief = |name: &str| tool(fixture, disguise, &[name, life, "client.py"]).zombie();
    vec![
        tool(fixture, disguise, &["dbus-daemon"])
            .child(brief("python3"))
            .child(brief("UnrealEditor")),
    ]
}

fn debuggers(fixture: &Fixture) -> Vec<Part> {
    let disguise = "debugger, and what it is attached to";
    let script = file(&fixture.scope().join(".tools/debug.py"), DEBUGGER);
    let part = python(fixture, disguise, &[&script, "client.py"])
        .at(&fixture.scope())
        .doing();
    vec![part.child(tool(fixture, disguise, &["client", "client.py"]))]
}

fn runners_elsewhere(fixture: &Fixture) -> Vec<Part> {
    let disguise = "test runner at work in another project";
    let tests = format!("{}/test_consensus.py", fixture.other().display());
    let runner = file(&fixture.out("venv/bin/pytest"), SCRIPT);
    vec![
        python(fixture, disguise, &[&runner, &tests]).at(&fixture.scope()),
        tool(fixture, disguise, &["uv", "run", "client.py"]).at(&fixture.other()),
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
