//! Finding the runs of a scope, and which of them live.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{History, LOCK, LedgerError};
use crate::guarantee::Mechanism;
use crate::identity::Identity;
use crate::membership::{Exempt, LiveHolders, RunSigns, ScopeRef};
use crate::scope::{Scope, open_lock};
use crate::sys;
use crate::table::{Process, Table};

/// How long a run may take from its folder to its ledger. Far longer than any takes.
const STILLBORN_AFTER: Duration = Duration::from_hours(1);

/// How many folders with damaged ledgers are kept to be looked at.
const SET_ASIDE_KEPT: usize = 20;

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Its guardian lives.
    Live,
    /// Its guardian died before everything had ended.
    Dead,
    /// It is over.
    Closed,
}

/// A run that has a ledger.
#[derive(Clone, Debug)]
pub struct KnownRun {
    /// The run id.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it goes on.
    pub state: RunState,
    /// What its ledger says.
    pub history: History,
}

impl KnownRun {
    /// What it has left by which its processes can be told, but for what is in its container. `are_seen`: the PIDs of its
    /// ledger are PIDs here; in another PID namespace they are those of other processes.
    pub fn signs(&self, scope: ScopeRef, are_seen: bool) -> RunSigns {
        let History {
            opened, mechanism, ..
        } = &self.history;
        let mut exempt = Exempt::default();
        if mechanism.is_none_or(Mechanism::allows_exempt) {
            for (member, history) in &self.history.members {
                // Its guardian has taken them.
                let _ = exempt.allow(member.number(), &history.survive);
            }
        }
        let numbers = self
            .history
            .members
            .values()
            .filter_map(|member| member.number);
        let mut signs = RunSigns {
            scope,
            is_live: self.state == RunState::Live,
            mark: opened.mark,
            exempt,
            has_left_exempt: !self.history.exempt.is_empty(),
            ..RunSigns::new(self.id.clone())
        };
        if are_seen {
            signs.guardian = Some(opened.guardian);
            signs.holders = self.history.holders().collect();
            signs.members = self.history.identities().collect();
            signs.numbers = numbers.chain(opened.guardian_number).collect();
        }
        signs
    }
}

/// A run whose ledger could not be read.
#[derive(Debug)]
pub struct Damaged {
    /// The run id.
    pub id: String,
    /// Where it is now.
    pub folder: PathBuf,
    /// Whether it has been moved out of the way of the runs.
    pub is_set_aside: bool,
    /// What is wrong with it.
    pub error: LedgerError,
}

/// All runs that a scope knows, the oldest first.
#[derive(Debug, Default)]
pub struct Runs {
    /// Those with a ledger.
    pub known: Vec<KnownRun>,
    /// Those without one that can be read.
    pub damaged: Vec<Damaged>,
}

impl Runs {
    /// Reads the ledgers of a scope, and leaves everything as it is.
    pub fn read(scope: &Scope) -> io::Result<Self> {
        let mut runs = Self::read_folder(&scope.runs_folder())?;
        // The holder of a run's lock does not hold that of its copy, so that it would look dead.
        let root = scope.root().display().to_string();
        let (known, copied) = runs
            .known
            .into_iter()
            .partition(|run| run.history.opened.root == root);
        runs.known = known;
        let copied: Vec<KnownRun> = copied;
        runs.damaged.extend(copied.into_iter().map(|run| Damaged {
            error: LedgerError::Elsewhere {
                path: run.folder.join(super::FILE),
                root: run.history.opened.root,
            },
            id: run.id,
            folder: run.folder,
            is_set_aside: false,
        }));
        Ok(runs)
    }

    /// Moves the runs out of the way whose ledger could not be read, unless their guardian lives.
    ///
    /// What cannot be moved stays, and is said to be where it is: that must not keep the rest from being cleaned.
    pub fn set_aside(&mut self, scope: &Scope) {
        for damaged in &mut self.damaged {
            if damaged.is_set_aside || !matches!(is_held(&damaged.folder), Ok(false)) {
                continue;
            }
            let aside = free_name(&scope.set_aside_folder(), &damaged.id);
            match fs::rename(&damaged.folder, &aside) {
                Ok(()) => damaged.folder = aside,
                // Another command was faster; it has found the name free.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    damaged.folder = scope.set_aside_folder().join(&damaged.id);
                }
                Err(_) => continue,
            }
            damaged.is_set_aside = true;
        }
    }

    /// Reads the ledgers of all other scopes of this user, and leaves them as they are.
    pub fn read_elsewhere(scope: &Scope) -> Self {
        let mut all = Self::default();
        for folder in scope.other_runs_folders() {
            if let Ok(runs) = Self::read_folder(&folder) {
                all.known.extend(runs.known);
                all.damaged.extend(runs.damaged);
            }
        }
        all
    }

    fn read_folder(folder: &Path) -> io::Result<Self> {
        let mut runs = Self::default();
        let mut folders: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        folders.sort();
        for folder in folders {
            match Self::read_one(&folder) {
                Ok(Some(run)) => runs.known.push(run),
                Ok(None) => {}
                Err(error) => {
                    let id = id_of(&folder);
                    runs.damaged.push(Damaged {
                        id,
                        folder,
                        is_set_aside: false,
                        error,
                    });
                }
            }
        }
        Ok(runs)
    }

    /// Reads the ledger of one run. `None`: it never got as far as its first entry.
    pub fn read_one(folder: &Path) -> Result<Option<KnownRun>, LedgerError> {
        // The lock is looked at before the ledger: a run that closes in between has written its last entry.
        let held = is_held(folder).map_err(|source| LedgerError::Io {
            operation: "look at the lock beside",
            path: folder.join(super::FILE),
            source,
        })?;
        let Some(history) = History::read(folder)? else {
            return Ok(None);
        };
        let state = match (held, history.closed) {
            // Its guardian may still be on its way out, but has nothing left to guard.
            (_, true) => RunState::Closed,
            (true, false) => RunState::Live,
            (false, false) => RunState::Dead,
        };
        Ok(Some(KnownRun {
            id: id_of(folder),
            folder: folder.to_owned(),
            state,
            history,
        }))
    }

    /// Removes the folders of the oldest runs that are over, but for so many and for those of which something lives on;
    /// of runs that never began; and of those that were set aside long ago. To be called under the lock of the scope.
    ///
    /// What cannot be removed stays; it does no harm.
    pub fn prune(&self, scope: &Scope, keep: usize) {
        self.prune_at(SystemTime::now(), scope, keep);
    }

    fn prune_at(&self, now: SystemTime, scope: &Scope, keep: usize) {
        for folder in folders(&scope.runs_folder()) {
            if is_stillborn(&folder, now) {
                let _ = fs::remove_dir_all(&folder);
            }
        }
        // Their names begin with the time of the run.
        for old in folders(&scope.set_aside_folder())
            .iter()
            .rev()
            .skip(SET_ASIDE_KEPT)
        {
            let _ = fs::remove_dir_all(old).or_else(|_| fs::remove_file(old));
        }
        // While something lives on, its run says what it is.
        let lives_on = |identity: &Identity| {
            Process::read(identity.pid).is_some_and(|process| process.identity() == *identity)
        };
        let closed: Vec<&KnownRun> = self
            .known
            .iter()
            .filter(|run| run.state == RunState::Closed)
            .filter(|run| !run.history.exempt.iter().any(lives_on))
            .collect();
        for run in &closed[..closed.len().saturating_sub(keep)] {
            let _ = fs::remove_dir_all(&run.folder);
        }
    }

    /// The runs whose guardian lives.
    pub fn live(&self) -> impl Iterator<Item = &KnownRun> {
        self.known.iter().filter(|run| run.state == RunState::Live)
    }

    /// The runs whose guardian is gone, whether or not everything had ended: of these nothing should be left.
    pub fn over(&self) -> impl Iterator<Item = &KnownRun> {
        self.known.iter().filter(|run| run.state != RunState::Live)
    }

    /// The runs whose guardian died before everything had ended.
    pub fn dead(&self) -> impl Iterator<Item = &KnownRun> {
        self.known.iter().filter(|run| run.state == RunState::Dead)
    }
}

/// What belongs to live runs of this scope and of others, or holds one, but for the run in this folder.
pub(crate) fn live_holders(folder: &Path, table: &Table) -> LiveHolders {
    // …/scopes/<scope>/runs/<run>
    let scopes = folder.ancestors().nth(3).into_iter().flat_map(folders);
    let others = scopes.flat_map(|scope| folders(&scope.join("runs")));
    // Of those that are over there are many, and their ledgers need not be read.
    let live = others.filter(|other| other != folder && is_held(other).unwrap_or(true));
    let runs = live.filter_map(|other| Runs::read_one(&other).ok()?);
    let mut found = LiveHolders::default();
    for run in runs.filter(|run| run.state == RunState::Live) {
        let own = run.history.identities().map(|(identity, _)| identity);
        let own = own.chain([run.history.opened.guardian]);
        found.add(&run.id, table, own, run.history.holders());
    }
    found
}

/// Takes the lock of a run, which the process that ends the run holds. `None`: another process holds it.
pub(crate) fn take_lock(folder: &Path) -> io::Result<Option<File>> {
    let file = open_lock(&folder.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_held(folder: &Path) -> io::Result<bool> {
    match sys::open_at_once(File::options().read(true), &folder.join(LOCK)) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The entries of a folder by name. None where it cannot be read.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    folders
}

/// Whether a run's folder has no ledger, and nothing has been done about that for long.
fn is_stillborn(folder: &Path, now: SystemTime) -> bool {
    let Ok(metadata) = folder.symlink_metadata() else {
        return false;
    };
    let age = metadata
        .modified()
        .ok()
        .and_then(|time| now.duration_since(time).ok());
    metadata.is_dir()
        && age.is_some_and(|age| age > STILLBORN_AFTER)
        && matches!(folder.join(super::FILE).try_exists(), Ok(false))
        && matches!(is_held(folder), Ok(false))
}

fn id_of(folder: &Path) -> String {
    folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn free_name(folder: &Path, id: &str) -> PathBuf {
    let mut path = folder.join(id);
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = folder.join(format!("{id}.{number}"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::opened;
    use super::super::{Entry, Ledger, Opened, VERSION};
    use super::*;

    fn opened_in(scope: &Scope) -> Opened {
        Opened {
            root: scope.root().display().to_string(),
            ..opened(VERSION)
        }
    }

    #[test]
    fn a_ledger_that_was_copied_from_another_project_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [mine, theirs] = ["mine", "theirs"].map(|name| {
            let root = folder.path().join(name);
            fs::create_dir(&root).unwrap();
            Scope::open_in(&root, &folder.path().join("state")).unwrap()
        });
        let run = theirs.make_run_folder("run").unwrap();
        Ledger::create(&run, opened_in(&theirs)).unwrap();
        let copy = mine.make_run_folder("run").unwrap();
        fs::copy(run.join(super::super::FILE), copy.join(super::super::FILE)).unwrap();
        assert_eq!(Runs::read(&theirs).unwrap().known.len(), 1);
        let mut runs = Runs::read(&mine).unwrap();
        assert_eq!(runs.known.len(), 0);
        let said = runs.damaged[0].error.to_string();
        let root = theirs.root().display();
        assert!(
            said.contains(&format!("tells of a run of another project, {root}, ")),
            "{said}"
        );
        runs.set_aside(&mine);
        assert!(runs.damaged[0].is_set_aside && !copy.exists());
    }

    /// A scope with a run that is over and has left these processes behind. Returns the folder of the run too.
    fn scope_of_a_closed_run(folder: &Path, exempt: Vec<Identity>) -> (Scope, PathBuf) {
        let scope = Scope::open_in(folder, &folder.join("state")).unwrap();
        let run = scope.make_run_folder("old").unwrap();
        let mut ledger = Ledger::create(&run, opened_in(&scope)).unwrap();
        ledger.append(&Entry::Closed { exempt }).unwrap();
        (scope, run)
    }

    #[test]
    fn a_run_is_kept_while_something_lives_on_that_it_has_left() {
        let own = Process::read(std::process::id()).unwrap().identity();
        let gone = Identity {
            start: own.start + 1,
            ..own
        };
        for (exempt, is_kept) in [
            (vec![gone, own], true),
            (vec![gone], false),
            (vec![], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (scope, run) = scope_of_a_closed_run(folder.path(), exempt);
            Runs::read(&scope).unwrap().prune(&scope, 0);
            assert_eq!(run.exists(), is_kept);
        }
    }

    #[test]
    fn a_log_that_is_being_read_keeps_no_other_run_from_being_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let (scope, run) = scope_of_a_closed_run(folder.path(), vec![]);
        let log = run.join("demo-1.log");
        fs::write(&log, "").unwrap();
        let reader = File::open(&log).unwrap();
        Runs::read(&scope).unwrap().prune(&scope, 0);
        // What may be left of it on a system that keeps open files is no run any more.
        assert!(Runs::read(&scope).unwrap().known.is_empty());
        assert!(Runs::read(&scope).unwrap().damaged.is_empty());
        drop(reader);
    }

    #[test]
    fn what_never_began_and_what_was_set_aside_long_ago_is_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let scope = Scope::open_in(folder.path(), &folder.path().join("state")).unwrap();
        let [unbegun, begun, held] =
            ["unbegun", "begun", "held"].map(|id| scope.make_run_folder(id).unwrap());
        fs::write(begun.join(super::super::FILE), "").unwrap();
        let lock = take_lock(&held).unwrap().unwrap();
        let aside = |number: usize| scope.set_aside_folder().join(format!("{number:02}"));
        (0..22).for_each(|number| fs::create_dir(aside(number)).unwrap());

        let runs = Runs::read(&scope).unwrap();
        runs.prune(&scope, 50);
        assert!([&unbegun, &begun, &held].iter().all(|run| run.exists()));
        runs.prune_at(SystemTime::now() + Duration::from_hours(2), &scope, 50);
        assert!(!unbegun.exists());
        assert!([begun, held].iter().all(|run| run.exists()));
        let kept: Vec<usize> = (0..22).filter(|number| aside(*number).exists()).collect();
        assert_eq!(kept, (2..22).collect::<Vec<_>>());
        drop(lock);
    }
}
