//! What holds for every combination of processes and runs.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::table::{Facts, Process, Table};

const PIDS: std::ops::Range<u32> = 1..12;

fn mark_of(number: u64) -> Mark {
    Mark::from_random(number << 20)
}

fn identity() -> impl Strategy<Value = Identity> {
    (PIDS, 1..5_u64).prop_map(|(pid, start)| Identity {
        pid,
        start,
        boot: Boot::new(1),
    })
}

fn facts(pid: u32) -> impl Strategy<Value = Facts> {
    (
        (0..12_u32, 1..5_u64),
        select(vec![Some(true), Some(true), Some(false), None]),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        select(vec![None, None, Some(1), Some(2), Some(3)]),
        select(vec![None, None, Some("a"), Some("b"), Some("?")]),
        select(vec!["/bin/server", "/bin/daemon"]),
    )
        .prop_map(
            move |((parent, start), own, kernel, zombie, mark, cookie, program)| {
                let identity = Identity {
                    pid,
                    start,
                    boot: Boot::new(1),
                };
                Facts {
                    own,
                    kernel,
                    zombie,
                    executable: Some(program.into()),
                    mark: mark.map(|number| (mark_of(number), 1)),
                    cookie: cookie.map(str::to_owned),
                    ..Facts::new(identity, parent)
                }
            },
        )
}

fn run(id: &'static str) -> impl Strategy<Value = RunSigns> {
    (
        (any::<bool>(), any::<bool>(), any::<bool>()),
        prop::option::of(identity()),
        vec(identity(), 0..3),
        vec(identity(), 0..2),
        vec(identity(), 0..2),
        (vec(identity(), 0..2), vec(identity(), 0..2)),
        select(vec![None, Some(1), Some(2)]),
        select(vec![None, Some("daemon")]),
    )
        .prop_map(
            move |(
                (is_live, has_left_exempt, keeps_pids),
                guardian,
                members,
                holders,
                contained,
                (recognised, exempted),
                mark,
                survive,
            )| {
                let mut exempt = Exempt::default();
                let globs: Vec<String> = survive.map(str::to_owned).into_iter().collect();
                exempt.allow(1, &globs).unwrap();
                RunSigns {
                    is_live,
                    guardian,
                    members: members.into_iter().zip((1..).map(Member::Client)).collect(),
                    keeps_pids,
                    holders,
                    contained: contained.into_iter().collect(),
                    recognised: recognised.into_iter().collect(),
                    mark: mark.map(mark_of),
                    exempt,
                    exempted: exempted.into_iter().collect(),
                    has_left_exempt,
                    ..RunSigns::new(id)
                }
            },
        )
}

/// Everything that may be claimed.
#[derive(Clone, Debug)]
struct Case {
    processes: Vec<Facts>,
    runs: [RunSigns; 2],
}

prop_compose! {
    fn case()(
        processes in PIDS.map(facts).collect::<Vec<_>>(),
        present in vec(prop::bool::weighted(0.8), PIDS.len()),
        runs in [run("a"), run("b")],
    ) -> Case {
        let processes = processes.into_iter().zip(present);
        let processes = processes.filter(|(_, is_present)| *is_present);
        Case { processes: processes.map(|(facts, _)| facts).collect(), runs }
    }
}

/// A process that a run claims, and whether that is to end it.
type Claimed = (Identity, String, Option<Evidence>, bool);

impl Case {
    fn table(&self) -> Table {
        Table::of(self.processes.iter().cloned().map(Process::from))
    }

    fn run(&self, id: &str) -> &RunSigns {
        self.runs.iter().find(|run| run.run == id).unwrap()
    }

    /// All claims, of a command and of the end of each run.
    fn claims(&self) -> Vec<Claimed> {
        let table = self.table();
        let membership = Membership::of_runs(&table, &self.runs);
        let mut claims = Vec::new();
        for process in table.iter() {
            let (run, evidence, ends) = match membership.claim(process, true) {
                Some(Claim::Member(run, evidence)) => (run, Some(evidence), true),
                Some(Claim::Exempt(run, evidence)) => (run, Some(evidence), false),
                Some(Claim::Guardian(_) | Claim::UnknownRun(_)) | None => continue,
            };
            claims.push((process.identity(), run.run.clone(), evidence, ends));
        }
        for run in &self.runs {
            let holders = || self.holders(&table, &run.run);
            let swept = Membership::of_run(&table, run, holders).sweep();
            for (found, ends) in [(swept.ending, true), (swept.exempt, false)] {
                for (pid, evidence) in found {
                    let identity = table.get(pid).unwrap().identity();
                    claims.push((identity, run.run.clone(), Some(evidence), ends));
                }
            }
        }
        claims
    }

    fn holders(&self, table: &Table, except: &str) -> LiveHolders {
        let mut holders = LiveHolders::default();
        for run in self
            .runs
            .iter()
            .filter(|run| run.is_live && run.run != except)
        {
            let own = run.members.keys().copied().chain(run.guardian);
            holders.add(&run.run, table, own, run.holders.iter().copied());
        }
        holders
    }

    fn get(&self, pid: u32) -> Option<&Facts> {
        self.processes
            .iter()
            .find(|facts| facts.identity.pid == pid)
    }

    /// A process and its ancestors, in the plainest way.
    fn line(&self, pid: u32) -> BTreeSet<u32> {
        let mut line = BTreeSet::new();
        let mut at = self.get(pid);
        while let Some(facts) = at.filter(|facts| line.insert(facts.identity.pid)) {
            at = self
                .get(facts.parent)
                .filter(|parent| parent.identity.start <= facts.identity.start);
        }
        line
    }

    /// Whether a process belongs to a live run but this one, or holds it, without asking the code under test.
    fn is_of_another_live_run(&self, process: Identity, run: &str) -> bool {
        let others = self
            .runs
            .iter()
            .filter(|other| other.is_live && other.run != run);
        others.into_iter().any(|other| {
            let holds = |holder: &&Identity| {
                self.get(holder.pid)
                    .is_some_and(|facts| facts.identity == **holder)
                    && self.line(holder.pid).contains(&process.pid)
            };
            other.guardian == Some(process)
                || other.members.contains_key(&process)
                || other.holders.iter().any(|holder| holds(&holder))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_process_is_older_than_the_guardian_of_its_run(case in case()) {
        for (process, run, ..) in case.claims() {
            if let Some(guardian) = case.run(&run).guardian {
                prop_assert!(process.start >= guardian.start, "{process} of {run}");
            }
        }
    }

    #[test]
    fn a_copied_environment_never_suffices_against_a_live_holder(case in case()) {
        for (process, run, evidence, _) in case.claims() {
            if evidence == Some(Evidence::Cookie) {
                prop_assert!(!case.is_of_another_live_run(process, &run), "{process} of {run}");
                let facts = case.get(process.pid).unwrap();
                prop_assert_eq!((facts.own, facts.mark), (Some(true), None));
            }
        }
    }

    #[test]
    fn an_exempt_program_never_belongs(case in case()) {
        for (process, run, evidence, ends) in case.claims() {
            let run = case.run(&run);
            let facts = case.get(process.pid).unwrap();
            let is_marked = run.mark.is_some() && facts.mark == run.mark.map(|mark| (mark, 1));
            let is_daemon = facts.executable == Some("/bin/daemon".into()) || run.has_left_exempt;
            let is_exempt = run.exempted.contains(&process)
                || is_marked && is_daemon && !run.members.contains_key(&process);
            prop_assert!(!(ends && is_exempt && !run.exempt.is_empty()), "{process} by {evidence:?}");
        }
    }

    #[test]
    fn nothing_is_claimed_that_has_ended_or_that_guards(case in case()) {
        let table = case.table();
        for (process, run, ..) in case.claims() {
            let process = table.get(process.pid).unwrap();
            prop_assert!(!process.is_zombie() && !process.is_kernel());
            let run = case.run(&run);
            let guards = run.is_live && run.guardian == Some(process.identity());
            prop_assert!(!guards);
        }
    }

    #[test]
    fn without_a_sign_nothing_is_claimed(case in case()) {
        let bare = case.runs.map(|run| RunSigns {
            guardian: run.guardian.filter(|guardian| guardian.pid > PIDS.end),
            members: [].into(),
            contained: [].into(),
            recognised: [].into(),
            exempted: [].into(),
            mark: None,
            ..run
        });
        let processes = case.processes.into_iter().map(|facts| Facts { cookie: None, ..facts });
        let case = Case { processes: processes.collect(), runs: bare };
        prop_assert_eq!(case.claims(), []);
    }
}
