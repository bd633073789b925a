//! What holds for every combination of facts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::identity::Boot;
use crate::mark::Mark;
use crate::membership::{Exempt, Member};
use crate::program::{paths, script};
use crate::table::Facts;

const CALLER: u32 = 5;
const PIDS: std::ops::Range<u32> = 1..14;
const ROOT: &str = "/s";

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let strings = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    let group = |name: &str, names: &[&str], scripts: &[&str], spare: &[&str]| GroupSpec {
        name: name.to_owned(),
        names: strings(names),
        scripts: strings(scripts),
        spare: strings(spare),
        ..GroupSpec::default()
    };
    Rules::new([
        group("unreal", &["UnrealEditor*", "Shader*"], &[], &["zen*"]),
        group("python", &["python*"], &["**/*.py"], &[]),
        group("server", &["server"], &[], &[]),
    ])
    .unwrap()
});

/// Everything that verdicts and decisions rest on.
#[derive(Clone, Debug)]
struct Case {
    processes: Vec<Facts>,
    runs: Vec<RunSigns>,
    request: CleanRequest,
    all_users: bool,
    has_project: bool,
}

fn mark_of(number: u64) -> Mark {
    Mark::from_random(number << 20)
}

fn identity() -> impl Strategy<Value = Identity> {
    (PIDS, 1..4_u64).prop_map(|(pid, start)| Identity {
        pid,
        start,
        boot: Boot::new(1),
    })
}

fn command() -> impl Strategy<Value = (Option<PathBuf>, Option<Vec<String>>)> {
    let commands = [
        "",
        "/usr/bin/python3 python3 /s/a.py",
        "/usr/bin/python3 python3 a.py",
        "/usr/bin/python3 python3 /other/a.py",
        "/usr/bin/python3 python3 -c pass",
        "/usr/bin/python3 python3 -m pytest",
        "/ue/UnrealEditor UnrealEditor /s/My.uproject -game",
        "/ue/UnrealEditor UnrealEditor /s/My.uproject",
        "/ue/UnrealEditor UnrealEditor /other/My.uproject -game",
        "/ue/ShaderCompileWorker ShaderCompileWorker",
        "/ue/zenserver zenserver",
        "/usr/bin/server server",
        "/s/bin/server server",
        "/usr/bin/vim vim /s/a.py",
    ];
    select(commands.to_vec()).prop_map(|command| {
        let mut words = command.split(' ');
        let executable = words.next().filter(|path| !path.is_empty());
        (
            executable.map(PathBuf::from),
            executable.map(|_| words.map(str::to_owned).collect()),
        )
    })
}

fn facts(pid: u32) -> impl Strategy<Value = Facts> {
    let place = (0..14_u32, 1..4_u64, 0..14_u32);
    let kind = (
        select(vec![Some(true), Some(true), Some(true), Some(false), None]),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        select(vec![
            Some(true),
            Some(true),
            Some(true),
            Some(true),
            Some(false),
            None,
        ]),
    );
    let directory = select(vec![
        None,
        Some("/"),
        Some("/s"),
        Some("/s/x"),
        Some("/other"),
    ]);
    let mark = select(vec![None, None, None, Some(1), Some(2), Some(3)]);
    let cookie = select(vec![
        None,
        None,
        None,
        Some("a"),
        Some("b"),
        Some("c"),
        Some("?"),
    ]);
    // Pipes and tracers: rare ones, or every process would have to do with the caller.
    let pipes = || vec(0..40_u64, 0..2);
    let tied = (
        prop_oneof![9 => Just(None), 1 => PIDS.prop_map(Some)],
        pipes(),
        pipes(),
    );
    (place, kind, command(), directory, mark, cookie, tied).prop_map(
        move |(
            (parent, start, session),
            (own, kernel, zombie, sees_scope),
            command,
            directory,
            mark,
            cookie,
            (tracer, pipes_read, pipes_written),
        )| {
            let identity = Identity {
                pid,
                start,
                boot: Boot::new(1),
            };
            Facts {
                session,
                own,
                kernel,
                zombie,
                sees_scope,
                executable: command.0,
                arguments: command.1,
                directory: directory.map(PathBuf::from),
                mark: mark.map(|number| (mark_of(number), 1)),
                cookie: cookie.map(str::to_owned),
                tracer,
                pipes_read,
                pipes_written,
                ..Facts::new(identity, parent)
            }
        },
    )
}

fn run(id: &'static str) -> impl Strategy<Value = RunSigns> {
    (
        select(vec![ScopeRef::This, ScopeRef::This, ScopeRef::Other]),
        select(vec![true, false]),
        prop::option::of(identity()),
        vec(identity(), 0..3),
        vec(identity(), 0..2),
        vec(identity(), 0..2),
        select(vec![None, Some(1), Some(2)]),
        select(vec![None, None, Some("zenserver"), Some("server")]),
        any::<bool>(),
    )
        .prop_map(
            move |(
                scope,
                is_live,
                guardian,
                holders,
                members,
                contained,
                mark,
                survive,
                has_left_exempt,
            )| {
                let mut exempt = Exempt::default();
                let globs: Vec<String> = survive.map(str::to_owned).into_iter().collect();
                exempt.allow(1, &globs).unwrap();
                RunSigns {
                    scope,
                    is_live,
                    guardian,
                    holders,
                    members: members.into_iter().zip((1..).map(Member::Client)).collect(),
                    contained: contained.into_iter().collect(),
                    mark: mark.map(mark_of),
                    exempt,
                    has_left_exempt,
                    ..RunSigns::new(id)
                }
            },
        )
}

fn request() -> impl Strategy<Value = CleanRequest> {
    let groups = prop_oneof![
        Just(Groups::None),
        Just(Groups::All),
        Just(Groups::All),
        btree_set(select(vec!["unreal", "python", "server"]), 1..3)
            .prop_map(|names| Groups::Named(names.into_iter().map(str::to_owned).collect())),
    ];
    let runs = btree_set(select(vec!["a", "b", "c"]), 0..3);
    let pursued = btree_set(identity(), 0..3);
    (groups, runs, pursued, any::<[bool; 3]>()).prop_map(|(groups, runs, pursued, flags)| {
        CleanRequest {
            groups,
            runs: runs.into_iter().map(str::to_owned).collect(),
            machine: flags[0],
            editors: flags[1],
            include_live_runs: flags[2],
            pursued,
        }
    })
}

prop_compose! {
    fn case()(
        processes in PIDS.map(facts).collect::<Vec<_>>(),
        present in vec(prop::bool::weighted(0.8), PIDS.len()),
        runs in prop_oneof![
            Just(Vec::new()),
            (run("a"), run("b"), run("c")).prop_map(|(a, b, c)| vec![a, b, c]),
        ],
        request in request(),
        all_users in prop::bool::weighted(0.2),
        has_project in any::<bool>(),
    ) -> Case {
        let processes = processes
            .into_iter()
            .zip(present)
            .filter(|(facts, present)| *present || facts.identity.pid == CALLER)
            .map(|(facts, _)| facts)
            .collect();
        Case { processes, runs, request, all_users, has_project }
    }
}

impl Case {
    fn ask<T>(&self, ask: impl FnOnce(&Classifier<'_>) -> T) -> T {
        let resolve = |path: &Path| {
            let known = ["/s", "/s/a.py", "/other/a.py", "/s/x"];
            let path = paths::normal(path.to_str()?)?;
            known.contains(&path.as_str()).then(|| path.into())
        };
        let projects = if self.has_project {
            vec!["/s/My.uproject".into()]
        } else {
            Vec::new()
        };
        let spec = BoundsSpec {
            root: ROOT.into(),
            projects,
            others: Vec::new(),
            marks: Vec::new(),
        };
        let bounds = Bounds::new(&spec, &resolve).unwrap();
        let inputs = Inputs {
            caller: Caller::new(CALLER),
            bounds: &bounds,
            rules: &RULES,
            runs: &self.runs,
            all_users: self.all_users,
        };
        let table = Table::of(self.processes.iter().cloned().map(Process::from));
        ask(&Classifier::new(&table, inputs).unwrap())
    }

    fn selected(&self) -> Vec<Selection> {
        self.ask(|classifier| classifier.select(&self.request))
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone is not general enough over lifetimes"
    )]
    fn counts(&self) -> Vec<Count> {
        self.ask(|classifier| classifier.counts())
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

    /// The PIDs that must never be targets, without asking the code under test.
    fn untouchable(&self) -> BTreeSet<u32> {
        let mut pids = self.line(CALLER);
        let own = self.get(CALLER).unwrap();
        let leader = self.get(own.session).filter(|leader| {
            leader.session == own.session && leader.identity.start <= own.identity.start
        });
        if let Some(leader) = leader {
            pids.extend(self.line(leader.identity.pid));
        }
        // What no process above the caller reads goes to one beside it.
        let above = self.line(CALLER);
        let is_unread = |pipe: &&u64| {
            let is_reader = |pid: &u32| self.get(*pid).unwrap().pipes_read.contains(*pipe);
            !above.iter().any(is_reader)
        };
        for pipe in own.pipes_written.iter().filter(is_unread) {
            let all = self.processes.iter().filter(|facts| {
                let may_read = facts.session == own.session || facts.own == Some(true);
                may_read && !facts.kernel && facts.pipes_read.contains(pipe)
            });
            // What is in the session comes first.
            let (near, far): (Vec<&Facts>, Vec<&Facts>) =
                all.partition(|facts| facts.session == own.session);
            let readers = if near.is_empty() { far } else { near };
            // One is enough: a second one holds a descriptor that it does not need.
            let readers: Vec<u32> = readers.iter().map(|facts| facts.identity.pid).collect();
            if let [reader] = readers[..] {
                pids.extend(self.line(reader));
            }
        }
        let tracers: Vec<u32> = pids
            .iter()
            .filter_map(|pid| self.get(*pid)?.tracer)
            .collect();
        for tracer in tracers {
            pids.extend(self.line(tracer));
        }
        pids.insert(1);
        pids.extend(
            self.processes
                .iter()
                .filter(|facts| facts.kernel || facts.own.is_none() && !self.is_known(facts))
                .map(|facts| facts.identity.pid),
        );
        let live = self.runs.iter().filter(|run| run.is_live);
        let guardians = live.filter_map(|run| run.guardian);
        pids.extend(
            guardians
                .filter(|guardian| {
                    self.get(guardian.pid)
                        .is_some_and(|f| f.identity == *guardian)
                })
                .map(|guardian| guardian.pid),
        );
        pids
    }

    /// Whether a run names the process or one of its ancestors.
    fn is_known(&self, facts: &Facts) -> bool {
        let line = self.line(facts.identity.pid);
        self.runs
            .iter()
            .flat_map(|run| {
                run.members
                    .keys()
                    .chain(&run.contained)
                    .chain(&run.guardian)
            })
            .any(|known| {
                line.contains(&known.pid)
                    && self.get(known.pid).is_some_and(|f| f.identity == *known)
            })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_protected_process_is_never_a_target(case in case()) {
        let untouchable = case.untouchable();
        for selected in case.selected().iter().filter(|s| s.decision.is_target()) {
            let pid = selected.identity.pid;
            prop_assert!(!untouchable.contains(&pid), "{selected:?}");
            let is_protected = matches!(selected.verdict, Verdict::Protected { .. });
            prop_assert!(!is_protected, "{selected:?}");
            let facts = case.get(pid).unwrap();
            let is_ours = matches!(selected.verdict, Verdict::Ours { .. });
            prop_assert!(is_ours || facts.own == Some(true) || case.all_users, "{selected:?}");
            // A mark that no run here has is some other run's.
            let is_strange = facts.mark == Some((mark_of(3), 1));
            prop_assert!(!is_strange || case.is_known(facts), "{selected:?}");
        }
    }

    #[test]
    fn a_process_without_evidence_is_never_a_target(case in case()) {
        let all = case.selected();
        for selected in &all {
            let Decision::Target { why } = &selected.decision else { continue };
            match (why, &selected.verdict) {
                (TargetReason::Run { run }, Verdict::Ours { run: own, .. }) => {
                    prop_assert_eq!(run, own);
                    prop_assert!(case.request.runs.contains(run));
                }
                (TargetReason::Group { group }, Verdict::Ours { group: own, .. }) => {
                    prop_assert_eq!(Some(group), own.as_ref());
                }
                (TargetReason::Group { group }, Verdict::Group { group: own, in_scope, evidence, .. }) => {
                    let facts = case.get(selected.identity.pid).unwrap();
                    let is_hidden = facts.sees_scope.is_none() && facts.own == Some(false);
                    prop_assert!(is_hidden || facts.sees_scope == Some(true));
                    prop_assert_eq!(group, own);
                    prop_assert!(*in_scope || case.request.machine);
                    prop_assert_eq!(*in_scope, *evidence != Evidence::Name);
                }
                (TargetReason::Descendant { of }, _) => {
                    prop_assert!(case.line(selected.identity.pid).contains(&of.pid));
                    let root = all.iter().find(|root| root.identity == *of).unwrap();
                    let is_root = matches!(
                        &root.decision,
                        Decision::Target {
                            why: TargetReason::Run { .. }
                                | TargetReason::Group { .. }
                                | TargetReason::Pursued
                        }
                    );
                    prop_assert!(is_root);
                }
                (TargetReason::Pursued, _) => {
                    prop_assert!(case.request.pursued.contains(&selected.identity));
                }
                _ => prop_assert!(false, "{selected:?}"),
            }
        }
    }

    #[test]
    fn what_may_live_on_is_a_target_only_for_a_group_that_names_it(case in case()) {
        for selected in case.selected().iter().filter(|s| s.decision.is_target()) {
            let facts = case.get(selected.identity.pid).unwrap();
            let Verdict::Ours { run, .. } = &selected.verdict else {
                let lives_on = matches!(
                    selected.verdict,
                    Verdict::Foreign { reason: ForeignReason::Exempt { .. } }
                );
                prop_assert!(!lives_on, "{selected:?}");
                continue;
            };
            let run = case.runs.iter().find(|known| known.run == *run).unwrap();
            let is_marked = run.mark.is_some() && facts.mark == run.mark.map(|mark| (mark, 1));
            let is_member = run.members.contains_key(&facts.identity);
            let lets_all_live = run.has_left_exempt && run.exempt.concerns(1);
            let may_live_on = lets_all_live || run.exempt.allows(1, &facts.clone().into());
            prop_assert!(is_member || !is_marked || !may_live_on, "{selected:?}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_left_alone(case in case()) {
        for selected in case.selected().iter().filter(|s| s.decision.is_target()) {
            match &selected.verdict {
                Verdict::Group { own_editor: true, .. } => prop_assert!(case.request.editors),
                Verdict::Ours { run, .. } => {
                    let run = case.runs.iter().find(|known| known.run == *run).unwrap();
                    prop_assert_eq!(run.scope, ScopeRef::This);
                    prop_assert!(!run.is_live || case.request.include_live_runs);
                }
                _ => {}
            }
        }
        let nothing = Case { request: CleanRequest::default(), ..case };
        prop_assert!(nothing.selected().iter().all(|s| !s.decision.is_target()));
    }

    #[test]
    fn the_order_of_processes_and_runs_does_not_matter(case in case(), by in 0..14_usize) {
        let mut other = case.clone();
        other.processes.reverse();
        other.runs.reverse();
        let middle = by % other.processes.len();
        other.processes.rotate_left(middle);
        prop_assert_eq!(case.selected(), other.selected());
        prop_assert_eq!(case.counts(), other.counts());
    }

    #[test]
    fn no_path_breaks_anything(text in ".{0,20}", directory in "(/|[a-z]:)?.{0,10}") {
        let resolve = |_: &Path| None;
        let spec = BoundsSpec { root: ROOT.into(), ..BoundsSpec::default() };
        let bounds = Bounds::new(&spec, &resolve).unwrap();
        bounds.locate(&text, Some(Path::new(&directory)), false);
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        for name in ["python", "py", "uv", "node", "bash", "pwsh", "x"] {
            script::program(name, &words);
        }
        unreal::project(&words);
        paths::program_name(&text);
    }
}
