//! Reading a ledger back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Entry, FILE, LARGEST, LedgerError, Opened, VERSION};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::membership::Member;
use crate::status::ExitStatus;
use crate::sys;

/// What a ledger says about its run.
#[derive(Clone, Debug)]
pub struct History {
    /// How it began.
    pub opened: Opened,
    /// How everything that it starts is contained. `None`: it has not come that far.
    pub mechanism: Option<Mechanism>,
    /// The folders in which its cgroup was to be made.
    pub cgroups: Vec<PathBuf>,
    /// Its clients and its test.
    pub members: BTreeMap<Member, MemberHistory>,
    /// Whether it goes on without its launcher.
    pub detached: bool,
    /// Why it is being ended, if it is.
    pub ending: Option<String>,
    /// Whether it is over, with nothing left but what lives on.
    pub closed: bool,
    /// What lived on when it was closed.
    pub exempt: Vec<Identity>,
}

/// What a ledger says about one member.
#[derive(Clone, Debug)]
pub struct MemberHistory {
    /// The program, for people.
    pub program: String,
    /// The port that it was to serve.
    pub port: Option<u16>,
    /// Globs for the programs that it may leave behind.
    pub survive: Vec<String>,
    /// The process that it was started as. `None`: it was about to be started.
    pub identity: Option<Identity>,
    /// The kernel's own number of that process, where it has one.
    pub number: Option<u64>,
    /// Where it has answered.
    pub url: Option<String>,
    /// How that process has ended.
    pub status: Option<ExitStatus>,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl History {
    /// Reads the ledger in a run's folder. `None`: the run never got as far as its first entry.
    pub fn read(folder: &Path) -> Result<Option<Self>, LedgerError> {
        let path = folder.join(FILE);
        match sys::read_plain_file(&path, LARGEST) {
            Ok(bytes) => Self::parse(&bytes, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LedgerError::Io {
                operation: "read",
                path,
                source,
            }),
        }
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Option<Self>, LedgerError> {
        let mut history: Option<Self> = None;
        // What stands behind the last line feed is a torn tail: empty, or the start of an entry.
        let whole = bytes
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(&bytes[..0], |end| &bytes[..end]);
        if whole.is_empty() {
            return if bytes.len() < FIRST_LINE_LIMIT {
                Ok(None)
            } else {
                Err(damaged(path, 1))
            };
        }
        for (index, line) in whole.split(|b| *b == b'\n').enumerate() {
            let json = checked(line).ok_or_else(|| damaged(path, index + 1))?;
            match &mut history {
                None => history = Some(Self::begin(json, path)?),
                Some(history) => {
                    history
                        .add(serde_json::from_slice(json).map_err(|_| damaged(path, index + 1))?);
                }
            }
        }
        Ok(history)
    }

    /// Its clients and its test, as the processes that were started for them.
    pub fn identities(&self) -> impl Iterator<Item = (Identity, Member)> {
        let members = self.members.iter();
        members.filter_map(|(member, history)| Some((history.identity?, *member)))
    }

    /// The processes that hold the run: its launcher, unless it goes on without it, and its owner.
    pub fn holders(&self) -> impl Iterator<Item = Identity> {
        let launcher = self.opened.launcher.filter(|_| !self.detached);
        launcher.into_iter().chain(self.opened.owner)
    }

    fn begin(json: &[u8], path: &Path) -> Result<Self, LedgerError> {
        let header: Header = serde_json::from_slice(json).map_err(|_| damaged(path, 1))?;
        if header.version > VERSION {
            return Err(LedgerError::Newer {
                path: path.to_owned(),
                version: header.version,
            });
        }
        match serde_json::from_slice(json) {
            Ok(Entry::Opened(opened)) => Ok(Self {
                opened,
                mechanism: None,
                cgroups: Vec::new(),
                members: BTreeMap::new(),
                detached: false,
                ending: None,
                closed: false,
                exempt: Vec::new(),
            }),
            _ => Err(damaged(path, 1)),
        }
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Containing { cgroup } => self.cgroups.push(cgroup),
            Entry::Contained { mechanism } => self.mechanism = Some(mechanism),
            Entry::Starting {
                member,
                program,
                port,
                survive,
            } => {
                self.members.insert(
                    member,
                    MemberHistory {
                        program,
                        port,
                        survive,
                        identity: None,
                        number: None,
                        url: None,
                        status: None,
                    },
                );
            }
            Entry::Started {
                member,
                identity,
                number,
            } => {
                if let Some(member) = self.members.get_mut(&member) {
                    member.identity = Some(identity);
                    member.number = number;
                }
            }
            Entry::Ready { member, url } => {
                if let Some(member) = self.members.get_mut(&member) {
                    member.url = Some(url);
                }
            }
            Entry::Exited { member, status } => {
                if let Some(member) = self.members.get_mut(&member) {
                    member.status = Some(status);
                }
            }
            Entry::Detached => self.detached = true,
            Entry::Ending { reason } => self.ending = Some(reason),
            Entry::Closed { exempt } => {
                self.closed = true;
                self.exempt = exempt;
            }
            Entry::Opened(_) | Entry::Other => {}
        }
    }
}

/// A first line is never this long, so a longer file without any line feed was not written by this tool.
const FIRST_LINE_LIMIT: usize = 1 << 20;

fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (crc32fast::hash(json) == sum).then_some(json)
}

fn damaged(path: &Path, line: usize) -> LedgerError {
    LedgerError::Damaged {
        path: path.to_owned(),
        line,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::super::Ledger;
    use super::*;
    use crate::identity::Boot;

    /// How some run began.
    pub(in crate::ledger) fn opened(version: u32) -> Opened {
        let boot = Boot::new(7);
        Opened {
            version,
            run: "20260101-000000-00000000".into(),
            root: "/project".into(),
            time: "1970-01-01T00:00:00Z".into(),
            boot,
            pid_namespace: 1,
            guardian: Identity {
                pid: 10,
                start: 20,
                boot,
            },
            guardian_number: None,
            launcher: None,
            owner: None,
            mark: None,
            ports: vec![8080],
            grace: None,
        }
    }

    fn ledger(folder: &Path) -> Vec<u8> {
        let boot = Boot::new(7);
        let mut ledger = Ledger::create(folder, opened(VERSION)).unwrap();
        let member = Member::Client(1);
        ledger
            .append(&Entry::Starting {
                member,
                program: "p".into(),
                port: Some(8080),
                survive: Vec::new(),
            })
            .unwrap();
        ledger
            .append(&Entry::Started {
                member,
                identity: Identity {
                    pid: 11,
                    start: 21,
                    boot,
                },
                number: None,
            })
            .unwrap();
        ledger
            .append(&Entry::Exited {
                member,
                status: ExitStatus::Code(3),
            })
            .unwrap();
        ledger
            .append(&Entry::Closed { exempt: Vec::new() })
            .unwrap();
        fs::read(folder.join(FILE)).unwrap()
    }

    /// As on a full disk on which room is made later.
    #[test]
    fn an_entry_that_was_written_in_part_is_cut_off_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::create(folder.path(), opened(VERSION)).unwrap();
        let path = folder.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"01234567 {\"entry\":\"sta");
        fs::write(&path, bytes).unwrap();
        ledger.append(&Entry::Detached).unwrap();
        ledger
            .append(&Entry::Closed { exempt: Vec::new() })
            .unwrap();
        let history = History::read(folder.path()).unwrap().unwrap();
        assert!(history.detached && history.closed);
    }

    #[test]
    fn a_crash_at_any_byte_leaves_a_readable_ledger_with_a_prefix_of_the_acts() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = ledger(folder.path());
        let mut most = 0;
        for end in 0..=bytes.len() {
            fs::write(folder.path().join(FILE), &bytes[..end]).unwrap();
            let lines = String::from_utf8_lossy(&bytes[..end]).matches('\n').count();
            let history = History::read(folder.path())
                .unwrap_or_else(|error| panic!("cut at {end}: {error}"));
            assert_eq!(history.is_some(), lines > 0, "cut at {end}");
            if let Some(history) = history {
                assert_eq!(history.members.len(), usize::from(lines > 1));
                assert_eq!(history.closed, lines == 5);
                // Going on after the crash writes behind the last whole entry.
                Ledger::reopen(folder.path())
                    .unwrap()
                    .append(&Entry::Detached)
                    .unwrap();
                assert!(
                    History::read(folder.path()).unwrap().unwrap().detached,
                    "cut at {end}"
                );
            }
            most = most.max(lines);
        }
        assert_eq!(most, 5);
    }

    #[test]
    fn a_flipped_byte_in_any_whole_line_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = ledger(folder.path());
        for position in 0..bytes.len() - 1 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0x01;
            fs::write(folder.path().join(FILE), &flipped).unwrap();
            let read = History::read(folder.path());
            assert!(
                matches!(read, Err(LedgerError::Damaged { .. })),
                "byte {position}: {read:?}"
            );
        }
    }

    /// Ledgers of systems whose kernel has no such numbers, and those of older versions, are the same to the byte.
    #[test]
    fn the_kernels_numbers_are_read_back_and_written_only_where_there_are_some() {
        let folder = tempfile::tempdir().unwrap();
        let written = String::from_utf8(ledger(folder.path())).unwrap();
        assert!(!written.contains("number"), "{written}");
        let history = History::read(folder.path()).unwrap().unwrap();
        let member = Member::Client(1);
        assert_eq!(history.members[&member].number, None);

        let folder = tempfile::tempdir().unwrap();
        let opened = Opened {
            guardian_number: Some(90),
            ..opened(VERSION)
        };
        let mut ledger = Ledger::create(folder.path(), opened).unwrap();
        let identity = history.members[&member].identity.unwrap();
        let starting = Entry::Starting {
            member,
            program: "p".into(),
            port: None,
            survive: Vec::new(),
        };
        let started = Entry::Started {
            member,
            identity,
            number: Some(u64::MAX),
        };
        for entry in [starting, started] {
            ledger.append(&entry).unwrap();
        }
        let history = History::read(folder.path()).unwrap().unwrap();
        assert_eq!(history.opened.guardian_number, Some(90));
        assert_eq!(history.members[&member].number, Some(u64::MAX));
    }

    #[test]
    fn a_newer_format_is_named() {
        let folder = tempfile::tempdir().unwrap();
        Ledger::create(folder.path(), opened(VERSION + 1)).unwrap();
        assert!(matches!(
            History::read(folder.path()),
            Err(LedgerError::Newer { version: 2, .. })
        ));
    }
}
