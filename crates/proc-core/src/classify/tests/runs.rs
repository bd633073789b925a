//! What a run started is ours, whatever it looks like.

use super::*;

const LEFT: &str = "/opt/anything";

fn run(id: &str) -> RunSigns {
    signs(id, ScopeRef::This, false)
}

fn left() -> Facts {
    process(7, 1, LEFT, "anything")
}

fn mark(number: u64) -> Mark {
    Mark::from_random(number << 20)
}

#[test]
fn each_evidence_is_enough_by_itself() {
    let marked = Facts {
        mark: Some((mark(1), 2)),
        ..left()
    };
    let child = World::new().with(process(6, 1, LEFT, "x")).with(Facts {
        parent: 6,
        ..left()
    });
    let root_child = World::new().with(process(6, 1, LEFT, "x")).with(Facts {
        parent: 6,
        own: Some(false),
        executable: None,
        arguments: None,
        ..left()
    });
    for (case, world, info, expected) in [
        (
            "in its container",
            World::new().with(left()),
            RunSigns {
                contained: [identity(7)].into(),
                ..run("a")
            },
            Evidence::Container,
        ),
        (
            "below a member",
            child,
            RunSigns {
                members: members([6]),
                ..run("a")
            },
            Evidence::Lineage,
        ),
        (
            "below a member, of another user",
            root_child,
            RunSigns {
                members: members([6]),
                ..run("a")
            },
            Evidence::Lineage,
        ),
        (
            "marked",
            World::new().with(marked.clone()),
            RunSigns {
                mark: Some(mark(1)),
                ..run("a")
            },
            Evidence::Mark,
        ),
        (
            "marked, and not to be dumped",
            World::new().with(Facts {
                own: Some(false),
                ..marked
            }),
            RunSigns {
                mark: Some(mark(1)),
                ..run("a")
            },
            Evidence::Mark,
        ),
        (
            "named",
            World::new().with(Facts {
                cookie: Some("a".to_owned()),
                ..left()
            }),
            run("a"),
            Evidence::Cookie,
        ),
        (
            "recorded",
            World::new().with(left()),
            RunSigns {
                members: members([7]),
                ..run("a")
            },
            Evidence::RecordedIdentity,
        ),
        (
            "the guardian that it left",
            World::new().with(left()),
            RunSigns {
                guardian: Some(identity(7)),
                ..run("a")
            },
            Evidence::RecordedIdentity,
        ),
    ] {
        let ours = Verdict::Ours {
            run: "a".to_owned(),
            evidence: expected,
            group: None,
        };
        assert_eq!(world.with_run(info).verdict(7), ours, "{case}");
    }
}

#[test]
fn the_strongest_evidence_wins() {
    // The cookie was copied from another run's environment; the mark cannot be.
    let process = Facts {
        mark: Some((mark(1), 2)),
        cookie: Some("b".to_owned()),
        ..left()
    };
    let world = World::new()
        .with(process)
        .with_run(RunSigns {
            mark: Some(mark(1)),
            ..run("a")
        })
        .with_run(run("b"));
    assert_eq!(world.says(7), "belongs to run a: carries its mark");
    // An unknown mark outweighs a cookie of ours.
    let process = Facts {
        mark: Some((mark(9), 2)),
        cookie: Some("b".to_owned()),
        ..left()
    };
    let world = World::new().with(process).with_run(run("b"));
    assert_eq!(
        world.says(7),
        "belongs to a run that this scope does not know (mark 0000000000900)"
    );
    // Of two guardians above it, the nearer one.
    let world = World::new()
        .with(super::process(5, 1, LEFT, "x"))
        .with(super::process(6, 5, LEFT, "x"))
        .with(Facts {
            parent: 6,
            ..left()
        })
        .with_run(RunSigns {
            guardian: Some(identity(5)),
            ..run("a")
        })
        .with_run(RunSigns {
            guardian: Some(identity(6)),
            ..run("b")
        });
    assert_eq!(world.says(7), "belongs to run b: descends from it");
}

#[test]
fn of_two_runs_that_claim_a_process_the_more_protective_one_has_it() {
    let claim = |scope, is_live, id| RunSigns {
        guardian: Some(identity(7)),
        members: members([7]),
        mark: Some(mark(1)),
        ..signs(id, scope, is_live)
    };
    let live = claim(ScopeRef::This, true, "live");
    let dead = claim(ScopeRef::This, false, "dead");
    let other = claim(ScopeRef::Other, false, "other");
    for runs in [[&live, &dead], [&dead, &live]] {
        let mut world = World::new().with(left());
        world.runs = runs.map(Clone::clone).into();
        assert_eq!(world.says(7), "is the guardian of run live");
    }
    // Its guardian is protected as one, whatever else claims it.
    for runs in [[&other, &live], [&live, &other]] {
        let mut world = World::new().with(Facts {
            mark: Some((mark(2), 1)),
            ..left()
        });
        let marked = RunSigns {
            mark: Some(mark(2)),
            ..run("marked")
        };
        world.runs = runs.map(Clone::clone).into();
        world.runs.push(marked);
        assert_eq!(world.says(7), "is the guardian of run live");
    }
    for runs in [[&other, &dead], [&dead, &other]] {
        let mut world = World::new().with(left());
        world.runs = runs.map(Clone::clone).into();
        assert_eq!(world.says(7), "belongs to run other of another scope");
    }
}

#[test]
fn evidence_is_ranked() {
    let mut sorted = Evidence::ALL;
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(sorted, Evidence::ALL);
    assert!(Evidence::Container > Evidence::Name);
    assert_eq!(
        serde_json::to_string(&Evidence::RecordedIdentity).unwrap(),
        r#""recorded_identity""#
    );
}

#[test]
fn another_users_cookie_is_not_believed() {
    let world = World::new()
        .with(Facts {
            own: Some(false),
            cookie: Some("a".to_owned()),
            ..left()
        })
        .with_run(run("a"));
    assert_eq!(world.says(7), "belongs to another user");
}

#[test]
fn a_dead_run_ends_when_it_is_asked_for_and_a_live_one_when_that_is_meant() {
    let world = |is_live| {
        World::new()
            .with(Facts {
                cookie: Some("a".to_owned()),
                ..left()
            })
            .with_run(RunSigns {
                is_live,
                ..run("a")
            })
    };
    let ask = CleanRequest {
        runs: BTreeSet::from(["a".to_owned()]),
        ..CleanRequest::default()
    };
    assert_eq!(world(false).targets(&CleanRequest::default()), [0_u32; 0]);
    assert_eq!(world(false).targets(&ask), [7]);
    assert_eq!(world(true).targets(&ask), [0_u32; 0]);
    let live = CleanRequest {
        include_live_runs: true,
        ..ask
    };
    assert_eq!(world(true).targets(&live), [7]);
}

#[test]
fn what_a_run_left_is_cleaned_with_its_group() {
    // Code on the command line is no script of the scope, but this one was started by a run.
    let script = Facts {
        cookie: Some("a".to_owned()),
        ..process(7, 1, "/usr/bin/python3", "python /other/x.py")
    };
    let world = |is_live| {
        World::new().with(script.clone()).with_run(RunSigns {
            is_live,
            ..run("a")
        })
    };
    assert_eq!(world(false).targets(&every_group()), [7]);
    assert_eq!(world(true).targets(&every_group()), [0_u32; 0]);
    let count = |is_live| world(is_live).counts().remove(2);
    assert_eq!((count(false).in_scope, count(false).in_live_runs), (1, 0));
    assert_eq!((count(true).in_scope, count(true).in_live_runs), (1, 1));
}

#[test]
fn what_holds_a_live_run_is_not_cleaned_away() {
    let loop_script = process(7, 1, "/usr/bin/python3", "python /home/me/game/loop.py");
    let world = |is_live| {
        World::new()
            .with(loop_script.clone())
            .with(process(8, 7, LEFT, "xtask launch"))
            .with_run(RunSigns {
                holders: vec![identity(8)],
                is_live,
                ..run("a")
            })
    };
    assert_eq!(world(true).targets(&every_group()), [0_u32; 0]);
    assert_eq!(world(false).targets(&every_group()), [7, 8]);
    let live = CleanRequest {
        include_live_runs: true,
        ..every_group()
    };
    assert_eq!(world(true).targets(&live), [7, 8]);
    // Another scope's run is never meant: the script above its launcher would take it along.
    let mut other = world(true);
    other.runs[0].scope = ScopeRef::Other;
    assert_eq!(other.targets(&live), [0_u32; 0]);
}

#[test]
fn what_owns_a_run_holds_it_as_its_launcher_does() {
    let script = |pid| process(pid, 1, "/usr/bin/python3", "python /home/me/game/loop.py");
    let world = World::new()
        .with(script(7))
        .with(script(8))
        .with(script(9))
        .with_run(RunSigns {
            holders: vec![identity(7), identity(8)],
            is_live: true,
            ..run("a")
        });
    assert_eq!(world.targets(&every_group()), [9]);
}

#[test]
fn the_run_that_the_caller_is_part_of_goes_on_whatever_is_asked_for() {
    // The loop script (5) holds the run through its launcher (6); the caller is the run's test, below the guardian (4).
    let script = |pid, parent| {
        process(
            pid,
            parent,
            "/usr/bin/python3",
            "python /home/me/game/loop.py",
        )
    };
    let client = Facts {
        mark: Some((mark(1), 1)),
        ..script(7, 4)
    };
    let world = |caller_is_inside: bool| {
        let mut world = World::new()
            .with(script(5, 1))
            .with(process(6, 5, LEFT, "xtask launch"))
            .with(process(4, 1, LEFT, "guardian"))
            .with(client.clone())
            .with_run(RunSigns {
                guardian: Some(identity(4)),
                holders: vec![identity(6)],
                mark: Some(mark(1)),
                is_live: true,
                ..run("a")
            });
        if caller_is_inside {
            // The caller's shell, and so the caller.
            world.processes[1].mark = Some((mark(1), 0xfff));
        }
        world
    };
    let live = CleanRequest {
        include_live_runs: true,
        ..every_group()
    };
    assert_eq!(world(false).targets(&live), [5, 6, 7]);
    assert_eq!(world(true).targets(&live), [0_u32; 0]);
    // What holds a run can be cleaned as little as the run itself, and is counted with it.
    let python = world(true).counts().remove(2);
    assert_eq!((python.in_scope, python.in_live_runs), (2, 2));
}
