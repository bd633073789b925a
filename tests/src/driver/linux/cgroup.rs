//! Cgroups for tests: one that was handed over to an ordinary user, as a service manager does it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::driver::{poll, wait_for};

/// Where the cgroups of version 2 are mounted.
pub fn mount() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let folder = fields.next()?;
        (fields.next()? == "cgroup2").then_some(folder)
    })?;
    Some(PathBuf::from(mount))
}

/// The cgroup of this test, in which those of its runs are made. `None`: this user may not make any there.
pub fn root() -> Option<PathBuf> {
    let own = of(std::process::id())?;
    let root = mount()?.join(own.trim_start_matches('/'));
    rustix::fs::access(&root, rustix::fs::Access::WRITE_OK).ok()?;
    Some(root)
}

/// The cgroup that the kernel says a process is in, from the root of the tree.
pub fn of(pid: u32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(own.to_owned())
}

/// The cgroups that are still there of these runs, given by their folders, below this one.
pub fn left_of(runs: &[PathBuf], place: &Path) -> Vec<PathBuf> {
    let names = runs.iter().filter_map(|run| run.file_name()?.to_str());
    let folders = names.map(|run| place.join(format!("clean-slate-{run}")));
    folders.filter(|folder| folder.exists()).collect()
}

/// A cgroup that belongs to a user. Dropping it kills what is in it and removes it.
#[derive(Debug)]
pub struct Delegated(PathBuf);

impl Delegated {
    /// Makes one. `None`: this user cannot.
    pub fn to(user: u32) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
        let namespace: String = namespace
            .to_string_lossy()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let name = format!(
            "clean-slate-test-{namespace}-{}-{number}",
            std::process::id()
        );
        let folder = root()?.join(name);
        fs::create_dir(&folder).ok()?;
        let delegated = Self(folder);
        // What cgroups(7) names for a delegation: the folder and these files, and nothing else in it.
        for path in [
            "",
            "cgroup.procs",
            "cgroup.threads",
            "cgroup.subtree_control",
        ] {
            std::os::unix::fs::chown(delegated.0.join(path), Some(user), Some(user)).ok()?;
        }
        Some(delegated)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The words that let the command behind them start in it.
    pub fn entrance(&self) -> [OsString; 4] {
        let script = "echo 0 > \"$0\" && exec \"$@\"";
        let members = self.0.join("cgroup.procs");
        ["sh".into(), "-c".into(), script.into(), members.into()]
    }

    /// The cgroups that were made in it.
    pub fn inside(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let folders = entries.flatten().map(|entry| entry.path());
        folders.filter(|path| path.is_dir()).collect()
    }

    /// Fails unless no process is in it, and no cgroup was left in it.
    #[track_caller]
    pub fn assert_empty(&self) {
        wait_for(Duration::from_secs(2), "an empty cgroup", || {
            let events = fs::read_to_string(self.0.join("cgroup.events")).unwrap_or_default();
            events.contains("populated 0") && self.inside().is_empty()
        });
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        poll(Duration::from_secs(2), || {
            for folder in self.inside() {
                let _ = fs::remove_dir(folder);
            }
            fs::remove_dir(&self.0).ok()
        });
    }
}
