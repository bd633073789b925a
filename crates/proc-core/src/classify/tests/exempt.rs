//! What a run lets live on is none of ours any more, and nothing else of the run is spared with it.

use super::*;

const CLIENT: u32 = 6;
const DAEMON: u32 = 7;

fn mark() -> Mark {
    Mark::from_random(1 << 20)
}

fn of_client(number: u16, process: Facts) -> Facts {
    Facts {
        mark: Some((mark(), number)),
        cookie: Some("a".to_owned()),
        ..process
    }
}

/// A run whose second client may leave these programs behind.
fn run(globs: &[&str]) -> RunSigns {
    let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
    let mut exempt = Exempt::default();
    exempt.allow(2, &globs).unwrap();
    RunSigns {
        mark: Some(mark()),
        members: members([CLIENT]),
        exempt,
        ..signs("a", ScopeRef::This, false)
    }
}

fn all() -> CleanRequest {
    CleanRequest {
        runs: ["a".to_owned()].into(),
        include_live_runs: true,
        ..every_group()
    }
}

const LIVES_ON: &str = "was started by run a, whose profile lets it live on (`survive`)";

#[test]
fn a_program_is_known_by_its_file_its_call_and_its_script() {
    let daemon = |executable: &str, command: &str| {
        World::new()
            .with(of_client(2, process(DAEMON, 1, executable, command)))
            .with_run(run(&["ZenServer*.exe"]))
    };
    let carries = "belongs to run a: carries its mark";
    check([
        ("by its file", daemon("/ue/zenserver", "x"), LIVES_ON),
        ("by its call", daemon("/bin/busybox", "zenserver"), LIVES_ON),
        (
            "by its script",
            daemon("/bin/dash", "/bin/sh /opt/zenserver-2"),
            LIVES_ON,
        ),
        (
            "under Wine",
            daemon("/usr/bin/wine64-preloader", r"C:\ue\ZenServer.exe --port"),
            LIVES_ON,
        ),
        ("another", daemon("/ue/myzenserver", "myzenserver"), carries),
        (
            "only among its arguments",
            daemon("/bin/cat", "cat zenserver"),
            carries,
        ),
    ]);
}

#[test]
fn only_what_that_client_has_left_lives_on() {
    let zen = || process(DAEMON, 1, "/ue/zenserver", "zenserver");
    let another_run = Facts {
        mark: Some((Mark::from_random(2 << 20), 2)),
        ..zen()
    };
    let of_unknown_run = "belongs to a run that this scope does not know";
    for (case, daemon, expected) in [
        (
            "another client's",
            of_client(1, zen()),
            "belongs to run a: carries its mark",
        ),
        (
            "without a mark",
            Facts {
                cookie: Some("a".to_owned()),
                ..zen()
            },
            "belongs to run a: names it",
        ),
        ("another run's", another_run, of_unknown_run),
    ] {
        let said = World::new()
            .with(daemon)
            .with_run(run(&["zenserver"]))
            .says(DAEMON);
        assert!(said.starts_with(expected), "{case}: {said}");
    }
    // A client itself ends with its run.
    let mut info = run(&["zenserver"]);
    info.members.extend(members([DAEMON]));
    let world = World::new().with(of_client(2, zen())).with_run(info);
    assert_eq!(world.targets(&all()), [DAEMON]);
}

#[test]
fn what_lives_on_is_reached_neither_by_itself_nor_through_its_line() {
    let client = of_client(
        2,
        process(CLIENT, 1, "/ue/UnrealEditor", "UnrealEditor -game"),
    );
    let daemon = of_client(2, process(DAEMON, CLIENT, "/ue/zenserver", "zenserver"));
    let helper = of_client(2, process(8, DAEMON, "/ue/anything", "anything"));
    let other = of_client(2, process(9, CLIENT, "/ue/anything", "anything"));
    let world = World::new()
        .with(client)
        .with(daemon)
        .with(helper)
        .with(other)
        .with_run(run(&["zenserver"]));
    assert_eq!(world.targets(&all()), [CLIENT, 9]);
    assert_eq!(world.says(8), LIVES_ON);
}

#[test]
fn a_group_that_names_the_program_has_it_but_not_one_that_has_its_script() {
    let server = within(ROOT, process(DAEMON, 1, "/opt/my-server", "my-server"));
    let script = within(
        ROOT,
        process(DAEMON, 1, "/usr/bin/python3", "python3 loop.py"),
    );
    for (daemon, survive, targets) in [(server, "my-*", &[DAEMON][..]), (script, "loop.py", &[])] {
        let world = World::new()
            .with(of_client(2, daemon))
            .with_run(run(&[survive]));
        assert_eq!(world.targets(&all()), targets, "{survive}");
    }
}

#[test]
fn while_its_run_goes_on_no_group_has_it() {
    let server = within(ROOT, process(DAEMON, 1, "/opt/my-server", "my-server"));
    let live = RunSigns {
        is_live: true,
        ..run(&["my-*"])
    };
    let world = World::new().with(of_client(2, server)).with_run(live);
    assert_eq!(world.targets(&every_group()), [0; 0]);
    assert_eq!(world.targets(&all()), [0; 0]);
}

/// Nothing but what lives on was left when its run was closed.
#[test]
fn what_it_has_started_lives_on_when_it_is_gone_itself() {
    for (client, has_left_exempt, targets) in [
        (2, true, &[][..]),
        // No look has shown that nothing else is left.
        (2, false, &[8]),
        (1, true, &[8]),
    ] {
        let helper = of_client(client, process(8, 1, "/ue/anything", "anything"));
        let world = World::new().with(helper).with_run(RunSigns {
            has_left_exempt,
            ..run(&["zenserver"])
        });
        assert_eq!(world.targets(&all()), targets, "{client} {has_left_exempt}");
    }
}

/// A daemon of the run that has become another user.
#[test]
fn a_group_does_not_reach_another_user_through_a_run() {
    let server = Facts {
        own: Some(false),
        ..process(DAEMON, 1, "/opt/my-server", "my-server")
    };
    let mut world = World::new()
        .with(of_client(2, within(ROOT, server)))
        .with_run(run(&["my-server"]));
    assert_eq!(world.says(DAEMON), LIVES_ON);
    world.all_users = true;
    assert_eq!(world.targets(&all()), [DAEMON]);
}

#[test]
fn what_names_everything_is_refused() {
    for (glob, expected) in [
        (
            "*",
            "`*`, which matches every program: name those that are meant",
        ),
        ("bin/x", "`bin/x` for a name: names have no folders"),
        (
            "x[",
            "a bad glob `x[`: unclosed character class; missing ']'",
        ),
    ] {
        let refused = Exempt::default().allow(1, &[glob.to_owned()]);
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
}
