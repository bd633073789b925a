//! What is read of a process, and what is not.

use std::cell::RefCell;

use super::*;
use crate::mark::MemberNumber;
use crate::streams::Streams;

/// Notes each fact that costs a look of its own.
#[derive(Debug)]
struct Noting {
    facts: Facts,
    read: RefCell<BTreeSet<&'static str>>,
}

impl Noting {
    fn note(&self, fact: &'static str) -> &Facts {
        self.read.borrow_mut().insert(fact);
        &self.facts
    }
}

impl Subject for Noting {
    fn identity(&self) -> Identity {
        self.facts.identity
    }
    fn parent(&self) -> u32 {
        self.facts.parent
    }
    fn session(&self) -> u32 {
        self.facts.session
    }
    fn is_kernel(&self) -> bool {
        self.facts.kernel
    }
    fn is_zombie(&self) -> bool {
        self.facts.zombie
    }
    fn short_name(&self) -> &str {
        &self.facts.short_name
    }
    fn is_own(&self) -> Option<bool> {
        self.note("owner").own
    }
    fn executable(&self) -> Option<&Path> {
        self.note("executable").executable.as_deref()
    }
    fn arguments(&self) -> Option<&[String]> {
        self.note("arguments").arguments.as_deref()
    }
    fn directory(&self) -> Option<&Path> {
        self.note("directory").directory.as_deref()
    }
    fn sees(&self, _: &Path) -> Option<bool> {
        self.note("files").sees_scope
    }
    fn module_path(&self) -> Option<String> {
        self.note("environment").module_path.clone()
    }
    fn shell_directory(&self) -> Option<String> {
        self.note("environment").shell_directory.clone()
    }
    fn takes_a_place(&self) -> bool {
        self.note("program").takes_a_place
    }
    fn mark(&self) -> Option<(Mark, MemberNumber)> {
        self.note("mark").mark
    }
    fn cookie(&self) -> Option<&str> {
        self.note("cookie").cookie.as_deref()
    }
    fn tracer(&self) -> Option<u32> {
        self.note("tracer").tracer
    }
    fn pipes_read(&self) -> &[u64] {
        &self.note("pipes").pipes_read
    }
    fn pipes_written(&self) -> &[u64] {
        &self.note("pipes").pipes_written
    }
    fn streams(&self) -> Option<Streams> {
        self.note("streams").streams
    }
}

/// What is read of PID 7 when everything is asked for.
fn read(seven: Facts, runs: Vec<RunInfo>) -> Vec<&'static str> {
    let mut world = World::new().with(seven);
    world.runs = runs;
    let noting: Vec<Noting> = world
        .processes
        .drain(..)
        .map(|facts| Noting {
            facts,
            read: RefCell::default(),
        })
        .collect();
    let resolve = |path: &Path| world.resolve(path);
    let spec = BoundsSpec {
        root: ROOT.into(),
        ..BoundsSpec::default()
    };
    let bounds = Bounds::new(&spec, &resolve).unwrap();
    let premises = Premises {
        caller: Caller::new(CALLER),
        bounds: &bounds,
        rules: &world.rules,
        runs: &world.runs,
        all_users: false,
    };
    let subjects = noting.iter().map(|noting| noting as &dyn Subject);
    Classifier::new(subjects, premises)
        .unwrap()
        .select(&every_group());
    let seven = noting.iter().find(|noting| noting.facts.identity.pid == 7);
    seven.unwrap().read.borrow().iter().copied().collect()
}

#[test]
fn most_processes_are_rejected_by_owner_or_name() {
    let vim = process(7, 1, "/usr/bin/vim", "vim");
    let kernel = Facts {
        kernel: true,
        ..vim.clone()
    };
    let others = Facts {
        own: Some(false),
        ..vim.clone()
    };
    assert_eq!(read(kernel, Vec::new()), [""; 0]);
    assert_eq!(read(others, Vec::new()), ["owner"]);
    assert_eq!(read(vim, Vec::new()), ["arguments", "executable", "owner"]);
}

#[test]
fn a_run_claims_a_process_before_its_name_is_asked_for() {
    let run = RunInfo::new("a", ScopeRef::This, RunState::Dead);
    let vim = process(7, 1, "/usr/bin/vim", "vim");
    let signs = ["arguments", "cookie", "executable", "mark", "owner"];
    assert_eq!(read(vim.clone(), vec![run.clone()]), signs);
    let others = Facts {
        own: Some(false),
        ..vim
    };
    // Another user's environment is never read.
    assert_eq!(read(others, vec![run]), ["mark", "owner"]);
}
