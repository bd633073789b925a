//! Whether a file of another process is the same as one of this process, by what is mounted where.
//!
//! The other one's file is not touched for it: it may be on a file system that is not served any more, and to look at
//! that takes for ever. What is compared instead is the file system on which it lies, and its path or number there,
//! from `/proc/PID/mountinfo` and `/proc/PID/fdinfo` (`proc_pid_mountinfo(5)`, `proc_pid_fdinfo(5)`).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A mount that a process sees.
#[derive(Debug)]
struct Mount {
    id: u64,
    parent: u64,
    /// The file system: the major and the minor number of its device.
    device: String,
    /// Which folder of the file system is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

/// Whether a path, which has no links in it, leads a process to the same file as this one. A container has files of its
/// own, and so has a process that changed its root: what such a process calls by a path of this one is something else.
pub(crate) fn sees(pid: u32, path: &Path) -> Option<bool> {
    let of = |pid: &str, what: &str| fs::read_link(format!("/proc/{pid}/{what}")).ok();
    let them = pid.to_string();
    let is_here = of(&them, "ns/mnt")? == of("self", "ns/mnt")?;
    let root = of(&them, "root")?;
    if is_here && root == of("self", "root")? {
        return Some(true);
    }
    let ours = mounts("self")?;
    let own = place(&ours, path)?;
    let theirs = if is_here {
        place(&ours, &root.join(path.strip_prefix("/").ok()?))
    } else {
        place(&mounts(&them)?, path)
    };
    Some(theirs == Some(own))
}

/// Whether a process has this file open. Where the kernel (before Linux 5.14) does not tell the numbers of files, only what
/// was opened by the same path counts.
pub(crate) fn has_open(pid: u32, path: &Path) -> bool {
    holds(pid, path).unwrap_or(false)
}

fn holds(pid: u32, path: &Path) -> Option<bool> {
    let number = fs::metadata(path).ok()?.ino();
    let path = fs::canonicalize(path).ok()?;
    let mut known = mounts("self")?;
    let (device, _) = place(&known, &path)?;
    // A descriptor keeps the mount by which it was opened, also where its process has another mount namespace by now. The
    // numbers of mounts are unique.
    known.extend(mounts(&pid.to_string())?);
    let mut open = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?.flatten();
    Some(open.any(|entry| {
        let facts = fs::read_to_string(entry.path()).unwrap_or_default();
        let fact = |name: &str| -> Option<u64> {
            let mut lines = facts.lines();
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        let mount = fact("mnt_id:").and_then(|id| known.iter().find(|mount| mount.id == id));
        if let (Some(file), Some(mount)) = (fact("ino:"), mount) {
            return file == number && mount.device == device;
        }
        let links = Path::new("/proc").join(pid.to_string()).join("fd");
        fs::read_link(links.join(entry.file_name())).is_ok_and(|opened| opened == path)
    }))
}

fn mounts(pid: &str) -> Option<Vec<Mount>> {
    Some(parse(&fs::read(format!("/proc/{pid}/mountinfo")).ok()?))
}

/// The file system on which a path ends, and the path within that.
fn place(mounts: &[Mount], path: &Path) -> Option<(String, PathBuf)> {
    // What is mounted at the root of all that the process sees is on nothing that it sees, but for itself.
    let is_mounted_on = |mount: &&Mount| {
        let mut others = mounts.iter().filter(|other| other.id != mount.id);
        others.any(|other| other.id == mount.parent)
    };
    let mut at = mounts
        .iter()
        .find(|mount| mount.point == Path::new("/") && !is_mounted_on(mount))?;
    // On its way a path comes to the nearest mount first, and to what is mounted on top of that.
    for _ in mounts {
        let next = mounts.iter().filter(|mount| {
            mount.parent == at.id
                && mount.id != at.id
                && path.starts_with(&mount.point)
                && mount.point.starts_with(&at.point)
        });
        match next.min_by_key(|mount| mount.point.as_os_str().len()) {
            Some(mount) => at = mount,
            None => break,
        }
    }
    let rest = path.strip_prefix(&at.point).ok()?;
    Some((at.device.clone(), at.root.join(rest)))
}

fn parse(text: &[u8]) -> Vec<Mount> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut next = || fields.next();
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    Some(Mount {
        id: number(next()?)?,
        parent: number(next()?)?,
        device: String::from_utf8(next()?.to_vec()).ok()?,
        root: unescape(next()?),
        point: unescape(next()?),
    })
}

/// A path as it was before spaces and the like were written as three octal digits behind a backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        let escaped = others
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &others[3..]
        } else {
            others
        };
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &str) -> (String, PathBuf) {
        place(&parse(text.as_bytes()), Path::new(path)).unwrap()
    }

    fn on(device: &str, path: &str) -> (String, PathBuf) {
        (device.to_owned(), path.into())
    }

    const HOST: &str = "\
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        23 22 0:5 / /proc rw - proc proc rw\n\
        24 22 8:2 / /home rw shared:2 - ext4 /dev/sda2 rw\n\
        25 24 0:60 / /home/me/a\\040net rw - nfs server:/x rw\n";

    #[test]
    fn a_path_ends_on_the_mount_that_is_deepest_on_its_way() {
        assert_eq!(at(HOST, "/srv/x"), on("8:1", "/srv/x"));
        assert_eq!(at(HOST, "/home/me/game"), on("8:2", "/me/game"));
        assert_eq!(at(HOST, "/home/me/a net/y"), on("0:60", "/y"));
        assert_eq!(at(HOST, "/home/me/a network"), on("8:2", "/me/a network"));
    }

    #[test]
    fn a_container_that_is_given_the_folder_sees_it_and_no_other_does() {
        let given = "\
            90 80 0:70 / / rw - overlay overlay rw\n\
            91 90 8:2 /me/game /home/me/game rw - ext4 /dev/sda2 rw\n";
        assert_eq!(at(given, "/home/me/game/x"), at(HOST, "/home/me/game/x"));
        let another = given.replace("/me/game /home", "/me/other /home");
        assert_ne!(at(&another, "/home/me/game/x"), at(HOST, "/home/me/game/x"));
        assert_eq!(at(given, "/home/me/x"), on("0:70", "/home/me/x"));
    }

    #[test]
    fn what_is_mounted_on_top_hides_what_is_below() {
        let stacked = format!(
            "{HOST}\
             30 25 0:61 / /home/me/a\\040net rw - tmpfs tmpfs rw\n\
             31 24 0:62 / /home/me rw - tmpfs tmpfs rw\n"
        );
        // The whole folder, with the mounts in it, lies below the last one.
        assert_eq!(at(&stacked, "/home/me/a net/y"), on("0:62", "/a net/y"));
        let on_top = stacked.replace("31 24", "31 99");
        assert_eq!(at(&on_top, "/home/me/a net/y"), on("0:61", "/y"));
    }

    #[test]
    fn a_root_that_is_mounted_on_itself_is_one() {
        let initial = "1 1 0:2 / / rw - rootfs none rw\n23 1 0:5 / /proc rw - proc proc rw\n";
        assert_eq!(at(initial, "/srv/x"), on("0:2", "/srv/x"));
    }

    #[test]
    fn without_a_root_nothing_is_known() {
        for text in [
            "24 22 8:2 / /home rw - ext4 /dev/sda2 rw\n",
            "",
            "x y\n\n7\n",
        ] {
            assert_eq!(place(&parse(text.as_bytes()), Path::new("/x")), None);
        }
    }

    #[test]
    fn this_process_sees_what_it_sees() {
        let folder = std::env::current_dir().unwrap();
        assert_eq!(sees(std::process::id(), &folder), Some(true));
        let mounts = parse(&fs::read("/proc/self/mountinfo").unwrap());
        assert!(place(&mounts, &folder).is_some());
        assert_eq!(sees(4_000_000, &folder), None);
    }

    #[test]
    fn an_open_file_is_told_by_whatever_name_it_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other, link] = ["a", "b", "c"].map(|name| folder.path().join(name));
        fs::write(&path, "").unwrap();
        fs::write(&other, "").unwrap();
        fs::hard_link(&path, &link).unwrap();
        let own = std::process::id();
        assert!(!has_open(own, &path));
        let open = fs::File::open(&link).unwrap();
        assert!(has_open(own, &path));
        assert!(!has_open(own, &other));
        drop(open);
        assert!(!has_open(own, &path));
        assert!(!has_open(own, &folder.path().join("d")));
    }
}
