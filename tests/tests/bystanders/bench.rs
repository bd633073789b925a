//! The bench itself: the whole crowd runs, a command cleans, and every process is checked; then the next command.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::namespace::others;
use tests::{PATIENCE, poll, skip, wait_for};

use crate::actor::Actor;
use crate::caller::Caller;
use crate::calls::{CALLS, Call, pids};
use crate::fixture::Fixture;
use crate::guilty::{self, Group};
use crate::innocents;
use crate::part::Part;
use crate::runs::{self, CONFIG, OtherRuns, OwnRun};
use crate::tally::Tally;

/// The PID that the next process is to get can be chosen here.
const NEXT_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// How long every process lives at least.
const LIFE: Duration = Duration::from_secs(84);

/// Every process of the bench.
struct Crowd {
    fixture: Fixture,
    caller: Caller,
    innocents: Vec<Actor>,
    /// Keeps the launcher of one of them.
    _other: OtherRuns,
    plan: Vec<(Group, Part)>,
    guilty: Vec<(Group, Actor)>,
    /// The detached run.
    run: String,
}

/// Lets every command at the crowd, and says what it has come to.
pub(crate) fn run() -> Tally {
    let begin = Instant::now();
    let mut crowd = Crowd::gather();
    let guilty: Vec<&Actor> = crowd.guilty.iter().map(|(_, actor)| actor).collect();
    let mut tally = Tally::new(&crowd.innocents, &guilty);
    tally.look_at("before", &crowd.innocents);
    for call in &CALLS {
        if !call.ends.is_empty() {
            crowd.complete(call.has_grace);
        }
        crowd.suffer(call, &mut tally);
    }
    crowd.look_at_the_machine(&mut tally);
    let took = begin.elapsed();
    assert!(
        took < LIFE,
        "nothing can be said: this took {took:?}, and every process ends by itself after {LIFE:?}"
    );
    tally.seconds = took.as_secs();
    end_all_others();
    tally
}

impl Crowd {
    fn gather() -> Self {
        let fixture = Fixture::new(CONFIG);
        let (caller, mut innocents) = Caller::start(&fixture);
        let other = runs::of_another_scope(&fixture);
        innocents.extend(other.actors.iter().cloned());
        let mut parts = innocents::crowd(&fixture);
        parts.extend(innocents::with_signs(&fixture, &other.id, other.mark));
        if can_be_another_user() {
            parts.extend(innocents::of_another_user(&fixture));
        }
        let watched: Vec<Part> = parts.into_iter().map(Part::watched).collect();
        innocents.extend(fixture.start(&watched));
        let gone = runs::dead(&fixture, 3);
        let mut guilty = gone.actors.clone();
        innocents.extend(recycle(&fixture, &gone));
        let mut plan = guilty::crowd(&fixture);
        plan.push(guilty::deaf(&fixture));
        let mut crowd = Self {
            fixture,
            caller,
            innocents,
            _other: other,
            plan,
            guilty: Vec::new(),
            run: String::new(),
        };
        crowd.guilty.append(&mut guilty);
        crowd.complete(true);
        crowd
    }

    /// Starts those of the guilty that are not there.
    fn complete(&mut self, has_grace: bool) {
        if !has_grace {
            self.end_the_deaf();
        }
        self.guilty.retain(|(_, actor)| actor.is_there());
        if self.count(Group::Left) == 0 {
            self.guilty.extend(runs::dead(&self.fixture, 3).actors);
        }
        if self.count(Group::Detached) == 0 {
            let run = runs::detached(&self.fixture);
            self.run = run.id;
            self.guilty.extend(run.actors);
        }
        for group in [Group::Python, Group::Monitor, Group::Unreal] {
            if self.count(group) != 0 {
                continue;
            }
            let is_meant = |part: &Part| has_grace || part.disguise != guilty::DEAF_SCRIPT;
            let parts = self
                .plan
                .iter()
                .filter(|(of, part)| *of == group && is_meant(part));
            let parts: Vec<Part> = parts.map(|(_, part)| part.clone()).collect();
            let started = self.fixture.start(&parts).into_iter();
            self.guilty.extend(started.map(|actor| (group, actor)));
        }
        for (_, actor) in &self.guilty {
            if actor.disguise == guilty::STOPPED {
                actor.signal(Signal::STOP);
            }
        }
    }

    /// A process that has to be killed would keep a command waiting that has no option for the grace.
    fn end_the_deaf(&self) {
        let all = self.guilty.iter().map(|(_, actor)| actor);
        let deaf: Vec<&Actor> = all
            .filter(|actor| actor.disguise == guilty::DEAF_SCRIPT)
            .collect();
        for actor in &deaf {
            actor.signal(Signal::KILL);
        }
        wait_for(PATIENCE, "the deaf to be gone", || {
            deaf.iter().all(|actor| !actor.is_there())
        });
    }

    fn count(&self, group: Group) -> usize {
        self.guilty.iter().filter(|(of, _)| *of == group).count()
    }

    /// Lets a command say what it would do, and do it.
    fn suffer(&mut self, call: &Call, tally: &mut Tally) {
        let expected: BTreeSet<u32> = self
            .guilty
            .iter()
            .filter(|(group, _)| call.ends.contains(group))
            .map(|(_, actor)| actor.pid)
            .collect();
        let arguments = Call::with_run(call.dry, &self.run);
        let name = arguments.join(" ");
        let dry = self.caller.call(&arguments);
        self.compare(
            &name,
            &pids(&dry.document, &["would_end"]),
            &expected,
            tally,
        );
        if dry.code != call.codes[0] && !call.ends.is_empty() {
            tally.fault(
                &name,
                &format!("ended with {}: {:#}", dry.code, dry.document["problems"]),
            );
        }
        tally.look_at(&name, &self.innocents);
        for (_, actor) in self.guilty.iter().filter(|(_, actor)| !actor.is_there()) {
            tally.fault(&name, &format!("{} was ended", actor.describe()));
        }

        let arguments = Call::with_run(call.arguments, &self.run);
        let name = arguments.join(" ");
        let real = self.caller.call(&arguments);
        self.compare(
            &name,
            &pids(&real.document, &["ended", "killed"]),
            &expected,
            tally,
        );
        if real.code != call.codes[1] {
            tally.fault(
                &name,
                &format!("ended with {}: {:#}", real.code, real.document["problems"]),
            );
        }
        tally.look_at(&name, &self.innocents);
        for (_, actor) in &self.guilty {
            if expected.contains(&actor.pid) {
                tally.was_to_end(&name, actor);
            } else if !actor.is_there() {
                tally.fault(&name, &format!("{} was ended unasked", actor.describe()));
            }
        }
        self.guilty.retain(|(_, actor)| actor.is_there());
    }

    /// Compares the processes that a document names with those that it should name.
    fn compare(&self, call: &str, named: &BTreeSet<u32>, due: &BTreeSet<u32>, tally: &mut Tally) {
        let guilty = self.guilty.iter().map(|(_, actor)| actor);
        let all: Vec<&Actor> = guilty.chain(&self.innocents).collect();
        let describe = |pid: &u32| match all.iter().find(|actor| actor.pid == *pid) {
            Some(actor) => actor.describe(),
            None => format!("a stranger, PID {pid}"),
        };
        for pid in named.difference(due) {
            tally.fault(call, &format!("names {}", describe(pid)));
        }
        for pid in due.difference(named) {
            tally.fault(call, &format!("does not name {}", describe(pid)));
        }
    }

    /// `--machine` widens by name, and still names no process that is protected, or that no rule matches.
    fn look_at_the_machine(&mut self, tally: &mut Tally) {
        self.complete(true);
        let arguments = ["cleanup", "--all", "--machine", "--dry-run"];
        let name = arguments.join(" ");
        let dry = self.caller.call(&arguments);
        let due: BTreeSet<u32> = self
            .guilty
            .iter()
            .map(|(_, actor)| actor)
            .chain(
                self.innocents
                    .iter()
                    .filter(|actor| innocents::is_of_the_machine(actor)),
            )
            .map(|actor| actor.pid)
            .collect();
        let named = pids(&dry.document, &["would_end"]);
        let guilty: BTreeSet<u32> = self.guilty.iter().map(|(_, actor)| actor.pid).collect();
        // Of the innocents that a rule matches by name some are spared for other reasons, so that they need not be named.
        let due = due
            .into_iter()
            .filter(|pid| guilty.contains(pid) || named.contains(pid));
        self.compare(&name, &named, &due.collect(), tally);
        tally.look_at(&name, &self.innocents);
    }
}

/// Newcomers in the places of a dead run's own processes.
fn recycle(fixture: &Fixture, run: &OwnRun) -> Vec<Actor> {
    if !can_choose_pids() {
        return Vec::new();
    }
    let parts = innocents::recycled(fixture, &run.gone);
    let parts: Vec<Part> = parts.into_iter().map(Part::watched).collect();
    fixture.start(&parts)
}

/// Whether a process can be given the PID of one that is gone.
pub(crate) fn can_choose_pids() -> bool {
    let can = rustix::fs::access(NEXT_PID, rustix::fs::Access::WRITE_OK).is_ok();
    if !can {
        skip("PIDs cannot be chosen here, so no process has a recycled one");
    }
    can
}

fn can_be_another_user() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let can = rustix::process::geteuid().is_root() && map.contains("4294967295");
    if !can {
        skip("only root can start processes of another user, so there are none");
    }
    can
}

/// Ends everything that is left in the namespace.
pub(crate) fn end_all_others() {
    poll(Duration::from_secs(10), || {
        let all = others();
        for stranger in &all {
            if let Some(pid) = Pid::from_raw(stranger.pid.cast_signed()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        all.is_empty().then_some(())
    });
}
