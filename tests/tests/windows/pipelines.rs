//! What is at the other end of the caller's pipes lives on, and so does the loop above it where no parent's PID tells.
//!
//! The test is the shell: it makes the pipes, and starts the programs at their ends. That of Wine 8 makes none, but
//! writes into files what one program says to the next.

use std::fs::{self, File};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proc_core::table::Table;
use serde_json::Value;
use wait_timeout::ChildExt;
use windows_sys::Win32::System::Threading::CREATE_NEW_CONSOLE;

use crate::stand_in::{StandIn, put, start, start_command};
use crate::support::project;
use tests::{Bench, PATIENCE, binary, poll};

/// A project, a stand-in for Python outside it, and a script that calls the tool as soon as it is there.
struct Scene {
    bench: Bench,
    outside: tempfile::TempDir,
    python: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let bench = project();
        let outside = tempfile::tempdir().unwrap();
        fs::write(bench.root().join("one.py"), "").unwrap();
        put(&bench.root().join("wait.exe"));
        let python = put(&outside.path().join("python.exe"));
        Self {
            bench,
            outside,
            python,
        }
    }

    /// Starts a shell that waits for the script, and calls it.
    fn call(&self, input: Stdio, output: Stdio) -> Child {
        Command::new("cmd")
            .arg("/c")
            .arg("wait.exe --stand-in-until=go.bat & call go.bat")
            .current_dir(self.bench.root())
            .env("TOOL", binary("xtask"))
            .env("XTASK_STATE_DIR", self.bench.state())
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Has the tool called with each of these lists of arguments.
    fn go(&self, calls: &[&str]) {
        let calls = calls.iter();
        let lines = calls.map(|call| format!("@\"%TOOL%\" cleanup {call} --format json\r\n"));
        let script = self.bench.root().join("go");
        fs::write(&script, lines.collect::<String>()).unwrap();
        fs::rename(&script, script.with_extension("bat")).unwrap();
    }

    fn script(&self) -> PathBuf {
        self.bench.root().join("one.py")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// A script of the project without any pipe, as a loop leaves it behind.
    fn leftover(&self) -> StandIn {
        start(&self.python, self.outside.path(), [self.script()], &[])
    }

    /// A script of the project with these streams.
    fn python(&self, input: Stdio, output: Stdio, arguments: &[String]) -> StandIn {
        let mut command = Command::new(&self.python);
        command.arg(self.script()).args(arguments);
        command.stdin(input).stdout(output).stderr(Stdio::null());
        start_command(command, &self.python)
    }
}

fn argument(key: &str, path: &Path) -> String {
    format!("--stand-in-{key}={}", path.display())
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let documents = serde_json::Deserializer::from_str(&text).into_iter();
    documents
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn finish(mut caller: Child) {
    let status = caller.wait_timeout(PATIENCE).unwrap();
    if status.is_none() {
        caller.kill().unwrap();
        caller.wait().unwrap();
        panic!("it does not end");
    }
}

/// What is said of a process that was left alone.
#[track_caller]
fn assert_spared(document: &Value, pid: u32, reason: &str) {
    let processes = document["processes"].as_array().unwrap();
    let spared = processes
        .iter()
        .find(|process| process["identity"]["pid"] == pid);
    let spared = spared.unwrap_or_else(|| panic!("{pid} is not in {document:#}"));
    assert_eq!(spared["action"], "spared", "{document:#}");
    assert_eq!(spared["reason"], reason, "{document:#}");
}

#[test]
fn a_reader_of_the_callers_output_gets_all_of_it() {
    let scene = Scene::new();
    let said = scene.file("said.json");
    let mut caller = scene.call(Stdio::null(), Stdio::piped());
    let leftover = scene.leftover();
    let output = caller.stdout.take().unwrap();
    let reader = scene.python(output.into(), Stdio::null(), &[argument("copy", &said)]);
    scene.go(&[
        &format!("--explain {}", reader.pid()),
        "--python --grace 0s",
    ]);
    finish(caller);
    assert!(!leftover.is_alive());
    let has_ended = poll(PATIENCE, || (!reader.is_alive()).then_some(()));
    assert!(has_ended.is_some(), "the reader does not end");
    let documents = documents(&said);
    assert_eq!(documents.len(), 2, "{documents:#?}");
    let explanation = &documents[0]["explanation"];
    assert_eq!(explanation["text"], "reads what the caller writes");
    assert_eq!(explanation["facts"]["streams"]["input"], "pipe");
    assert_spared(&documents[1], reader.pid(), "reads what the caller writes");
}

#[test]
fn a_reader_within_a_shell_of_its_own_gets_all_of_it() {
    let scene = Scene::new();
    let said = scene.file("said.json");
    let mut caller = scene.call(Stdio::null(), Stdio::piped());
    let leftover = scene.leftover();
    let mut shell = Command::new("cmd");
    shell.arg("/c").arg(&scene.python).arg(scene.script());
    shell.arg(argument("copy", &said));
    shell.stdin(caller.stdout.take().unwrap());
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    let shell = start_command(shell, &scene.python);
    scene.go(&["--python --grace 0s"]);
    finish(caller);
    assert!(!leftover.is_alive());
    let has_ended = poll(PATIENCE, || (!shell.is_alive()).then_some(()));
    assert!(has_ended.is_some(), "the shell does not end");
    let documents = documents(&said);
    assert_eq!(documents.len(), 1, "{documents:#?}");
    let processes = documents[0]["processes"].as_array().unwrap();
    // Those of other tests, which the same process has started at the same time, may read it as well as can be told.
    let python = scene.python.to_str().unwrap();
    let readers = processes
        .iter()
        .filter(|process| process["command"].as_str().unwrap().starts_with(python))
        .filter(|process| process["reason"] == "reads what the caller writes");
    assert_eq!(readers.count(), 1, "{documents:#?}");
}

#[test]
fn a_writer_of_the_callers_input_is_left_alone() {
    let scene = Scene::new();
    let said = scene.file("said.json");
    let mut caller = scene.call(Stdio::piped(), File::create(&said).unwrap().into());
    let leftover = scene.leftover();
    let input = caller.stdin.take().unwrap();
    let writer = scene.python(Stdio::null(), input.into(), &[]);
    scene.go(&["--python --grace 0s"]);
    finish(caller);
    assert!(!leftover.is_alive());
    assert!(writer.is_alive());
    let documents = documents(&said);
    assert_eq!(documents.len(), 1, "{documents:#?}");
    assert_spared(&documents[0], writer.pid(), "writes what the caller reads");
}

#[test]
fn a_loop_above_an_emulated_shell_is_left_alone() {
    for is_emulated in [true, false] {
        let scene = Scene::new();
        let program = put(&scene.outside.path().join("tools/env.exe"));
        if is_emulated {
            fs::write(program.with_file_name("msys-2.0.dll"), "").unwrap();
        }
        let root = scene.bench.root();
        let batch = |name: &str, lines: &str| {
            let path = root.join(name);
            fs::write(&path, lines.replace('\n', "\r\n")).unwrap();
            argument("child", &path)
        };
        let call = batch(
            "call.bat",
            "@wait.exe --stand-in-until=now\n@\"%TOOL%\" cleanup --python --grace 0s --format json > said\n@ren said \
             said.json\n",
        );
        let start = batch("start.bat", "@start /b \"\" \"%SHELL%\" \"%CALL%\"\n");
        let mut command = Command::new(&scene.python);
        command.arg(scene.script()).arg(start);
        command
            .current_dir(&root)
            .creation_flags(CREATE_NEW_CONSOLE);
        command.env("TOOL", binary("xtask"));
        command.env("SHELL", &program).env("CALL", call);
        command.env("XTASK_STATE_DIR", scene.bench.state());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let python = start_command(command, &scene.python);
        // From then on nothing tells that the one has to do with the other.
        let is_cut = poll(PATIENCE, || {
            let table = Table::read().unwrap();
            let shell = table
                .iter()
                .find(|process| process.executable() == Some(&program))?;
            table.get(shell.parent()).is_none().then_some(())
        });
        assert!(is_cut.is_some(), "the shell's parent does not leave");
        fs::write(root.join("now"), "").unwrap();
        let said = root.join("said.json");
        assert!(
            poll(PATIENCE, || said.exists().then_some(())).is_some(),
            "nothing is said"
        );
        let document = &documents(&said)[0];
        if is_emulated {
            assert!(python.is_alive());
            let reason = "shares the caller's console, and may have started it";
            assert_spared(document, python.pid(), reason);
        } else {
            assert!(!python.is_alive(), "{document:#}");
        }
    }
}
