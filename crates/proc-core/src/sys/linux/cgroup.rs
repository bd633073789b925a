//! Control groups of version 2: folders of processes that the kernel keeps, and can kill as one.
//!
//! A process is in the cgroup of its parent from its first instruction on, and nothing that it may do without write
//! access to another cgroup takes it out.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

use super::link::DESCRIPTORS;
use super::procfs::process_of;

/// Of the kernel's `include/uapi/linux/magic.h`.
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// From which length on a path is continued from a descriptor: it takes 4095 bytes, and a name 255.
const LONG_PATH: usize = 3072;

/// A cgroup whose members this process may name, kill and put in.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    /// `cgroup.procs`, for a process to write itself in.
    entrance: File,
}

/// The folders in which this process may make a cgroup and put its children in: its own cgroup first, then those
/// around it, as far as this process can see.
///
/// A process can be moved from one cgroup to another by a user who may write to `cgroup.procs` of both, and of the
/// nearest one around them (cgroups(7), "Delegation containment rules"); the latter is the folder itself here.
pub(crate) fn cgroup_places() -> io::Result<Vec<PathBuf>> {
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or_else(|| io::Error::other("the kernel has no cgroups of version 2"))?;
    let mounts = fs::read("/proc/self/mountinfo")?;
    let (root, mount) = parse_mounts(&mounts)
        .into_iter()
        .find(|(root, _)| Path::new(own).starts_with(root))
        .ok_or_else(|| io::Error::other("no cgroup2 file system shows the own cgroup"))?;
    let below = Path::new(own).strip_prefix(&root).unwrap_or(Path::new(""));
    let places = mount.join(below);
    let places = places
        .ancestors()
        .take_while(|place| place.starts_with(&mount));
    let mut refusal = io::Error::from(Errno::NOENT);
    let mut found = Vec::new();
    for place in places {
        match takes_members(place) {
            Ok(()) => found.push(place.to_owned()),
            Err(error) => {
                refusal = io::Error::new(error.kind(), format!("{}: {error}", place.display()));
            }
        }
    }
    if found.is_empty() {
        Err(refusal)
    } else {
        Ok(found)
    }
}

fn takes_members(place: &Path) -> io::Result<()> {
    rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK)?;
    rustix::fs::access(place.join("cgroup.procs"), Access::WRITE_OK)?;
    Ok(())
}

/// The mounted cgroup2 file systems: which part of the tree, and where. Format: proc(5), `/proc/PID/mountinfo`.
fn parse_mounts(mounts: &[u8]) -> Vec<(PathBuf, PathBuf)> {
    let lines = mounts.split(|b| *b == b'\n');
    lines
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
            let separator = fields.iter().position(|field| *field == b"-")?;
            let is_cgroup = fields.get(separator + 1) == Some(&b"cgroup2".as_slice());
            is_cgroup.then(|| Some((unescape(fields.get(3)?), unescape(fields.get(4)?))))?
        })
        .collect()
}

/// A space, a tab, a line feed and a backslash stand there as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

impl Cgroup {
    /// Makes a cgroup that can be killed as one.
    pub(crate) fn make(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        let made = check(folder).and_then(|()| Self::enter(folder));
        if made.is_err() {
            let _ = fs::remove_dir(folder);
        }
        made
    }

    /// The cgroup in this folder, whatever members have made of it since. `None`: it is gone.
    pub(crate) fn find(folder: &Path) -> io::Result<Option<Self>> {
        match Self::enter(folder) {
            Ok(cgroup) => Ok(Some(cgroup)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn enter(folder: &Path) -> io::Result<Self> {
        // Whatever else bears such a name is no cgroup, and nothing in it is a list of members. A link would lend its name
        // to another cgroup.
        let is_link = fs::symlink_metadata(folder)?.is_symlink();
        if is_link || rustix::fs::statfs(folder)?.f_type != CGROUP2_SUPER_MAGIC {
            return Err(io::Error::other("it is on no cgroup2 file system"));
        }
        let open = |path: &Path| File::options().write(true).open(path);
        let entrance = insist(folder, "cgroup.procs", open)?;
        Ok(Self {
            folder: folder.to_owned(),
            entrance,
        })
    }

    /// Where a process that is about to become a member writes itself in.
    pub(crate) fn entrance(&self) -> BorrowedFd<'_> {
        self.entrance.as_fd()
    }

    /// The PIDs of all members, also in cgroups that members have made inside. No zombies.
    pub(crate) fn pids(&self) -> io::Result<BTreeSet<u32>> {
        let mut pids = BTreeSet::new();
        for folder in &self.folders()?.paths {
            match read_numbers(folder, "cgroup.procs") {
                Ok(list) => pids.extend(list),
                // A threaded cgroup has its processes listed in one around it, which need not be one of the run's.
                Err(error) if is_threaded(&error) => {
                    let threads = read_numbers(folder, "cgroup.threads")?;
                    pids.extend(threads.into_iter().filter_map(process_of));
                }
                Err(error) => return Err(error),
            }
        }
        // A process of another PID namespace shows as 0.
        pids.remove(&0);
        Ok(pids)
    }

    /// Kills all members, those that are being forked included, whatever user they belong to. Not where a member has made the
    /// cgroup threaded: the kernel kills none of those as one.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match insist(&self.folder, "cgroup.kill", |path| fs::write(path, "1")) {
            Err(error) if is_threaded(&error) => Ok(()),
            result => result,
        }
    }

    /// Lets all members go on that were frozen: until then they neither start nor do what they are asked.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        for folder in &self.folders()?.paths {
            match insist(folder, "cgroup.freeze", |path| fs::write(path, "0")) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Moves a member out of it: into the cgroup around it, or else where this process may.
    pub(crate) fn let_out(&self, pid: u32) -> io::Result<()> {
        let around = self.folder.parent().map(Path::to_owned);
        let own = cgroup_places().unwrap_or_default();
        let mut refusal = io::Error::from(Errno::NOENT);
        for place in around.into_iter().chain(own) {
            match fs::write(place.join("cgroup.procs"), pid.to_string()) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    refusal = io::Error::new(error.kind(), format!("{}: {error}", place.display()));
                }
            }
        }
        Err(refusal)
    }

    /// Removes the cgroup and those inside it. It is an error when one of them has members, or has lost its last one
    /// only a moment ago.
    pub(crate) fn remove(&self) -> io::Result<()> {
        // Those inside come first.
        for folder in self.folders()?.paths.iter().rev() {
            let removed = match (folder.parent(), folder.file_name()) {
                (Some(around), Some(name)) if *folder != self.folder => {
                    insist(around, name, |path| fs::remove_dir(path))
                }
                // What is around the run's own is not the run's.
                _ => fs::remove_dir(folder),
            };
            match removed {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The cgroup and all cgroups inside it, each behind the one around it.
    fn folders(&self) -> io::Result<Folders> {
        let mut folders = Folders {
            paths: vec![self.folder.clone()],
            anchors: Vec::new(),
        };
        let mut next = 0;
        while let Some(folder) = folders.paths.get(next).cloned() {
            next += 1;
            match folders.add_those_inside(folder) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(folders)
    }
}

/// Cgroups, by paths that are valid as long as this is there.
struct Folders {
    paths: Vec<PathBuf>,
    /// Folders in which paths begin that would be too long from the root.
    anchors: Vec<File>,
}

impl Folders {
    fn add_those_inside(&mut self, mut folder: PathBuf) -> io::Result<()> {
        let entries = insist(&folder, "", |path| fs::read_dir(path))?;
        let mut is_long = folder.as_os_str().len() > LONG_PATH;
        for entry in entries {
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if is_long {
                folder = self.shorten(&folder)?;
                is_long = false;
            }
            self.paths.push(folder.join(entry.file_name()));
        }
        Ok(())
    }

    fn shorten(&mut self, folder: &Path) -> io::Result<PathBuf> {
        let anchor = File::open(folder)?;
        let path = Path::new(DESCRIPTORS).join(anchor.as_raw_fd().to_string());
        self.anchors.push(anchor);
        Ok(path)
    }
}

/// Whether a new cgroup can have processes, and be killed as one.
fn check(folder: &Path) -> io::Result<()> {
    let kind = fs::read_to_string(folder.join("cgroup.type"))?;
    if kind.trim() != "domain" {
        let text = format!(
            "{} is no cgroup for processes: {}",
            folder.display(),
            kind.trim()
        );
        return Err(io::Error::other(text));
    }
    if !folder.join("cgroup.kill").exists() {
        return Err(io::Error::other("no cgroup.kill: it came with Linux 5.14"));
    }
    Ok(())
}

/// A number a line. None where the cgroup is gone.
fn read_numbers(folder: &Path, list: &str) -> io::Result<Vec<u32>> {
    match insist(folder, list, |path| fs::read_to_string(path)) {
        Ok(list) => Ok(list.lines().filter_map(|line| line.parse().ok()).collect()),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Does something with what lies in the folder of a cgroup. Members of the same user may take away the permission for it
/// as they like, and its owner may give it back.
fn insist<T>(
    folder: &Path,
    name: impl AsRef<Path>,
    attempt: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let path = folder.join(name);
    match attempt(&path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            for path in [folder, &path] {
                // Where another user owns it, the next attempt says so.
                let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
            }
            attempt(&path)
        }
        result => result,
    }
}

/// What is done to processes cannot be done to the threads of a threaded cgroup.
fn is_threaded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error())
}

/// A cgroup that is removed while it is looked at may be gone by name, or only for who has it open.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup2_mounts_are_found_wherever_they_are() {
        let mounts = b"25 30 0:23 / /sys rw - sysfs sysfs rw\n\
            42 32 0:39 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n\
            43 32 0:40 /user\\040a /mnt/a\\134b ro master:1 shared:2 - cgroup2 none ro\n\
            44 32 0:41 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let found = parse_mounts(mounts);
        let expected = [("/", "/sys/fs/cgroup/unified"), ("/user a", "/mnt/a\\b")];
        let expected = expected.map(|(root, mount)| (PathBuf::from(root), PathBuf::from(mount)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(b"a\\"), PathBuf::from("a\\"));
        assert_eq!(unescape(b"\\9zz"), PathBuf::from("\\9zz"));
    }
}
