//! Processes that look guilty and are not: every command that cleans has to leave them alone.

use std::path::Path;
use std::process::{Command, Stdio};

use tests::namespace::alone;
use tests::{Bench, PATIENCE, Running, wait_for};

use crate::support::{
    SCRIPT, assert_alive, assert_gone, here, outside, pretend, program, python, report, script,
    start, xtask,
};

/// Starts a program that says nothing, and waits until it has begun.
fn silent(bench: &Bench, mut command: Command, name: &str) -> Running {
    let running = bench.start({
        command.stdin(Stdio::piped());
        command
    });
    let comm = format!("/proc/{}/comm", running.pid());
    wait_for(PATIENCE, name, || {
        std::fs::read_to_string(&comm).is_ok_and(|text| text.trim() == name)
    });
    running
}

/// Runs every command that cleans, while there is something to clean, and checks that it did.
fn clean_in_every_way(bench: &Bench) {
    for arguments in [
        &["cleanup", "--all", "--grace", "1s"][..],
        &[
            "cleanup", "--python", "--unreal", "--group", "monitor", "--grace", "1s",
        ],
        &["preflight", "--strict", "--base-port", "auto"],
        &["preflight", "--base-port", "auto"],
        &["postflight", "--grace", "1s"],
    ] {
        let guilty = ["one.py", "two.py", "sub/three.py"].map(|name| script(bench, name, SCRIPT));
        let document = xtask(bench, 0, arguments);
        assert_eq!(here(&document, "python"), 0);
        for guilty in &guilty {
            assert_gone(&[("the guilty", guilty)]);
        }
    }
}

#[test]
fn those_that_only_mention_a_script_are_left_alone() {
    alone(|| {
        let bench = Bench::new();
        for name in ["test_monitor.py", "orchestrator.py"] {
            bench.write(name, SCRIPT);
        }
        let outside = outside();
        let at = |name: &str| outside.path().join(name);
        let in_scope = bench.root().join("test_monitor.py");
        let tools = ["vim", "code", "agent", "pythonista"].map(|name| {
            let path = at("bin").join(name);
            program(&path);
            path
        });

        let editor = pretend(&bench, &tools[0], ["test_monitor.py"]);
        let ide = pretend(&bench, &tools[1], [bench.root().as_os_str()]);
        let prompt = "run `python3 test_monitor.py`, then pkill -f orchestrator.py UnrealEditor";
        let agent = pretend(&bench, &tools[2], ["--prompt", prompt]);
        let namesake = pretend(&bench, &tools[3], ["test_monitor.py"]);

        let mut command = bench.command("tail");
        command.args(["-f", "orchestrator.py"]);
        let tail = silent(&bench, command, "tail");
        let mut command = bench.command("grep");
        command.arg("monitor.py");
        let grep = silent(&bench, command, "grep");

        std::fs::write(at("agent"), SCRIPT).unwrap();
        std::fs::write(at("format.py"), SCRIPT).unwrap();
        let python_agent = python(&bench, [at("agent").as_os_str(), prompt.as_ref()]);
        let formatter = python(&bench, [at("format.py").as_os_str(), in_scope.as_os_str()]);
        let code = "import time; print('up', flush=True); time.sleep(80) # test_monitor.py";
        let inline = python(&bench, ["-c", code, "orchestrator.py"]);

        let all = [
            ("an editor", &editor),
            ("an IDE", &ide),
            ("an agent", &agent),
            ("a namesake of Python", &namesake),
            ("tail", &tail),
            ("grep", &grep),
            ("an agent in Python", &python_agent),
            ("a formatter", &formatter),
            ("code on the command line", &inline),
        ];
        clean_in_every_way(&bench);
        assert_alive(&all);
    });
}

#[test]
fn installed_tools_that_work_in_the_project_are_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let site = outside();
        std::fs::write(site.path().join("pylsp.py"), SCRIPT).unwrap();
        bench.write(".venv/bin/pylsp", SCRIPT);
        bench.write(".venv/lib/python3/site-packages/pylsp/main.py", SCRIPT);
        bench.write("test_a.py", SCRIPT);

        let mut command = bench.command("python3");
        command
            .args(["-m", "pylsp", "--check", "test_a.py"])
            .env("PYTHONPATH", site.path());
        let module = start(&bench, command);
        let in_venv = python(&bench, [".venv/bin/pylsp"]);
        let in_packages = python(&bench, [".venv/lib/python3/site-packages/pylsp/main.py"]);
        clean_in_every_way(&bench);
        assert_alive(&[
            ("a language server", &module),
            ("one in .venv", &in_venv),
            ("one in site-packages", &in_packages),
        ]);
    });
}

#[test]
fn links_neither_widen_nor_narrow_the_scope() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        let link = |target: &Path, link: &Path| std::os::unix::fs::symlink(target, link).unwrap();
        std::fs::write(outside.path().join("daemon.py"), SCRIPT).unwrap();
        bench.write("mine.py", SCRIPT);
        // Out of the project: by a link to a file, and by one to a folder.
        link(
            &outside.path().join("daemon.py"),
            &bench.root().join("link.py"),
        );
        link(outside.path(), &bench.root().join("shared"));
        // Into the project.
        link(&bench.root(), &outside.path().join("into"));

        let file = python(&bench, ["link.py"]);
        let folder = python(&bench, ["shared/daemon.py"]);
        let mine = python(&bench, [outside.path().join("into/mine.py")]);
        let mut command = bench.xtask(["cleanup", "--all", "--format", "json"]);
        // The project may be reached through a link as well.
        command.current_dir(outside.path().join("into"));
        let cleaned = crate::support::document(&bench.finish(command).expect(0));
        assert_eq!(report(&cleaned, mine.pid()).unwrap()["action"], "ended");
        assert_gone(&[("a script of the project", &mine)]);
        clean_in_every_way(&bench);
        assert_alive(&[
            ("through a link", &file),
            ("through a linked folder", &folder),
        ]);
    });
}

#[test]
fn a_container_with_other_files_at_the_same_paths_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        std::fs::write(outside.path().join("one.py"), SCRIPT).unwrap();
        bench.write("one.py", SCRIPT);
        let contained = |script: &str| {
            let mut command = bench.command("unshare");
            command
                .args(["--mount", "sh", "-c", script, "sh"])
                .args([outside.path(), &bench.root()]);
            start(&bench, command)
        };
        let mount = "mount --bind \"$1\" \"$2\" && cd \"$2\" &&";
        let relative = contained(&format!("{mount} exec python3 one.py"));
        let absolute = contained(&format!("{mount} exec python3 \"$2/one.py\""));
        let same = contained("cd \"$2\" && exec python3 one.py");
        let cleaned = xtask(&bench, 0, &["cleanup", "--all"]);
        assert_gone(&[("one with the same files", &same)]);
        for contained in [&relative, &absolute] {
            let spared = report(&cleaned, contained.pid()).unwrap();
            assert_eq!(spared["judgement"]["reason"]["kind"], "other_files");
        }
        clean_in_every_way(&bench);
        xtask(&bench, 0, &["cleanup", "--all", "--machine"]);
        assert_alive(&[("a script", &relative), ("another", &absolute)]);
    });
}

#[test]
fn a_container_with_another_folder_in_the_project_is_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        std::fs::write(outside.path().join("one.py"), SCRIPT).unwrap();
        bench.write("Tools/one.py", SCRIPT);
        let mut command = bench.command("unshare");
        let mount = "mount --bind \"$1\" \"$2/Tools\" && exec python3 \"$2/Tools/one.py\"";
        command
            .args(["--mount", "sh", "-c", mount, "sh"])
            .args([outside.path(), &bench.root()]);
        let contained = start(&bench, command);
        clean_in_every_way(&bench);
        let cleaned = xtask(&bench, 0, &["cleanup", "--all"]);
        let spared = report(&cleaned, contained.pid()).unwrap();
        assert_eq!(spared["judgement"]["reason"]["kind"], "other_files");
        assert_alive(&[("a script", &contained)]);
    });
}

/// In a mount namespace of its own, puts a file system on a folder of the project that answers nothing, and starts a script
/// there, which waits for that.
const UNSERVED: &str = r#"
import ctypes, os, signal, struct, subprocess, sys, time
signal.alarm(80)
root = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result:
        raise OSError(ctypes.get_errno(), "mount")
check(libc.unshare(0x20000))
check(libc.mount(b"none", b"/", None, 0x4000 | 1 << 18, None))
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
check(libc.mount(b"unserved", f"{root}/Tools".encode(), b"fuse", 4, options))
# Only the request to begin is answered: the number of the request, and the version.
request = os.read(fuse, 1 << 16)
answer = bytearray(80)
for place, number in (0, 80), (16, 7), (20, 31), (24, 4096), (36, 4096), (40, 1):
    answer[place:place + 4] = struct.pack("=I", number)
answer[8:16] = request[8:16]
os.write(fuse, answer)
subprocess.Popen(["python3", f"{root}/Tools/one.py"], cwd="/")
print("up", flush=True)
time.sleep(80)
"#;

#[test]
fn a_file_system_that_is_not_served_keeps_no_command_waiting() {
    alone(|| {
        if let Err(error) = std::fs::File::open("/dev/fuse") {
            eprintln!("skipped: there is no file system that a program could serve: {error}");
            return;
        }
        let bench = Bench::new();
        bench.write("Tools/one.py", SCRIPT);
        let server = python(
            &bench,
            ["-c".as_ref(), UNSERVED.as_ref(), bench.root().as_os_str()],
        );
        for command in [&["status"][..], &["cleanup"], &["cleanup", "--python"]] {
            bench.run(command).expect(0);
        }
        assert_alive(&[("a server that answers nothing", &server)]);
    });
}

/// What is called by such a path is one thing to the process and another to the command that reads it.
#[test]
fn a_path_that_leads_each_process_somewhere_else_says_nothing() {
    alone(|| {
        let bench = Bench::new();
        let outside = outside();
        std::fs::write(outside.path().join("one.py"), SCRIPT).unwrap();
        let script = bench.write("one.py", SCRIPT);
        let link = outside.path().join("here");
        std::os::unix::fs::symlink("/proc/self/cwd", &link).unwrap();
        let link = format!("{}/one.py", link.display());
        let started = |path: &str| {
            let mut command = bench.command("python3");
            let input = std::fs::File::open(outside.path().join("one.py")).unwrap();
            command.arg(path).current_dir(outside.path()).stdin(input);
            start(&bench, command)
        };
        let paths = [
            "/proc/self/cwd/one.py",
            "/proc/thread-self/cwd/one.py",
            "/proc/self/fd/0",
            "/dev/fd/0",
            "/dev/stdin",
            &link,
        ];
        let innocents = paths.map(|path| (path, started(path)));
        for arguments in [
            &["cleanup", "--all"][..],
            &["preflight", "--strict"],
            &["postflight"],
        ] {
            let mut command = bench.xtask(arguments);
            command.args(["--grace", "1s"]);
            command.stdin(std::fs::File::open(&script).unwrap());
            bench.finish(command).expect(0);
        }
        let innocents: Vec<_> = innocents.iter().map(|(path, one)| (*path, one)).collect();
        assert_alive(&innocents);
    });
}

#[test]
fn a_root_that_holds_everything_is_refused() {
    alone(|| {
        let bench = Bench::new();
        let home = outside();
        let project = home.path().join("other-project");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(project.join("server.py"), SCRIPT).unwrap();
        let server = python(&bench, [project.join("server.py")]);
        let inside = home.path().join("documents");
        std::fs::create_dir(&inside).unwrap();

        let above = home.path().parent().unwrap().to_owned();
        for folder in [Path::new("/"), home.path(), &above] {
            for arguments in [
                &["cleanup", "--all"][..],
                &["preflight", "--strict"],
                &["postflight"],
            ] {
                let mut command = bench.xtask(arguments);
                command.current_dir(folder).env("HOME", home.path());
                let refused = bench.finish(command).expect(106);
                assert!(
                    refused.stderr.contains("too much for one scope"),
                    "{}",
                    refused.stderr
                );
            }
        }
        // A home folder under version control is not the project of everything in it either.
        std::fs::create_dir(home.path().join(".git")).unwrap();
        let mut command = bench.xtask(["cleanup", "--all"]);
        command.current_dir(&inside).env("HOME", home.path());
        bench.finish(command).expect(106);
        assert_alive(&[("a server of another project", &server)]);
        // A user who means it says so.
        std::fs::write(home.path().join("xtask.toml"), "").unwrap();
        let mut command = bench.xtask(["cleanup", "--all"]);
        command.current_dir(&inside).env("HOME", home.path());
        bench.finish(command).expect(0);
        assert_gone(&[("a server of another project", &server)]);
    });
}

#[test]
fn editors_of_others_and_of_a_person_are_left_alone() {
    alone(|| {
        let bench = Bench::new();
        let project = bench.write("Game.uproject", "{}");
        let outside = outside();
        let other = outside.path().join("Other.uproject");
        std::fs::write(&other, "{}").unwrap();
        let engine = |name: &str| {
            let path = outside.path().join("Engine/Binaries/Linux").join(name);
            program(&path);
            path
        };
        let editor = engine("UnrealEditor");
        let (project, other) = (project.as_os_str(), other.as_os_str());

        let own = pretend(&bench, &editor, [project]);
        let own_with_log = pretend(
            &bench,
            &editor,
            [project, "-log".as_ref(), "-windowed".as_ref()],
        );
        let elsewhere = pretend(&bench, &editor, [other, "-game".as_ref()]);
        let daemon = pretend(&bench, &engine("zenserver"), ["--owner", "1"]);
        let trace = pretend(&bench, &engine("UnrealTraceServer"), ["fork"]);
        let game = pretend(&bench, &editor, [project, "-game".as_ref()]);
        let headless = engine("UnrealEditor-Cmd");
        let cook = pretend(&bench, &headless, [project, "-run=Cook".as_ref()]);

        let cleaned = xtask(&bench, 0, &["cleanup", "--all"]);
        assert_gone(&[("a game", &game), ("a commandlet", &cook)]);
        for own in [&own, &own_with_log] {
            assert_eq!(
                report(&cleaned, own.pid()).unwrap()["decision"]["why"]["kind"],
                "own_editor"
            );
        }
        clean_in_every_way_but_strict(&bench);
        assert_alive(&[
            ("a person's editor", &own),
            ("one with -log", &own_with_log),
            ("a game of another project", &elsewhere),
            ("zenserver", &daemon),
            ("the trace server", &trace),
        ]);
        xtask(&bench, 0, &["cleanup", "--unreal", "--editors"]);
        assert_gone(&[
            ("a person's editor", &own),
            ("one with -log", &own_with_log),
        ]);
        assert_alive(&[
            ("a game of another project", &elsewhere),
            ("zenserver", &daemon),
            ("the trace server", &trace),
        ]);
    });
}

/// A person's editor is one too many for `preflight --strict`, which leaves it and says so.
fn clean_in_every_way_but_strict(bench: &Bench) {
    xtask(bench, 0, &["postflight"]);
    xtask(bench, 0, &["preflight", "--base-port", "auto"]);
    let strict = xtask(
        bench,
        108,
        &["preflight", "--strict", "--base-port", "auto"],
    );
    assert_eq!(
        strict["problems"][0],
        "group unreal has 2 left, and --strict allows none"
    );
}
