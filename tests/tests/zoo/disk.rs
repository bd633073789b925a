//! A full disk below the state folder, with ledger and logs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_core::ledger::{RunState, Runs};
use tests::{Bench, PATIENCE, wait_for};

/// The size of what a file system gives away at a time. A ledger may grow on a full disk to the end of its last one.
const PAGE: usize = 4096;

/// How much room is left in the page of a ledger: less than the shortest entry takes, and more than two ledgers of the
/// same launch differ by.
const CREVICE: usize = 14;

/// What the state folder lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// A disk with room.
    Roomy,
    /// A small one, which the test of the run fills.
    Filled,
    /// The same, and the last entry for which the ledger has room is that of the test's start.
    FilledLedger,
}

/// A file system of its own with hardly any room, for as long as this is there.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one at the place of a bench's state folder. `None`: this user cannot.
    pub(crate) fn below(bench: &Bench) -> Option<Self> {
        let folder = bench.state();
        std::fs::create_dir(&folder).unwrap();
        let options = "size=256k,nr_inodes=100,mode=0777,huge=never";
        let mount = ["-t", "tmpfs", "-o", options, "none"];
        is_done(Command::new("mount").args(mount).arg(&folder)).then_some(Self { folder })
    }

    /// Takes all room for bytes.
    pub(crate) fn fill(&self) {
        let mut junk = File::create(self.junk()).unwrap();
        let end = io::copy(&mut io::repeat(0), &mut junk).map_err(|error| error.kind());
        assert_eq!(end, Err(io::ErrorKind::StorageFull));
    }

    /// Takes all room for files.
    pub(crate) fn fill_with_files(&self) {
        std::fs::create_dir(self.junk()).unwrap();
        let made = (0..1000).try_for_each(|number| {
            let file = self.junk().join(number.to_string());
            File::create_new(file).map(drop)
        });
        assert_eq!(
            made.map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
    }

    /// Gives so much of it back.
    fn give_back(&self, length: usize) {
        let junk = File::options().write(true).open(self.junk()).unwrap();
        let left = junk.metadata().unwrap().len() - length as u64;
        junk.set_len(left).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn clear(&self) {
        let junk = self.junk();
        let _ = std::fs::remove_file(&junk).or_else(|_| std::fs::remove_dir_all(&junk));
    }

    /// The file with which a test command takes all room.
    pub(crate) fn junk_of(bench: &Bench) -> PathBuf {
        bench.state().join("junk")
    }

    fn junk(&self) -> PathBuf {
        self.folder.join("junk")
    }

    /// Waits until another process has taken all room.
    pub(crate) fn wait_until_full(&self) {
        let is_full = || rustix::fs::statvfs(&self.folder).unwrap().f_bavail == 0;
        wait_for(PATIENCE, "a full disk", is_full);
    }
}

/// How long the path of the next test is to be, so that the ledger of a run has no room for what comes after its start.
/// A run of the bench's that is like it has had a test with a path of this length.
pub(crate) fn length_of_path(bench: &Bench, length: usize) -> usize {
    // What comes next says that the test has ended.
    let is_next = |line: &str| line.contains("\"exited\"") && line.contains("\"test\"");
    length + PAGE - CREVICE - length_before(bench, is_next).unwrap()
}

/// How long the ledger of the bench's only run is before this entry. `None`: it has no such entry.
fn length_before(bench: &Bench, is_entry: impl Fn(&str) -> bool) -> Option<usize> {
    let ledger = std::fs::read(bench.runs().last().unwrap().join("ledger")).unwrap();
    let ledger = String::from_utf8(ledger).unwrap();
    let lines: Vec<&str> = ledger.split_inclusive('\n').collect();
    let place = lines.iter().position(|line| is_entry(line))?;
    Some(lines[..place].iter().copied().map(str::len).sum())
}

/// Fails unless the next command finds all runs of the bench over, now that there is room to write it down.
pub(crate) fn assert_all_are_closed(bench: &Bench) {
    bench.run(["preflight", "--base-port=auto"]).expect(0);
    for folder in bench.runs() {
        let run = Runs::read_one(&folder).unwrap().unwrap();
        assert_eq!(run.state, RunState::Closed);
    }
}

/// Fails unless the longest ledger of the bench ends with the start of its test.
pub(crate) fn assert_ledger_is_full(bench: &Bench) {
    let runs = bench.runs().into_iter();
    let ledgers = runs.map(|run| std::fs::read(run.join("ledger")).unwrap());
    let ledger = ledgers.max_by_key(Vec::len).unwrap();
    // What a failed attempt has left of an entry is no line.
    let end = ledger.iter().rposition(|byte| *byte == b'\n').unwrap();
    let ledger = String::from_utf8_lossy(&ledger[..end]);
    assert!(ledger.lines().last().is_some_and(is_start), "{ledger}");
}

/// Whether a line of a ledger says that a test was started.
fn is_start(line: &str) -> bool {
    line.contains("\"started\"") && line.contains("\"test\"")
}

/// The path of a program, made longer without another meaning.
pub(crate) fn lengthen(path: &Path, length: usize) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap().display().to_string();
    let more = length.saturating_sub(relative.len() + 1) / 2;
    format!("/{}{relative}", "./".repeat(more)).into()
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also where a process still has a file of it open, after a test that has failed.
        is_done(Command::new("umount").arg("--lazy").arg(&self.folder));
    }
}

/// Launches where there is no room for anything from the beginning, in scopes that are new and that are known.
pub(crate) fn refuse_to_launch() {
    refuse_to_launch_without("bytes", SmallDisk::fill, [106, 110]);
    // Not even a folder can be made for the run.
    refuse_to_launch_without("files", SmallDisk::fill_with_files, [106, 106]);
}

fn refuse_to_launch_without(what: &str, fill: fn(&SmallDisk), [new, known]: [i32; 2]) {
    let bench = Bench::with_demo(&[]);
    let disk = SmallDisk::below(&bench).unwrap();
    fill(&disk);
    launch_in_vain(&bench, what, new);
    disk.clear();
    let launch = ["--clients=1", "--", "true"];
    bench.finish(bench.launch(launch)).expect(0);
    fill(&disk);
    launch_in_vain(&bench, what, known);
}

fn launch_in_vain(bench: &Bench, what: &str, code: i32) {
    let launch = ["--clients=2", "--", "touch", "tested"];
    let finished = bench.finish(bench.launch(launch)).expect(code);
    let last = finished.event("run_finished");
    assert!(
        last["message"].as_str().unwrap().contains("No space left"),
        "{what}: {last}"
    );
    assert_eq!(finished.event_names(), ["run_finished"], "{what}");
    assert!(!bench.root().join("tested").exists(), "{what}");
    bench.assert_nothing_left();
}

/// Launches whose ledger has room for what comes before these entries, and for nothing more. Each is written before the
/// first client is started.
pub(crate) fn refuse_to_contain() {
    for entry in ["containing", "contained"] {
        let bench = Bench::with_demo(&[]);
        let disk = SmallDisk::below(&bench).unwrap();
        let launch = ["--clients=1", "--", "true"];
        bench.finish(bench.launch(launch)).expect(0);
        let Some(used) = length_before(&bench, |line| line.contains(&format!("\"{entry}\"")))
        else {
            tests::skip(&format!("no run is opened with the entry {entry} here"));
            continue;
        };
        // The first entry names the root.
        let length = bench.root().as_os_str().len() + PAGE - CREVICE - used;
        let root = make_deep_root(&bench, length);
        let finish = |mut command: Command| {
            command.current_dir(&root);
            bench.finish(command)
        };
        finish(bench.launch(launch)).expect(0);
        disk.fill();
        disk.give_back(PAGE);
        let refused = finish(bench.launch(launch)).expect(110);
        assert!(
            refused.stdout.contains("No space left"),
            "{entry}: {}",
            refused.stdout
        );
        assert_eq!(refused.event_names(), ["run_finished"], "{entry}");
        bench.assert_nothing_left();
        for run in bench.runs() {
            let name = format!("clean-slate-{}", run.file_name().unwrap().display());
            let root = tests::cgroup::root();
            assert!(
                root.is_none_or(|root| !has_folder(&root, &name)),
                "{entry}: {name}"
            );
        }
        disk.clear();
        finish(bench.xtask(["preflight", "--base-port=auto"])).expect(0);
    }
}

/// A project of the bench with the same configuration, whose path has this length.
fn make_deep_root(bench: &Bench, length: usize) -> PathBuf {
    let config = bench.root().join("xtask.toml");
    let mut root = bench.root();
    loop {
        // With the separator.
        let open = length - root.as_os_str().len() - 1;
        // What is left after a full name must be a name as well.
        let name = if open > 255 { open.min(200) } else { open };
        root.push("d".repeat(name));
        if name == open {
            break;
        }
    }
    std::fs::create_dir_all(&root).unwrap();
    std::fs::copy(config, root.join("xtask.toml")).unwrap();
    root
}

fn has_folder(root: &Path, name: &str) -> bool {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.any(|folder| folder.file_name() == name || has_folder(&folder.path(), name))
}

/// Lets a client fill the disk before the test is started, which then is not: the ledger has no room to record it.
pub(crate) fn refuse_to_test() {
    let bench = Bench::new();
    let _disk = SmallDisk::below(&bench).unwrap();
    bench.write("xtask.toml", &bench.zoo_profile("zoo", "flooder"));
    let touch = lengthen(Path::new("/usr/bin/touch"), PAGE - 100);
    let mut command = bench.launch(["--profile=zoo", "--clients=2", "--grace=300ms", "--"]);
    command.arg(touch).arg("tested");
    let finished = bench.finish(command).expect(110);
    bench.assert_nothing_left();
    let message = finished.event("run_finished")["message"].to_string();
    assert!(message.contains("No space left"), "{message}");
    assert_eq!(finished.events_of("client_ready").len(), 2);
    assert!(!bench.root().join("tested").exists());
}

/// Whether this user can have a small disk. It says so where not.
pub(crate) fn is_available() -> bool {
    let can = SmallDisk::below(&Bench::new()).is_some();
    if !can {
        tests::skip("this user cannot mount a tmpfs, so no disk is ever full");
    }
    can
}

#[expect(clippy::disallowed_methods, reason = "it only mounts and ends")]
fn is_done(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
