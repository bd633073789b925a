//! What the arguments of an interpreter mean depends on more than themselves: on its environment, on the files that it
//! sees, and on what a tool takes an argument for.

use super::*;

const HERE: &str = "belongs to group python: runs a script of this scope";
const ELSEWHERE: &str = "belongs to group python: by name alone, elsewhere";
const NO_SCRIPT: &str = "the interpreter runs no script of this scope";
const NOT_FOUND: &str = "its script is not where its arguments say";

/// PID 7, a Python with these arguments in this directory.
fn python(directory: &str, command: &str) -> Facts {
    within(directory, process(7, 1, "/usr/bin/python3.11", command))
}

fn with(facts: Facts) -> World {
    World::new()
        .with_files(["/home/me/other/tools/pkg/__main__.py"])
        .with(facts)
}

#[test]
fn in_a_container_the_same_paths_are_other_files() {
    let inside = |sees_scope| {
        let absolute = "python /home/me/game/loop.py";
        [python("/", absolute), python(ROOT, "python loop.py")].map(|facts| {
            with(Facts {
                sees_scope,
                ..facts
            })
        })
    };
    let [absolute, relative] = inside(Some(false));
    let [hidden, _] = inside(None);
    let other = "does not see this project, as one in a container";
    let machine = CleanRequest {
        machine: true,
        ..every_group()
    };
    assert_eq!(absolute.targets(&machine), [0_u32; 0]);
    check([
        ("with an absolute path", absolute, other),
        ("with a relative path", relative, other),
        (
            "whose files cannot be seen",
            hidden,
            "neither its program nor its arguments can be read",
        ),
    ]);
}

#[test]
fn modules_are_looked_for_where_python_looks() {
    let search = |directory, command, path: &str| {
        with(Facts {
            module_path: Some(path.to_owned()),
            ..python(directory, command)
        })
    };
    check([
        (
            "in PYTHONPATH",
            search("/", "python -m pkg", "/opt:/home/me/game/tools"),
            HERE,
        ),
        (
            "in a relative one",
            search(ROOT, "python -m pkg", "tools"),
            HERE,
        ),
        (
            "in that of another project",
            search(ROOT, "python -m pkg", "/home/me/other/tools"),
            ELSEWHERE,
        ),
        (
            "not in an ignored one",
            search(ROOT, "python -E -m pkg", "tools"),
            NO_SCRIPT,
        ),
        (
            "first in the working directory",
            search(ROOT, "python -m tools.pkg", "/home/me/other"),
            HERE,
        ),
        (
            "not there on a safe path",
            search(ROOT, "python -P -m tools.pkg", "/home/me/other"),
            ELSEWHERE,
        ),
        (
            "in neither when isolated",
            search(ROOT, "python -Im tools.pkg", ROOT),
            NO_SCRIPT,
        ),
    ]);
}

#[test]
fn a_removed_script_is_told_by_where_it_was_started() {
    let started = |directory, began: Option<&str>| {
        with(Facts {
            shell_directory: began.map(str::to_owned),
            ..python(directory, "python gone.py")
        })
    };
    check([
        ("by a shell that was here", started(ROOT, Some(ROOT)), HERE),
        (
            "by a shell elsewhere",
            started(ROOT, Some("/home/me/other")),
            NOT_FOUND,
        ),
        ("by no shell", started(ROOT, None), NOT_FOUND),
        (
            "and moved since",
            started("/home/me", Some(ROOT)),
            NOT_FOUND,
        ),
    ]);
}

/// It was started on a script of another project, and has gone into this one, which has a script of the same name.
#[test]
fn a_script_that_may_be_of_two_projects_belongs_to_neither() {
    let started = |directory, command, began: Option<&str>| {
        with(Facts {
            shell_directory: began.map(str::to_owned),
            ..python(directory, command)
        })
        .with_files(["/home/me/game/tools/loop.py"])
    };
    let other = Some("/home/me/other");
    check([
        (
            "started elsewhere",
            started(ROOT, "python loop.py", other),
            "its path is relative, and it may have changed its directory",
        ),
        (
            "with an absolute path",
            started(ROOT, "python /home/me/game/loop.py", other),
            HERE,
        ),
        (
            "both of this scope",
            started("/home/me/game/tools", "python loop.py", Some(ROOT)),
            HERE,
        ),
        (
            "only one there",
            started(ROOT, "python tools/monitor.py", other),
            "belongs to group monitor: runs a script of this scope",
        ),
    ]);
}

#[test]
fn a_virtual_environment_is_one_whatever_its_folder_is_called() {
    let world = |command: &str| {
        with(python(ROOT, command)).with_files([
            "/home/me/game/env/pyvenv.cfg",
            "/home/me/game/env/bin/serve.py",
            "/home/me/game/env/tool/__main__.py",
        ])
    };
    check([
        ("a tool in it", world("python env/bin/serve.py"), NO_SCRIPT),
        ("a module in it", world("python -m env.tool"), NO_SCRIPT),
        (
            "its Python",
            world("/home/me/game/env/bin/python loop.py"),
            HERE,
        ),
    ]);
}

#[test]
fn a_folder_that_is_the_root_of_another_scope_is_none_of_this_one() {
    let world = |directory, command: &str| {
        let files = [
            "/home/me/game/.git",
            "/home/me/game/trees/b/.git",
            "/home/me/game/trees/b/tools/loop.py",
            "/home/me/game/trees/xtask.py",
        ];
        with(python(directory, command)).with_files(files)
    };
    check([
        (
            "a worktree that has no state yet",
            world("/home/me/game/trees/b/tools", "python loop.py"),
            ELSEWHERE,
        ),
        (
            "from without",
            world(ROOT, "python trees/b/tools/loop.py"),
            ELSEWHERE,
        ),
        ("beside it", world(ROOT, "python trees/xtask.py"), HERE),
        ("the root itself", world(ROOT, "python loop.py"), HERE),
    ]);
}

#[test]
fn what_a_runner_is_told_about_is_not_what_it_runs() {
    let other = "/home/me/other";
    let runs = |directory, arguments: &str| {
        with(python(
            directory,
            &format!("python /usr/bin/pytest {arguments}"),
        ))
        .with_files(["/home/me/game/shared.ini", "/home/me/game/log"])
    };
    check([
        (
            "a configuration",
            runs(other, "-c /home/me/game/shared.ini loop.py"),
            ELSEWHERE,
        ),
        (
            "a file that only looks like one to run",
            runs(other, "loop.py /home/me/game/shared.ini"),
            ELSEWHERE,
        ),
        (
            "the value of an option",
            runs(other, "--basetemp /home/me/game/log loop.py"),
            ELSEWHERE,
        ),
        (
            "the value of an option that a plugin has added",
            runs(other, "--alluredir /home/me/game/log"),
            ELSEWHERE,
        ),
        (
            "the value of such an option, at work here",
            runs(ROOT, "--alluredir /home/me/other"),
            HERE,
        ),
        (
            "tests of this scope behind an option without a value",
            runs(other, "--verbose /home/me/game/tests"),
            HERE,
        ),
        (
            "tests of both, at work elsewhere",
            runs(other, "loop.py /home/me/game/loop.py"),
            ELSEWHERE,
        ),
        (
            "tests of both, at work here",
            runs(ROOT, "loop.py /home/me/other/loop.py"),
            HERE,
        ),
        (
            "tests of this scope behind an option",
            runs(other, "--rootdir /home/me/other /home/me/game/tests"),
            HERE,
        ),
    ]);
}
