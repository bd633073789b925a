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

    /// Waits until somebody else has taken all room.
    pub(crate) fn wait_until_full(&self) {
        let is_full = || rustix::fs::statvfs(&self.folder).unwrap().f_bavail == 0;
        wait_for(PATIENCE, "a full disk", is_full);
    }
}

/// How long the path of the next test is to be, so that the ledger of a run has no room for what comes after its start.
/// A run of the bench's that is like it has had a test with a path of this length.
pub(crate) fn length_of_path(bench: &Bench, length: usize) -> usize {
    let ledger = std::fs::read(bench.runs().last().unwrap().join("ledger")).unwrap();
    let ledger = String::from_utf8(ledger).unwrap();
    let lines = ledger.split_inclusive('\n');
    let from_the_end = lines.rev().skip_while(|line| !is_start(line));
    let used: usize = from_the_end.map(str::len).sum();
    length + PAGE - CREVICE - used
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

/// Lets a client fill the disk before the test is started, which then is not: nobody could write down that it was.
pub(crate) fn refuse_to_test() {
    let bench = Bench::new();
    let _disk = SmallDisk::below(&bench).unwrap();
    let config = format!(
        "[profile.zoo]\nprogram = {:?}\nargs = [\"flooder\", \"--port={{port}}\", {:?}]\n",
        tests::binary("zoo").display().to_string(),
        format!("--witness={}", bench.witness().display()),
    );
    bench.write("xtask.toml", &config);
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
pub(crate) fn can_be_had() -> bool {
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
