//! Where the askers used to disagree, row by row, and what holds now.
//!
//! Four places decided by themselves: the commands that judge every process, what finishes a dead run, the guardian that
//! looks for what has got out of its job, and the launcher that asks which client listens. Each row is a
//! process on which they differed, or on which they have to agree. Differences that are meant are [`Asker`],
//! [`RunSigns::keeps_pids`] and the sweep, which follows descent from everything that is claimed.

use super::*;
use crate::identity::{Boot, Identity};
use crate::mark::Mark;
use crate::table::{Facts, Process, Table};

/// The process that is asked about.
const SEVEN: u32 = 7;

/// A process of the run that is there, and one that has ended.
const CLIENT: u32 = 20;
const GONE: u32 = 21;

const GUARDIAN: u32 = 10;

/// A test of another live run, and what holds that run.
const OTHERS_TEST: u32 = 30;
const OTHERS_LAUNCHER: u32 = 31;

fn mark(number: u64) -> Mark {
    Mark::from_random(number << 20)
}

fn at(pid: u32, start: u64) -> Identity {
    let boot = Boot::new(1);
    Identity { pid, start, boot }
}

fn process(pid: u32, parent: u32, start: u64) -> Facts {
    Facts {
        own: Some(true),
        ..Facts::new(at(pid, start), parent)
    }
}

/// A process of this user that is younger than everything else, and that init has adopted.
fn seven() -> Facts {
    process(SEVEN, 1, 100)
}

fn marked(number: u64, process: Facts) -> Facts {
    Facts {
        mark: Some((mark(number), 1)),
        ..process
    }
}

fn named(run: &str, process: Facts) -> Facts {
    Facts {
        cookie: Some(run.to_owned()),
        ..process
    }
}

fn below(parent: u32, process: Facts) -> Facts {
    Facts { parent, ..process }
}

fn older(process: Facts) -> Facts {
    Facts {
        identity: at(SEVEN, 5),
        ..process
    }
}

fn run() -> RunSigns {
    RunSigns {
        guardian: Some(at(GUARDIAN, 10)),
        members: [
            (at(CLIENT, 20), Member::Client(1)),
            (at(GONE, 21), Member::Client(2)),
        ]
        .into(),
        mark: Some(mark(1)),
        ..RunSigns::new("a")
    }
}

/// Another run, which goes on.
fn other() -> RunSigns {
    RunSigns {
        is_live: true,
        guardian: Some(at(33, 11)),
        members: [(at(OTHERS_TEST, 30), Member::Test)].into(),
        holders: vec![at(OTHERS_LAUNCHER, 31)],
        mark: Some(mark(2)),
        ..RunSigns::new("b")
    }
}

fn world(seven: Facts) -> Table {
    let mut processes = vec![
        process(1, 0, 1),
        process(GUARDIAN, 1, 10),
        marked(1, process(CLIENT, GUARDIAN, 20)),
        named("a", process(OTHERS_LAUNCHER, 1, 31)),
        named("a", process(OTHERS_TEST, 1, 30)),
        named("a", process(40, 1, 40)),
        marked(1, process(41, 1, 41)),
    ];
    processes.retain(|process| process.identity.pid != seven.identity.pid);
    processes.push(seven);
    Table::of(processes.into_iter().map(Process::from))
}

/// What a command says of PID 7, or of what stands in its place.
fn by_command(table: &Table, pid: u32, run: &RunSigns) -> Option<Evidence> {
    let runs = [run.clone(), other()];
    let membership = Membership::of_runs(table, &runs);
    match membership.claim(table.get(pid).unwrap(), true) {
        Some(Claim::Member(run, evidence)) => (run.run == "a").then_some(evidence),
        _ => None,
    }
}

/// What ends the run says of it.
fn at_the_end(table: &Table, pid: u32, run: &RunSigns) -> Option<Evidence> {
    let other = other();
    let holders = || {
        let mut holders = LiveHolders::default();
        let own = other.members.keys().copied();
        holders.add(&other.run, table, own, other.holders.iter().copied());
        holders
    };
    let swept = Membership::of_run(table, run, holders).sweep();
    swept.ending.get(&pid).copied()
}

/// Which client the launcher takes it for.
fn by_launcher(table: &Table, pid: u32, run: &RunSigns) -> Option<Member> {
    let parent = |child: &Process| {
        let parent = table.get(child.parent())?;
        let facts = parent.facts("/".as_ref());
        parent
            .identity()
            .can_be_parent_of(&child.identity())
            .then(|| facts.into())
    };
    run.member_of(table.get(pid).unwrap(), parent)
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[test]
fn askers_differ_only_where_that_is_meant() {
    use Evidence::{Container, Cookie, Lineage, RecordedIdentity};
    let contained = RunSigns {
        contained: [at(SEVEN, 100), at(SEVEN, 5)].into(),
        ..run()
    };
    let recorded = RunSigns {
        members: [(at(SEVEN, 100), Member::Client(1))].into(),
        ..run()
    };
    let kept = RunSigns {
        keeps_pids: true,
        ..run()
    };
    // The process; the run; what a command says; what the end of the run says.
    let rows = [
        // They have always agreed.
        (
            "in the container",
            seven(),
            &contained,
            Some(Container),
            Some(Container),
        ),
        ("of nothing", seven(), &run(), None, None),
        (
            "another user's, and marked",
            Facts {
                own: Some(false),
                ..marked(1, seven())
            },
            &run(),
            Some(Evidence::Mark),
            Some(Evidence::Mark),
        ),
        (
            "another user's, and named",
            Facts {
                own: Some(false),
                ..named("a", seven())
            },
            &run(),
            None,
            None,
        ),
        (
            "named",
            named("a", seven()),
            &run(),
            Some(Cookie),
            Some(Cookie),
        ),
        (
            "marked by another run, and named",
            marked(2, named("a", seven())),
            &run(),
            None,
            None,
        ),
        (
            "marked by an unknown run, and named",
            marked(9, named("a", seven())),
            &run(),
            None,
            None,
        ),
        // Not meant: commands did not ask for the age.
        (
            "in the container, and older",
            older(seven()),
            &contained,
            None,
            None,
        ),
        (
            "marked, and older",
            older(marked(1, seven())),
            &run(),
            None,
            None,
        ),
        (
            "named, and older",
            older(named("a", seven())),
            &run(),
            None,
            None,
        ),
        // Not meant: a command called the first one recorded only where it had no other sign.
        (
            "recorded, and named",
            named("a", seven()),
            &recorded,
            Some(RecordedIdentity),
            Some(RecordedIdentity),
        ),
        (
            "recorded, and named for another run",
            named("b", seven()),
            &recorded,
            Some(RecordedIdentity),
            Some(RecordedIdentity),
        ),
        (
            "recorded, and of an unknown run",
            marked(9, seven()),
            &recorded,
            Some(RecordedIdentity),
            Some(RecordedIdentity),
        ),
        // Not meant: what finishes a run called it marked.
        (
            "below a client, and marked",
            below(CLIENT, marked(1, seven())),
            &run(),
            Some(Lineage),
            Some(Lineage),
        ),
        (
            "below a client, and of an unknown run",
            below(CLIENT, marked(9, seven())),
            &run(),
            Some(Lineage),
            Some(Lineage),
        ),
        // Meant: to a command, what a guardian has started is protected as its run's; the guardian's helpers are none of
        // what it ends.
        (
            "below the guardian",
            below(GUARDIAN, seven()),
            &run(),
            Some(Lineage),
            None,
        ),
        // Meant: what descends from a target is a command's own choice, with what it spares on the way.
        (
            "below one that is named",
            below(40, seven()),
            &run(),
            None,
            Some(Lineage),
        ),
        (
            "below one that is marked",
            below(41, seven()),
            &run(),
            None,
            Some(Lineage),
        ),
        (
            "below one that is marked, and of an unknown run",
            below(41, marked(9, seven())),
            &run(),
            None,
            Some(Lineage),
        ),
        // Meant: only a guardian keeps the PIDs of its members from others.
        (
            "below a client that is gone",
            below(GONE, seven()),
            &run(),
            None,
            None,
        ),
        (
            "below a client whose PID is kept",
            below(GONE, seven()),
            &kept,
            Some(Lineage),
            Some(Lineage),
        ),
    ];
    let mut wrong = Vec::new();
    for (row, seven, run, command, end) in rows {
        let table = world(seven);
        let said = (
            by_command(&table, SEVEN, run),
            at_the_end(&table, SEVEN, run),
        );
        if said != (command, end) {
            wrong.push(format!("{row}: {said:?} instead of {:?}", (command, end)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_copied_environment_tells_nothing_of_what_belongs_to_another_live_run() {
    // Not meant: a command took the environment at its word.
    let table = world(seven());
    for pid in [OTHERS_TEST, OTHERS_LAUNCHER] {
        assert_eq!(by_command(&table, pid, &run()), None, "{pid}");
        assert_eq!(at_the_end(&table, pid, &run()), None, "{pid}");
    }
}

#[test]
fn which_client_a_process_descends_from_is_told_by_its_mark_first() {
    let unmarked = RunSigns {
        mark: None,
        ..run()
    };
    let test = Facts {
        mark: Some((mark(1), 0xfff)),
        ..seven()
    };
    for (case, seven, run, expected) in [
        (
            "of the test",
            below(CLIENT, test),
            &run(),
            Some(Member::Test),
        ),
        (
            "of another run",
            below(CLIENT, marked(2, seven())),
            &run(),
            None,
        ),
        (
            "without a mark",
            below(CLIENT, seven()),
            &run(),
            Some(Member::Client(1)),
        ),
        (
            "where there are no marks",
            below(CLIENT, seven()),
            &unmarked,
            Some(Member::Client(1)),
        ),
        ("of nothing", seven(), &unmarked, None),
    ] {
        assert_eq!(by_launcher(&world(seven), SEVEN, run), expected, "{case}");
    }
    let table = world(seven());
    assert_eq!(
        by_launcher(&table, CLIENT, &unmarked),
        Some(Member::Client(1))
    );
}
