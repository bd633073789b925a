//! What is never touched.

use super::*;

/// A script of the scope, which a cleaning of its group would end.
fn guilty(pid: u32, parent: u32) -> Facts {
    process(
        pid,
        parent,
        "/usr/bin/python3",
        "python /home/me/game/loop.py",
    )
}

fn everything() -> CleanRequest {
    CleanRequest {
        groups: Groups::All,
        runs: BTreeSet::from(["a".to_owned(), "other".to_owned()]),
        machine: true,
        editors: true,
        include_live_runs: true,
        pursued: BTreeSet::new(),
    }
}

#[test]
fn the_callers_surroundings_hold_against_the_widest_request() {
    let mut loop_script = World::new();
    loop_script.processes[1] = Facts {
        session: 7,
        ..guilty(100, 7)
    };
    let loop_script = loop_script.with(guilty(7, 1));

    let mut leader = World::new().with(Facts {
        session: 7,
        ..guilty(7, 1)
    });
    leader.processes[2].session = 7;

    let mut terminal = World::new().with(guilty(7, 1)).with(Facts {
        session: 8,
        ..guilty(8, 7)
    });
    terminal.processes[2].session = 8;

    let mut debugger = World::new().with(guilty(7, 1));
    debugger.processes[2].tracer = Some(7);

    let mut above_debugger = World::new().with(guilty(7, 1)).with(guilty(8, 7));
    above_debugger.processes[1].tracer = Some(8);

    // The caller and PID 7 at both ends of a pipe, and PID 8 behind that.
    let mut pipeline = World::new();
    pipeline.processes[2].pipes_written = vec![70];
    let reader = |pid, read, written| Facts {
        session: 100,
        pipes_read: vec![read],
        pipes_written: vec![written],
        ..guilty(pid, 100)
    };
    let pipeline = pipeline.with(reader(8, 70, 71)).with(reader(7, 71, 72));

    let kernel = World::new().with(Facts {
        kernel: true,
        ..guilty(7, 2)
    });
    let others = World::new().with(Facts {
        own: Some(false),
        ..guilty(7, 1)
    });

    hold([
        (
            "the loop script above the caller",
            loop_script,
            "is an ancestor of the caller",
        ),
        (
            "the leader of its session",
            leader,
            "holds the caller's session (its shell or terminal)",
        ),
        (
            "the terminal above the leader",
            terminal,
            "holds the caller's session (its shell or terminal)",
        ),
        (
            "a debugger",
            debugger,
            "debugs the caller, or what the caller depends on",
        ),
        (
            "the program above a debugger of its shell",
            above_debugger,
            "debugs the caller, or what the caller depends on",
        ),
        (
            "the end of its pipeline",
            pipeline,
            "reads what the caller writes",
        ),
        ("a kernel thread", kernel, "is a kernel thread"),
        ("another user's", others, "belongs to another user"),
    ]);
}

#[test]
fn a_reader_in_another_session_is_protected_where_none_is_nearer() {
    let reader = |pid: u32, session: u32| Facts {
        session,
        pipes_read: vec![70],
        ..guilty(pid, 1)
    };
    let mut world = World::new().with(reader(7, 7));
    world.processes[2].pipes_written = vec![70];
    assert_eq!(world.targets(&every_group()), [0; 0]);
    let world = world.with(reader(8, 100));
    assert_eq!(world.targets(&every_group()), [7]);
}

#[test]
fn a_pipe_of_another_process_protects_nothing() {
    let reader = Facts {
        session: 100,
        pipes_read: vec![70],
        pipes_written: vec![71],
        ..guilty(7, 1)
    };
    // It is an ancestor that reads what the caller says; what it writes itself goes to others.
    let mut world = World::new().with(Facts {
        pipes_read: vec![72],
        ..reader.clone()
    });
    world.processes[1].pipes_read = vec![70];
    world.processes[1].pipes_written = vec![72];
    world.processes[2].pipes_written = vec![70];
    assert_eq!(world.targets(&every_group()), [7]);
    // A leftover of the loop shares the caller's output.
    let mut world = World::new().with(Facts {
        pipes_read: Vec::new(),
        pipes_written: vec![70],
        ..reader
    });
    world.processes[2].pipes_written = vec![70];
    assert_eq!(world.targets(&every_group()), [7]);
}

#[test]
fn runs_protect_theirs_against_the_widest_request() {
    let guardian = World::new().with(guilty(7, 1)).with_run(RunSigns {
        guardian: Some(identity(7)),
        ..signs("a", ScopeRef::This, true)
    });
    let other_run = |run: fn(&mut RunSigns)| {
        let mut info = signs("other", ScopeRef::Other, false);
        run(&mut info);
        World::new().with_run(info)
    };
    let other_member = other_run(|run| run.members = members([7])).with(guilty(7, 1));
    let other_child = other_run(|run| run.guardian = Some(identity(6)))
        .with(process(6, 1, "/x/guardian", "guardian"))
        .with(guilty(7, 6));
    let other_cookie = other_run(|_| {}).with(Facts {
        cookie: Some("other".to_owned()),
        ..guilty(7, 1)
    });
    let mark = Mark::from_random(1 << 20);
    let stranger = World::new().with(Facts {
        mark: Some((mark, 1)),
        ..guilty(7, 1)
    });
    let strange_cookie = World::new().with(Facts {
        cookie: Some("zzz".to_owned()),
        ..guilty(7, 1)
    });

    hold([
        ("a guardian", guardian, "is the guardian of run a"),
        (
            "recorded by another scope",
            other_member,
            "belongs to run other of another scope",
        ),
        (
            "below another scope's guardian",
            other_child,
            "belongs to run other of another scope",
        ),
        (
            "with another scope's cookie",
            other_cookie,
            "belongs to run other of another scope",
        ),
        (
            "with an unknown mark",
            stranger,
            "belongs to a run that this scope does not know (mark 0000000000100)",
        ),
        (
            "with an unknown cookie",
            strange_cookie,
            "belongs to a run that this scope does not know (cookie zzz)",
        ),
    ]);
}

/// PID 7 is what it is said to be, and nothing ends it.
fn hold<const N: usize>(cases: [(&str, World, &str); N]) {
    for (case, world, expected) in cases {
        assert_eq!(world.says(7), expected, "{case}");
        assert!(!world.targets(&everything()).contains(&7), "{case}");
    }
}

#[test]
fn the_first_process_and_the_caller_are_protected() {
    let mut world = World::new();
    world.processes[0] = guilty(1, 0);
    world.processes[2] = guilty(CALLER, 100);
    assert_eq!(world.says(1), "is the first process");
    assert_eq!(world.says(CALLER), "is the caller");
    assert_eq!(world.targets(&everything()), [0_u32; 0]);
}

#[test]
fn root_alone_widens_nothing() {
    let mut world = World::new().with(Facts {
        own: Some(false),
        ..guilty(7, 1)
    });
    assert_eq!(world.targets(&every_group()), [0_u32; 0]);
    world.all_users = true;
    assert_eq!(world.targets(&every_group()), [7]);
}

#[test]
fn a_recycled_pid_inherits_no_protection_and_no_guilt() {
    // The parent and the session leader that the caller names are younger than the caller: newcomers.
    let mut world = World::new().with(Facts {
        session: 200,
        ..guilty(200, 1)
    });
    world.processes[2].session = 200;
    world.processes[2].parent = 200;
    assert_eq!(
        world.says(200),
        "belongs to group python: runs a script of this scope"
    );
    // A newcomer with a recorded PID is another process.
    let world = World::new()
        .with(process(7, 1, "/usr/bin/vim", "vim"))
        .with_run(RunSigns {
            members: [(
                Identity {
                    start: 6,
                    ..identity(7)
                },
                Member::Test,
            )]
            .into(),
            ..signs("a", ScopeRef::This, false)
        });
    assert_eq!(world.says(7), "no rule matches it");
}

#[test]
fn without_the_caller_nothing_is_said() {
    let resolve = |_: &Path| None;
    let spec = BoundsSpec {
        root: ROOT.into(),
        ..BoundsSpec::default()
    };
    let bounds = Bounds::new(&spec, &resolve).unwrap();
    let rules = rules();
    let inputs = Inputs {
        caller: Caller::new(CALLER),
        bounds: &bounds,
        rules: &rules,
        runs: &[],
        all_users: false,
    };
    let table = Table::of([guilty(7, 1).into()]);
    let error = Classifier::new(&table, inputs).unwrap_err();
    assert_eq!(error, ClassifyError::CallerMissing(CALLER));
}

#[test]
fn where_the_line_of_ancestors_is_cut_the_console_tells_what_may_be_one() {
    // The shell has been put in the place of one that was started by PID 7, below PID 6, and has left since.
    let cut = |takes_a_place| {
        let mut world = World::new()
            .with(guilty(6, 1))
            .with(guilty(7, 6))
            .with(guilty(8, 1))
            .with(guilty(200, 1));
        world.processes[1].parent = 55;
        world.processes[1].takes_a_place = takes_a_place;
        // PID 200 is younger than the caller, as are those with larger PIDs here.
        world.console = vec![7, 200];
        [6, 7, 8, 200].map(|pid| world.says(pid))
    };
    let script = "belongs to group python: runs a script of this scope";
    let mate = "shares the caller's console, and may have started it";
    assert_eq!(cut(true), [mate, mate, script, script]);
    assert_eq!(cut(false), [script; 4]);
}
