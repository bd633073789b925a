//! What may be at the other end of the caller's pipes, on a system that does not tell.

use super::*;
use crate::pipe_peers::{PipePeer, PipePeers};

/// In units of 100 ns.
const SECOND: u64 = 10_000_000;
/// When the caller was started, and the shell's program through which it was called.
const NOW: u64 = 1000 * SECOND;

const READER: &str = "reads what the caller writes";
const WRITER: &str = "writes what the caller reads";
const TARGET: &str = "belongs to group python: runs a script of this scope";

fn at(start: u64, mut facts: Facts) -> Facts {
    facts.identity.start = start;
    facts
}

fn with(input: PipePeer, output: PipePeer, facts: Facts) -> Facts {
    Facts {
        session: 100,
        pipe_peers: Some(PipePeers { input, output }),
        ..facts
    }
}

/// A script of the scope.
fn guilty(pid: u32, parent: u32) -> Facts {
    process(
        pid,
        parent,
        "/usr/bin/python3",
        "python /home/me/game/loop.py",
    )
}

/// The caller (101) below what the shell (100) has started (99), whose streams these are. The shell has pipes too.
fn world(input: PipePeer, output: PipePeer) -> World {
    let mut world = World::new();
    world.processes.truncate(1);
    let shell = process(100, 1, "/bin/bash", "-bash");
    let cargo = process(99, 100, "/bin/cargo", "cargo xtask");
    let caller = process(CALLER, 99, "/home/me/game/target/debug/xtask", "xtask");
    let inherited = PipePeer::Inherited;
    world
        .with(at(5, with(PipePeer::Pipe, PipePeer::Pipe, shell)))
        .with(at(NOW, with(input, output, cargo)))
        .with(at(NOW + 1, with(inherited, inherited, caller)))
}

#[test]
fn what_is_started_with_the_caller_and_has_a_pipe_of_its_own_is_left_alone() {
    use PipePeer::{Elsewhere, Inherited, Pipe, Unknown};
    let beside = |start, input, output| at(start, with(input, output, guilty(7, 100)));
    let piped = || world(Elsewhere, Pipe);
    let below = |input| {
        let shell = process(8, 100, "/bin/sh", "sh -c");
        let script = at(NOW + 3, with(input, Elsewhere, guilty(7, 8)));
        piped()
            .with(at(NOW + 2, with(Pipe, Elsewhere, shell)))
            .with(script)
    };
    check([
        (
            "a reader",
            piped().with(beside(NOW + 2, Pipe, Elsewhere)),
            READER,
        ),
        (
            "a reader that was started long afterwards",
            piped().with(beside(NOW + 60 * SECOND, Pipe, Elsewhere)),
            READER,
        ),
        (
            "a reader that was started first",
            piped().with(beside(NOW - SECOND, Pipe, Elsewhere)),
            READER,
        ),
        (
            "one that does not say",
            piped().with(beside(NOW + 2, Unknown, Elsewhere)),
            READER,
        ),
        (
            "a caller that may not be looked at",
            world(Elsewhere, Unknown).with(beside(NOW, Pipe, Elsewhere)),
            READER,
        ),
        (
            "a reader within a shell of its own",
            below(Inherited),
            READER,
        ),
        ("a pipe that the shell beside has made", below(Pipe), TARGET),
        (
            "started a while before",
            piped().with(beside(NOW - SECOND - 1, Pipe, Pipe)),
            TARGET,
        ),
        (
            "in the background, with the loop's streams",
            piped().with(beside(NOW + 2, Inherited, Inherited)),
            TARGET,
        ),
        (
            "in the background, with none",
            piped().with(beside(NOW + 2, Elsewhere, Elsewhere)),
            TARGET,
        ),
        (
            "a pipe, where the caller has none",
            world(Elsewhere, Elsewhere).with(beside(NOW + 2, Pipe, Pipe)),
            TARGET,
        ),
        (
            "a pipe, where the caller has the loop's",
            world(Inherited, Inherited).with(beside(NOW + 2, Pipe, Pipe)),
            TARGET,
        ),
        (
            "a writer",
            world(Pipe, Elsewhere).with(beside(NOW - 2, Elsewhere, Pipe)),
            WRITER,
        ),
        (
            "it writes, and so does the caller",
            piped().with(beside(NOW + 2, Elsewhere, Pipe)),
            TARGET,
        ),
        (
            "one whose parent has left",
            piped().with(Facts {
                parent: 6,
                ..beside(NOW + 2, Pipe, Elsewhere)
            }),
            TARGET,
        ),
        (
            "of another session",
            piped().with(Facts {
                session: 7,
                ..beside(NOW + 2, Pipe, Elsewhere)
            }),
            TARGET,
        ),
    ]);
}

#[test]
fn what_may_be_a_reader_is_no_target_of_the_widest_request() {
    let reader = with(PipePeer::Pipe, PipePeer::Elsewhere, guilty(7, 100));
    let leftover = with(PipePeer::Elsewhere, PipePeer::Elsewhere, guilty(8, 100));
    let world = world(PipePeer::Elsewhere, PipePeer::Pipe)
        .with(at(NOW + 2, reader))
        .with(at(NOW + 3, leftover));
    assert_eq!(world.targets(&every_group()), [8]);
}

#[test]
fn a_writer_and_a_reader_of_a_pipeline_are_both_kept() {
    let writer = with(PipePeer::Elsewhere, PipePeer::Pipe, guilty(7, 100));
    let reader = with(PipePeer::Pipe, PipePeer::Pipe, guilty(8, 100));
    let last = with(PipePeer::Pipe, PipePeer::Inherited, guilty(9, 100));
    let world = world(PipePeer::Pipe, PipePeer::Pipe)
        .with(at(NOW - 3, writer))
        .with(at(NOW + 2, reader))
        .with(at(NOW + 3, last));
    assert_eq!(world.says(7), WRITER);
    assert_eq!(world.says(8), READER);
    assert_eq!(world.says(9), READER);
}
