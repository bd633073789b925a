//! Trees, widths and counts.

use super::*;

fn script(pid: u32, parent: u32) -> Facts {
    process(
        pid,
        parent,
        "/usr/bin/python3",
        "python /home/me/game/loop.py",
    )
}

fn named(groups: &[&str]) -> CleanRequest {
    CleanRequest {
        groups: Groups::Named(groups.iter().map(|name| (*name).to_owned()).collect()),
        ..CleanRequest::default()
    }
}

#[test]
fn nothing_is_asked_for_by_default() {
    assert_eq!(
        World::new()
            .with(script(7, 1))
            .targets(&CleanRequest::default()),
        [0_u32; 0]
    );
}

#[test]
fn the_tree_goes_with_its_root_and_says_so() {
    let world = World::new()
        .with(script(7, 1))
        .with(process(8, 7, "/bin/sh", "sh -c x"))
        .with(process(9, 8, "/opt/anything", "anything"));
    assert_eq!(world.targets(&named(&["python"])), [7, 8, 9]);
    assert_eq!(world.targets(&named(&["monitor"])), [0_u32; 0]);
    let selected = world.ask(|classifier| classifier.select(&named(&["python"])));
    let last = selected
        .iter()
        .find(|selected| selected.identity.pid == 9)
        .unwrap();
    let why = TargetReason::Descendant { of: identity(7) };
    assert_eq!(last.decision, Decision::Target { why });
}

#[test]
fn what_stays_takes_its_descendants_along() {
    let below = |child: Facts| {
        World::unreal().with(script(7, 1)).with(child).with(process(
            9,
            8,
            "/opt/anything",
            "anything",
        ))
    };
    let root_owned = Facts {
        own: Some(false),
        ..process(8, 7, "/usr/bin/sudo", "sudo x")
    };
    let other_scope = Facts {
        cookie: Some("other".to_owned()),
        ..process(8, 7, "/x", "x")
    };
    let live = Facts {
        cookie: Some("live".to_owned()),
        ..process(8, 7, "/x", "x")
    };
    let editor = process(
        8,
        7,
        "/opt/ue/UnrealEditor",
        "UnrealEditor /home/me/game/My.uproject",
    );
    let mut debugger = below(process(8, 7, "/usr/bin/gdb", "gdb -p 101"));
    debugger.processes[2].tracer = Some(8);
    // The debugger's own line is protected, the script above it included.
    assert_eq!(debugger.targets(&every_group()), [0_u32; 0]);
    let live = below(live).with_run(signs("live", ScopeRef::This, true));
    for (case, world) in [
        ("another user's", below(root_owned)),
        ("a run of another scope", below(other_scope)),
        ("a live run of this scope", live),
        (
            "a shared daemon",
            below(process(8, 7, "/opt/ue/zenserver", "zenserver")),
        ),
        ("a person's editor", below(editor)),
    ] {
        assert_eq!(world.targets(&every_group()), [7], "{case}");
    }
}

#[test]
fn a_target_of_an_earlier_look_stays_one_unless_it_has_become_another_runs() {
    let orphan = process(7, 1, "/usr/bin/sleep", "sleep 80");
    let pursued = CleanRequest {
        pursued: BTreeSet::from([orphan.identity]),
        ..every_group()
    };
    assert_eq!(World::new().with(orphan.clone()).targets(&pursued), [7]);
    let launched = Facts {
        mark: Some((Mark::from_random(1 << 20), 1)),
        ..orphan
    };
    assert_eq!(World::new().with(launched).targets(&pursued), [0_u32; 0]);
}

#[test]
fn a_shared_daemon_is_ended_when_it_is_asked_for_by_name() {
    let mut world = World::unreal()
        .with(process(
            7,
            1,
            "/opt/ue/UnrealEditor",
            "UnrealEditor /home/me/game/My.uproject -game",
        ))
        .with(process(8, 7, "/opt/ue/zenserver", "zenserver"));
    let zen = GroupSpec {
        name: "zen".to_owned(),
        names: vec!["zenserver".to_owned()],
        ..GroupSpec::default()
    };
    let unreal = GroupSpec {
        name: "unreal".to_owned(),
        names: vec!["UnrealEditor*".to_owned()],
        spare: vec!["zenserver*".to_owned()],
        ..GroupSpec::default()
    };
    for order in [[unreal.clone(), zen.clone()], [zen, unreal]] {
        world.rules = Rules::new(order).unwrap();
        assert_eq!(world.targets(&named(&["unreal"])), [7]);
        assert_eq!(world.targets(&named(&["zen"])), [0_u32; 0]);
        let machine = CleanRequest {
            machine: true,
            ..named(&["zen"])
        };
        assert_eq!(world.targets(&machine), [8]);
    }
}

#[test]
fn a_name_alone_is_a_target_only_on_the_whole_machine() {
    let world = World::unreal()
        .with(process(
            7,
            1,
            "/usr/bin/python3",
            "python /home/me/other/loop.py",
        ))
        .with(process(
            8,
            1,
            "/opt/ue/UnrealEditor",
            "UnrealEditor /home/me/other/Other.uproject",
        ));
    assert_eq!(world.targets(&every_group()), [0_u32; 0]);
    let machine = CleanRequest {
        machine: true,
        ..every_group()
    };
    assert_eq!(world.targets(&machine), [7]);
    let editors = CleanRequest {
        editors: true,
        ..machine
    };
    assert_eq!(world.targets(&editors), [7, 8]);
}

#[test]
fn groups_are_counted_in_scope_and_elsewhere() {
    let game = "UnrealEditor /home/me/game/My.uproject -game";
    let world = World::unreal()
        .with(process(7, 1, "/opt/UnrealEditor", game))
        .with(process(8, 1, "/opt/UnrealEditor", game))
        .with(process(
            9,
            1,
            "/opt/UnrealEditor",
            "UnrealEditor /home/me/game/My.uproject",
        ))
        .with(process(
            10,
            1,
            "/opt/UnrealEditor",
            "UnrealEditor /home/me/other/Other.uproject",
        ))
        .with(script(11, 1))
        .with(script(12, 1))
        .with(script(13, 1));
    let counts = world.counts();
    let unreal = Count {
        group: "unreal".to_owned(),
        limit: Some(3),
        in_scope: 2,
        in_live_runs: 0,
        own_editors: 1,
        elsewhere: 1,
    };
    assert_eq!(counts[0], unreal);
    assert!(!counts[0].is_over());
    assert_eq!(
        (counts[2].group.as_str(), counts[2].in_scope),
        ("python", 3)
    );
    assert!(counts[2].is_over());
}

/// No group counts them, and any of them may have a project open.
#[test]
fn editors_that_are_not_to_be_ended_are_seen_all_the_same() {
    let editor = |pid, project: &str| {
        let command = format!("UnrealEditor {project}");
        process(pid, 1, "/opt/UnrealEditor", &command)
    };
    let own = "/home/me/game/My.uproject";
    let of_a_run = |process| Facts {
        cookie: Some("other".to_owned()),
        ..process
    };
    let listed = |short_name: &str| Facts {
        short_name: short_name.to_owned(),
        own: Some(false),
        ..Facts::new(identity(7), 1)
    };
    let mut above = World::unreal().with(editor(7, own));
    above.processes[1].parent = 7;
    let unreal = |process| World::unreal().with(process);
    for (case, world, here, elsewhere) in [
        ("one that a group counts", unreal(editor(7, own)), 0, 0),
        ("one from which this is called", above, 1, 0),
        (
            "one of an unknown run",
            unreal(of_a_run(editor(7, own))),
            1,
            0,
        ),
        (
            "one of such a run, at another project",
            unreal(of_a_run(editor(7, "/home/me/other/Other.uproject"))),
            0,
            1,
        ),
        (
            "one that may not be looked at",
            unreal(listed("UnrealEditor.exe")),
            1,
            0,
        ),
        (
            "another program that may not be looked at",
            unreal(listed("winlogon.exe")),
            0,
            0,
        ),
        (
            "one that sees other files",
            unreal(Facts {
                sees_scope: Some(false),
                ..editor(7, own)
            }),
            0,
            0,
        ),
        ("a script from which this is called", loop_above(), 0, 0),
    ] {
        let world = World {
            all_users: true,
            ..world
        };
        assert_eq!(world.uncounted(), Uncounted { here, elsewhere }, "{case}");
    }
}

/// A loop of the scope, which calls.
fn loop_above() -> World {
    let mut world = World::unreal().with(script(7, 1));
    world.processes[1].parent = 7;
    world
}

#[test]
fn a_selection_is_readable_by_machines() {
    let world = World::new().with(script(7, 1));
    let selected = world.ask(|classifier| classifier.select(&every_group()));
    let row = selected
        .iter()
        .find(|selected| selected.identity.pid == 7)
        .unwrap();
    let json = serde_json::to_value(row).unwrap();
    assert_eq!(
        json["verdict"],
        serde_json::json!({
            "verdict": "group", "group": "python", "evidence": "script", "in_scope": true, "own_editor": false
        })
    );
    assert_eq!(
        json["decision"],
        serde_json::json!({ "decision": "target", "why": { "kind": "group", "group": "python" } })
    );
    let spared = selected
        .iter()
        .find(|selected| selected.identity.pid == CALLER)
        .unwrap();
    let json = serde_json::to_value(spared).unwrap();
    assert_eq!(
        json["verdict"],
        serde_json::json!({ "verdict": "protected", "reason": { "kind": "caller" } })
    );
    assert_eq!(serde_json::from_value::<Selection>(json).unwrap(), *spared);
}
