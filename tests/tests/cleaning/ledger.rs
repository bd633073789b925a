//! Ledgers that are old, broken, foreign or newer: what they say is never taken for more than it is.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests::Bench;
use tests::namespace::{alone, others};

use crate::support::{SCRIPT, assert_alive, assert_gone, outside, python, script, start, xtask};

const RUN: &str = "20260101-000000-0badcafe";

/// A process that a ledger may name.
struct Innocent {
    running: tests::Running,
    identity: Value,
}

fn innocent(bench: &Bench) -> Innocent {
    let mut command = bench.command("sh");
    command.args(["-c", "echo up; sleep 80 & wait"]);
    let running = start(bench, command);
    let identity = identity(running.pid());
    Innocent { running, identity }
}

/// The identity of a process, read as any other program would.
fn identity(pid: u32) -> Value {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = rest.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    json!({"pid": pid, "start": ticks, "boot": boot.trim()})
}

fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self/ns/pid").unwrap().ino()
}

/// The first entry of a run of this project in this boot and namespace, whose guardian was the first process of all.
fn opened(bench: &Bench) -> Value {
    let mut guardian = identity(std::process::id());
    guardian["pid"] = json!(4_000_000);
    guardian["start"] = json!(1);
    let root = bench.root().canonicalize().unwrap();
    json!({
        "entry": "opened", "version": 1, "run": RUN, "root": root, "time": "2026-01-01T00:00:00Z",
        "boot": guardian["boot"], "pid_namespace": namespace(), "guardian": guardian, "launcher": null,
        "mark": null, "ports": []
    })
}

fn started(identity: &Value) -> [Value; 2] {
    let member = json!({"client": 1});
    [
        json!({"entry": "starting", "member": member, "program": "client", "port": 8080}),
        json!({"entry": "started", "member": member, "identity": identity}),
    ]
}

fn lines(entries: &[Value]) -> String {
    let line = |entry: &Value| {
        let text = entry.to_string();
        format!("{:08x} {text}\n", crc32(text.as_bytes()))
    };
    entries.iter().map(line).collect()
}

/// CRC-32 (IEEE), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 * (sum & 1))
        })
    })
}

/// Puts a ledger into the scope of the bench, and returns the folder of its run.
fn put(bench: &Bench, text: impl AsRef<[u8]>) -> PathBuf {
    xtask(bench, 0, &["status"]);
    let scopes = bench.state().join("scopes");
    let scope = fs::read_dir(scopes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let folder = scope.join("runs").join(RUN);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ledger"), text).unwrap();
    folder
}

const COMMANDS: [&[&str]; 3] = [
    &["preflight", "--base-port", "auto"],
    &["cleanup", "--all"],
    &["postflight"],
];

#[test]
fn a_ledger_that_holds_is_acted_upon() {
    alone(|| {
        for command in COMMANDS {
            let bench = Bench::new();
            let innocent = innocent(&bench);
            let [starting, started] = started(&innocent.identity);
            put(&bench, lines(&[opened(&bench), starting, started]));
            let finished = xtask(&bench, 0, command);
            let ended = &finished["runs"][0]["processes"];
            assert_eq!(ended[0]["identity"], innocent.identity);
            assert_eq!(ended[0]["evidence"], "recorded_identity");
            assert_gone(&[("the member", &innocent.running)]);
            assert_eq!(others(), []);
        }
    });
}

#[test]
fn a_recycled_pid_is_never_signalled() {
    alone(|| {
        for command in COMMANDS {
            let bench = Bench::new();
            let innocent = innocent(&bench);
            let mut other = innocent.identity.clone();
            other["start"] = json!(other["start"].as_u64().unwrap() - 1);
            let [starting, started] = started(&other);
            let mut first = opened(&bench);
            // The guardian's PID has a new owner as well.
            first["guardian"] = other.clone();
            first["launcher"] = other.clone();
            put(&bench, lines(&[first, starting, started]));
            let finished = xtask(&bench, 0, command);
            assert_eq!(finished["runs"][0]["action"], "ended");
            assert_eq!(finished["runs"][0]["ended"], 0);
            assert_alive(&[("the newcomer", &innocent.running)]);
            // It is over now, and of no concern any more.
            let again = xtask(&bench, 0, command);
            assert_eq!(again["runs"], json!([]));
            assert_eq!(others().len(), 2);
            xtask(&bench, 0, &["cleanup", "--all", "--machine"]);
            assert_alive(&[("the newcomer", &innocent.running)]);
            // The next round has a namespace to itself.
            end(innocent);
        }
    });
}

/// Ends a process with its child.
fn end(innocent: Innocent) {
    drop(innocent);
    for other in others() {
        crate::support::kill(other.pid);
    }
}

#[test]
fn nothing_outlives_a_boot() {
    alone(|| {
        let bench = Bench::new();
        let innocent = innocent(&bench);
        let other = json!("01234567-89ab-cdef-0123-456789abcdef");
        let mut identity = innocent.identity.clone();
        identity["boot"] = other.clone();
        let mut first = opened(&bench);
        first["boot"] = other.clone();
        first["guardian"]["boot"] = other;
        let [starting, started] = started(&identity);
        put(&bench, lines(&[first, starting, started]));
        let dry = xtask(&bench, 0, &["cleanup", "--all", "--dry-run"]);
        let finished = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(dry["runs"][0]["ended"], 0);
        assert_eq!(finished["runs"][0]["action"], "ended");
        assert_eq!(finished["runs"][0]["ended"], 0);
        assert_alive(&[("a process of this boot", &innocent.running)]);
        end(innocent);
    });
}

#[test]
fn a_run_of_another_namespace_is_kept_and_said_so() {
    alone(|| {
        let bench = Bench::new();
        // One that a group's rule names as well, but that lies elsewhere.
        let folder = outside();
        fs::write(folder.path().join("test.py"), SCRIPT).unwrap();
        let running = python(&bench, [folder.path().join("test.py")]);
        let identity = identity(running.pid());
        let innocent = Innocent { running, identity };
        let mut first = opened(&bench);
        first["pid_namespace"] = json!(namespace() - 1);
        let [starting, started] = started(&innocent.identity);
        let folder = put(&bench, lines(&[first, starting, started]));
        for command in COMMANDS
            .into_iter()
            .chain([&["cleanup", "--all", "--dry-run"][..]])
        {
            let document = xtask(&bench, 0, command);
            assert_eq!(document["runs"][0]["action"], "kept", "{command:?}");
            assert_eq!(document["runs"][0]["kept"], "other_namespace");
            let text = bench.run(command).expect(0).stdout;
            assert!(
                text.contains("another PID namespace"),
                "{command:?}: {text}"
            );
            assert_alive(&[("a process of this namespace", &innocent.running)]);
        }
        // A command that names it says that it cannot be done from here.
        xtask(&bench, 107, &["cleanup", "--run", RUN]);
        assert_alive(&[("a process of this namespace", &innocent.running)]);
        assert!(folder.exists());
        end(innocent);
    });
}

#[test]
fn lock_files_of_a_run_that_is_not_over_stay() {
    alone(|| {
        let bench = Bench::with_config("[profile.demo]\nlock_files = [\"*.lock\"]\n");
        let lock = bench.write("a.lock", "");
        let mut first = opened(&bench);
        first["pid_namespace"] = json!(namespace() - 1);
        let folder = put(&bench, lines(&[first]));
        let ended = xtask(&bench, 0, &["postflight"]);
        assert_eq!(ended["runs"][0]["kept"], "other_namespace");
        assert_eq!(ended["lock_files"][0]["removed"], false);
        assert!(lock.exists());
        fs::remove_dir_all(folder).unwrap();
        xtask(&bench, 0, &["postflight"]);
        assert!(!lock.exists());
    });
}

#[test]
fn a_torn_tail_is_cut_off() {
    alone(|| {
        let bench = Bench::new();
        let innocent = innocent(&bench);
        let [starting, started] = started(&innocent.identity);
        let whole = lines(&[opened(&bench), starting, started]);
        let torn = lines(&[json!({"entry": "detached"})]);
        put(&bench, whole + &torn[..torn.len() / 2]);
        let finished = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(finished["damaged"], json!([]));
        assert_gone(&[("the member", &innocent.running)]);
        // What was appended behind the cut can be read.
        let next = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(next["runs"], json!([]));
    });
}

#[test]
fn a_ledger_that_cannot_be_read_is_set_aside_and_nothing_is_ended_on_its_word() {
    alone(|| {
        let bench = Bench::new();
        let innocent = innocent(&bench);
        let entries = || {
            let [starting, started] = started(&innocent.identity);
            [opened(&bench), starting, started]
        };
        let mut newer = entries();
        newer[0]["version"] = json!(2);
        let mut flipped = lines(&entries()).into_bytes();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let [_, ref second, ref third] = entries();
        for (case, bytes, message) in [
            (
                "a newer version",
                lines(&newer).into_bytes(),
                "newer version",
            ),
            ("a flipped bit", flipped, "damaged"),
            (
                "garbage",
                b"\x00\xff\xfegarbage\n\n{}\n".to_vec(),
                "damaged",
            ),
            (
                "zeros",
                vec![0; 4096].into_iter().chain(*b"\n").collect(),
                "damaged",
            ),
            (
                "no first entry",
                lines(&[second.clone(), third.clone()]).into_bytes(),
                "damaged",
            ),
            ("an endless line", vec![b'x'; 2 << 20], "damaged"),
        ] {
            for command in COMMANDS {
                let folder = put(&bench, &bytes);
                let document = xtask(&bench, 109, command);
                let damaged = &document["damaged"][0];
                assert!(
                    damaged["error"].as_str().unwrap().contains(message),
                    "{case}: {damaged}"
                );
                assert!(!folder.exists(), "{case}");
                let aside = PathBuf::from(damaged["folder"].as_str().unwrap());
                assert_eq!(fs::read(aside.join("ledger")).unwrap(), bytes, "{case}");
                assert_eq!(xtask(&bench, 0, command)["damaged"], json!([]), "{case}");
                assert_alive(&[(case, &innocent.running)]);
            }
        }
        put(&bench, "garbage\n");
        let text = bench.run(["postflight"]).expect(109).stderr;
        assert!(text.contains("nothing was ended on its word"), "{text}");
        end(innocent);
    });
}

#[test]
fn a_ledger_that_cannot_be_written_keeps_nothing_else_from_being_ended() {
    use std::os::unix::fs::symlink;
    alone(|| {
        for command in COMMANDS {
            let bench = Bench::with_config("[group.python]\nlimit = 0\n");
            let first = innocent(&bench);
            let second = innocent(&bench);
            let [starting, started_first] = started(&first.identity);
            let folder = put(&bench, lines(&[opened(&bench), starting, started_first]));
            // Its lock cannot be opened for writing by any user.
            symlink("/proc/sys/kernel/ostype", folder.join("lock")).unwrap();
            let later = folder.with_file_name("20260102-000000-0badcafe");
            fs::create_dir(&later).unwrap();
            let [starting, started_second] = started(&second.identity);
            let entries = lines(&[opened(&bench), starting, started_second]);
            fs::write(later.join("ledger"), entries).unwrap();
            let stray = script(&bench, "stray.py", SCRIPT);

            let document = xtask(&bench, 104, command);
            assert_eq!(document["runs"][0]["action"], "failed", "{document:#}");
            assert_eq!(document["runs"][1]["action"], "ended");
            assert_alive(&[("a member of the first run", &first.running)]);
            assert_gone(&[("another run's", &second.running), ("a stray", &stray)]);
            let said = bench.run(command).expect(104).stderr;
            assert!(said.contains("not clean: could not end run"), "{said}");
            drop(stray);
            end(first);
        }
    });
}

#[test]
fn looking_at_a_damaged_ledger_leaves_it_where_it_is() {
    alone(|| {
        let bench = Bench::new();
        let folder = put(&bench, "garbage\n");
        for command in [
            &["status"][..],
            &["cleanup"],
            &["cleanup", "--all", "--dry-run"],
            &["preflight", "--check", "--base-port", "auto"],
        ] {
            let document = xtask(&bench, 109, command);
            let damaged = document["damaged"].as_array().unwrap();
            assert_eq!(damaged.len(), 1, "{command:?}: {damaged:?}");
            assert_eq!(damaged[0]["set_aside"], false, "{command:?}");
            let said = bench.run(command).expect(109).stderr;
            assert!(said.contains("it was left in"), "{command:?}: {said}");
            assert!(folder.exists(), "{command:?}");
        }
        let launch = ["launch", "--clients", "1", "--base-port", "auto"];
        let test = ["--", "true"];
        let launched = bench.run([&launch[..], &test].concat()).expect(0);
        assert!(
            launched.stderr.contains("run `cargo xtask preflight`"),
            "{}",
            launched.stderr
        );
        assert!(folder.exists());
        let document = xtask(&bench, 109, &["preflight", "--base-port", "auto"]);
        assert_eq!(document["damaged"][0]["set_aside"], true);
        assert!(!folder.exists());
    });
}

#[test]
fn a_file_among_the_runs_is_set_aside() {
    alone(|| {
        let bench = Bench::new();
        let folder = put(&bench, "");
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "not a folder").unwrap();
        xtask(&bench, 109, &["preflight", "--base-port", "auto"]);
        xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
    });
}

/// A process that opens a named pipe waits for its other end, which no process opens here.
#[test]
fn a_named_pipe_in_the_place_of_a_file_keeps_no_command_waiting() {
    alone(|| {
        let bench = Bench::new();
        let folder = put(&bench, "");
        let scope = folder.parent().unwrap().parent().unwrap();
        let other = scope.with_file_name("other-0123456789abcdef");
        let elsewhere = other.join("runs").join(folder.file_name().unwrap());
        fs::create_dir_all(&elsewhere).unwrap();
        let pipe = |path: PathBuf| {
            let _ = fs::remove_file(&path);
            let made = bench.finish({
                let mut command = bench.command("mkfifo");
                command.arg(path);
                command
            });
            made.expect(0);
        };
        pipe(scope.join("root"));
        pipe(other.join("root"));
        for folder in [&folder, &elsewhere] {
            pipe(folder.join("ledger"));
            pipe(folder.join("lock"));
        }
        for arguments in [&["status"][..], &["cleanup"], &["preflight", "--check"]] {
            xtask(&bench, 109, arguments);
        }
        let damaged = xtask(&bench, 109, &["postflight"]);
        assert_eq!(damaged["damaged"][0]["set_aside"], true);
        xtask(&bench, 0, &["cleanup", "--all"]);
    });
}

#[test]
fn a_run_that_never_began_is_no_damage() {
    alone(|| {
        let bench = Bench::new();
        put(&bench, "");
        xtask(&bench, 0, &["postflight"]);
        let torn = lines(&[opened(&bench)]);
        put(&bench, &torn[..torn.len() - 1]);
        xtask(&bench, 0, &["postflight"]);
    });
}

#[test]
fn a_state_folder_that_cannot_be_used_is_an_error_before_anything_is_done() {
    alone(|| {
        let bench = Bench::new();
        let stray = script(&bench, "stray.py", SCRIPT);
        fs::write(bench.state(), "a file in its place").unwrap();
        for command in [
            &["preflight"][..],
            &["cleanup"],
            &["cleanup", "--all"],
            &["postflight"],
            &["status"],
            &["launch", "--clients", "1", "--base-port", "auto"],
        ] {
            let refused = bench.run(command).expect(106);
            assert!(
                refused.stderr.contains("XTASK_STATE_DIR"),
                "{command:?}: {}",
                refused.stderr
            );
        }
        assert_alive(&[("a stray script", &stray)]);
        assert_eq!(others().len(), 1);
    });
}
