//! Interpreters: what they run decides, not that they are interpreters.

use super::*;

const HERE: &str = "belongs to group python: runs a script of this scope";
const ELSEWHERE: &str = "belongs to group python: by name alone, elsewhere";
const NO_SCRIPT: &str = "the interpreter runs no script of this scope";
const NO_RULE: &str = "no rule matches it";

/// PID 7, a Python with these arguments, in the scope's root.
fn python(command: &str) -> World {
    World::new().with(within(ROOT, process(7, 1, "/usr/bin/python3.11", command)))
}

/// The same, in another directory.
fn python_in(directory: &str, command: &str) -> World {
    World::new().with(within(
        directory,
        process(7, 1, "/usr/bin/python3.11", command),
    ))
}

#[test]
fn guilty_in_every_disguise() {
    let venv = within(
        ROOT,
        process(7, 1, "/usr/bin/python3.11", ".venv/bin/python loop.py"),
    );
    let wrapped = within(
        ROOT,
        process(7, 1, "/nix/store/x/.python-wrapped", "python loop.py"),
    );
    let windows = process(
        7,
        1,
        "/opt/python/python.exe",
        "python.exe /home/me/game/loop.py",
    );
    let py = within(ROOT, process(7, 1, "/opt/py.exe", "py.exe -3.11 loop.py"));
    let mac = "/Library/Frameworks/Python.framework/Versions/3.11/Resources/Python.app/Contents/MacOS/Python";
    let mac = within(ROOT, process(7, 1, mac, "python3 loop.py"));
    let replaced = within(ROOT, process(7, 1, "/usr/bin/python3.11", "worker loop.py"));
    let mut linked = python("python /tmp/link/loop.py");
    linked.links.insert("/tmp/link".into(), ROOT.into());
    check([
        (
            "absolute",
            python_in("/", "python3 /home/me/game/loop.py"),
            HERE,
        ),
        ("relative", python("python loop.py"), HERE),
        (
            "relative from a subfolder",
            python_in("/home/me/game/tools", "python ../loop.py"),
            HERE,
        ),
        (
            "with options",
            python("python -u -X dev -W ignore loop.py"),
            HERE,
        ),
        (
            "with options together",
            python("python -uXdev loop.py"),
            HERE,
        ),
        ("through a venv's link", World::new().with(venv), HERE),
        (
            "known only by how it was called",
            World::new().with(wrapped),
            HERE,
        ),
        ("with .exe", World::new().with(windows), HERE),
        ("the Windows launcher", World::new().with(py), HERE),
        ("a macOS bundle", World::new().with(mac), HERE),
        ("called by another name", World::new().with(replaced), HERE),
        ("through a link to the scope", linked, HERE),
        ("a module", python("python -m tools.pkg"), HERE),
        ("a module in a file", python("python -m tests.test_a"), HERE),
        ("a folder", python("python tools/pkg"), HERE),
        (
            "a deleted script, absolute",
            python("python /home/me/game/gone.py"),
            HERE,
        ),
        (
            "a test runner",
            python("python /home/me/game/.venv/bin/pytest"),
            HERE,
        ),
        (
            "a test runner given a test",
            python_in(
                "/",
                "python /usr/bin/pytest -k x /home/me/game/tests/test_a.py::test_x",
            ),
            HERE,
        ),
        (
            "a test runner as a module",
            python("python -m pytest -x tests"),
            HERE,
        ),
        ("unittest", python("python -m unittest tests.test_a"), HERE),
        (
            "coverage",
            python("python -m coverage run --branch loop.py"),
            HERE,
        ),
        (
            "a profiler",
            python("python -m cProfile -o out loop.py"),
            HERE,
        ),
    ]);
}

#[test]
fn the_first_group_that_matches_has_it() {
    check([
        (
            "a monitor is a Python script too",
            python("python tools/monitor.py"),
            "belongs to group monitor: runs a script of this scope",
        ),
        (
            "another monitor",
            python("python /home/me/other/watch.py"),
            "belongs to group monitor: by name alone, elsewhere",
        ),
    ]);
}

#[test]
fn a_program_with_a_longer_name_is_no_interpreter() {
    let namesake = process(7, 1, "/usr/bin/pythonista", "pythonista loop.py");
    let namesake = World::new().with(within(ROOT, namesake));
    check([("a namesake", namesake, NO_RULE)]);
}

#[test]
fn innocent_however_guilty_it_looks() {
    let agent = "node /usr/lib/agent/cli.js --prompt kill|python|loop.py|UnrealEditor";
    let agent = within(ROOT, process(7, 1, "/usr/bin/node", agent));
    let mut title = process(7, 1, "/opt/agent", "");
    title.arguments = Some(vec!["thinking about /usr/bin/python".to_owned()]);
    let editor = within(ROOT, process(7, 1, "/usr/bin/vim", "vim loop.py"));
    let mut sibling = python("python /home/me/game/.trees/b/loop.py");
    sibling.others = vec!["/home/me/game/.trees/b".into()];
    check([
        (
            "another project's script",
            python("python /home/me/other/loop.py"),
            ELSEWHERE,
        ),
        (
            "a sibling with the same beginning",
            python("python /home/me/game2/loop.py"),
            ELSEWHERE,
        ),
        (
            "another directory",
            python_in("/home/me/other", "python loop.py"),
            ELSEWHERE,
        ),
        ("a worktree within the scope", sibling, NO_SCRIPT),
        ("a prompt", python("python"), NO_SCRIPT),
        ("code", python("python -c loop.py"), NO_SCRIPT),
        (
            "code among options",
            python("python -uc loop.py"),
            NO_SCRIPT,
        ),
        ("standard input", python("python - loop.py"), NO_SCRIPT),
        (
            "a script as an argument",
            python("python -c pass /home/me/game/loop.py"),
            NO_SCRIPT,
        ),
        (
            "a language server",
            python("python /home/me/game/.venv/bin/pylsp"),
            NO_SCRIPT,
        ),
        (
            "a language server as a module",
            python("python -m pylsp"),
            NO_SCRIPT,
        ),
        (
            "a language server's own file",
            python("python /home/me/game/.venv/lib/python3.11/site-packages/pylsp/__main__.py"),
            NO_SCRIPT,
        ),
        (
            "an editor's extension",
            python("python /home/me/.vscode/extensions/x/server.py"),
            NO_SCRIPT,
        ),
        (
            "a coding agent given files",
            python("python /home/me/bin/aider loop.py"),
            NO_SCRIPT,
        ),
        (
            "a formatter given files",
            python("python /home/me/game/.venv/bin/black loop.py"),
            NO_SCRIPT,
        ),
        (
            "a report of coverage",
            python("python -m coverage html"),
            NO_SCRIPT,
        ),
        (
            "an installed module",
            python("python -m http.server 8080"),
            NO_SCRIPT,
        ),
        (
            "tests of another project",
            python("python /usr/bin/pytest /home/me/other/loop.py"),
            ELSEWHERE,
        ),
        (
            "an agent with the pattern in its prompt",
            World::new().with(agent),
            NO_SCRIPT,
        ),
        (
            "a title that ends like a program",
            World::new().with(title),
            NO_RULE,
        ),
        ("an editor of a script", World::new().with(editor), NO_RULE),
    ]);
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    let mut gone = process(7, 1, "/usr/bin/python3.11", "python loop.py");
    gone.directory = None;
    let mut unreadable = process(7, 1, "", "");
    unreadable.executable = None;
    unreadable.arguments = None;
    let mut kernel_name = unreadable.clone();
    kernel_name.short_name = "python3".to_owned();
    let mut vanished = unreadable.clone();
    vanished.own = None;
    let mut empty = process(7, 1, "/usr/bin/python3.11", "");
    empty.arguments = Some(Vec::new());
    let mut title = process(7, 1, "/usr/bin/python3.11", "");
    title.arguments = Some(vec![
        "pool: worker /home/me/game/loop.py".to_owned(),
        String::new(),
    ]);
    let mut zombie = within(ROOT, process(7, 1, "/usr/bin/python3.11", "python loop.py"));
    zombie.zombie = true;
    let mut leads_out = python("python linked.py");
    leads_out.links.insert(
        "/home/me/game/linked.py".into(),
        "/home/me/other/loop.py".into(),
    );
    let mut agent = process(7, 1, "/usr/bin/node", "");
    agent.arguments = Some(vec!["agent".to_owned()]);
    check([
        (
            "a program that hides its arguments",
            World::new().with(agent),
            "has overwritten its arguments",
        ),
        (
            "a drive of Wine's",
            python(r"python C:\loop.py"),
            "its path is on a drive that only its own system knows",
        ),
        (
            "no working directory",
            World::new().with(gone),
            "its path is relative to a directory that cannot be read",
        ),
        (
            "it has moved since",
            python_in("/", "python loop.py"),
            "its script is not where its arguments say",
        ),
        (
            "a step up from a folder that is not there",
            python("python /home/me/game/gone/../missing.py"),
            "its script is not where its arguments say",
        ),
        (
            "a link out of the scope",
            leads_out,
            "its path leads out of the scope through a link",
        ),
        (
            "not text",
            python("python /home/me/game/\u{fffd}.py"),
            "its path is no valid text",
        ),
        (
            "nothing is readable",
            World::new().with(unreadable),
            "neither its program nor its arguments can be read",
        ),
        (
            "the kernel's short name is no name",
            World::new().with(kernel_name),
            "neither its program nor its arguments can be read",
        ),
        (
            "it vanished while being read",
            World::new().with(vanished),
            "is gone or hidden",
        ),
        (
            "no arguments",
            World::new().with(empty),
            "has overwritten its arguments",
        ),
        (
            "overwritten arguments",
            World::new().with(title),
            "has overwritten its arguments",
        ),
        ("a zombie", World::new().with(zombie), "has exited already"),
    ]);
}

#[test]
fn other_interpreters_follow_their_own_rule() {
    let node = within(
        ROOT,
        process(7, 1, "/usr/bin/node", "node -r x tools/serve.js"),
    );
    let server = within(
        ROOT,
        process(7, 1, "/usr/bin/node", "node node_modules/tools/tsserver.js"),
    );
    let bash = within(
        ROOT,
        process(7, 1, "/usr/bin/bash", "bash -eu tools/serve.sh"),
    );
    let shell = within(ROOT, process(7, 1, "/usr/bin/bash", "-bash"));
    let files = [
        "/home/me/game/tools/serve.js",
        "/home/me/game/tools/serve.sh",
        "/home/me/game/node_modules/tools/tsserver.js",
    ];
    let world = |process| World::new().with_files(files).with(process);
    let here = "belongs to group scripts: runs a script of this scope";
    check([
        ("node", world(node), here),
        ("an installed language server", world(server), NO_SCRIPT),
        ("bash", world(bash), here),
        ("a person's shell", world(shell), NO_SCRIPT),
    ]);
}

#[test]
fn an_installed_tool_that_a_rule_names_works_for_the_project_it_is_told_to() {
    let tool = |directory, argument| {
        let mut world = python_in(
            directory,
            &format!("python /home/me/game/.venv/bin/serve {argument}"),
        );
        world.rules = Rules::new([GroupSpec {
            name: "python".to_owned(),
            scripts: vec!["**/.venv/bin/serve".to_owned()],
            ..GroupSpec::default()
        }])
        .unwrap();
        world
    };
    check([
        ("in the scope", tool("/home/me/game/tests", "-v"), HERE),
        (
            "on a file of the scope",
            tool("/", "/home/me/game/loop.py"),
            HERE,
        ),
        (
            "in a sibling that shares it",
            tool("/home/me/other", "loop.py"),
            ELSEWHERE,
        ),
    ]);
}
