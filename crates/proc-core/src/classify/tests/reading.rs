//! What is read of a process, and what is not.

use super::*;

/// What is read of PID 7 when everything is asked for.
fn read(seven: Facts, runs: Vec<RunSigns>) -> Vec<&'static str> {
    let mut world = World::new().with(seven);
    world.runs = runs;
    let table = Table::of(world.processes.drain(..).map(Process::from));
    let resolve = |path: &Path| world.resolve(path);
    let spec = BoundsSpec {
        root: ROOT.into(),
        ..BoundsSpec::default()
    };
    let bounds = Bounds::new(&spec, &resolve).unwrap();
    let inputs = Inputs {
        caller: Caller::new(CALLER),
        bounds: &bounds,
        rules: &world.rules,
        runs: &world.runs,
        all_users: false,
    };
    Classifier::new(&table, inputs)
        .unwrap()
        .select(&every_group());
    table.get(7).unwrap().read_so_far()
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
    let run = signs("a", ScopeRef::This, false);
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
