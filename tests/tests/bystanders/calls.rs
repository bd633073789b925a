//! Every command that cleans, what it is to end, and what it did end.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::guilty::Group::{self, Detached, Left, Monitor, Python, Unreal};

/// A command that cleans.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its arguments, to which the run's id is added where it is about a run.
    pub(crate) arguments: &'static [&'static str],
    /// The arguments with which it only says what it would do.
    pub(crate) dry: &'static [&'static str],
    /// What it is to end.
    pub(crate) ends: &'static [Group],
    /// What it ends with, dry and for real.
    pub(crate) codes: [i32; 2],
    /// Whether it takes the time that processes have to end by themselves.
    pub(crate) has_grace: bool,
}

const ALL: &[Group] = &[Python, Monitor, Unreal, Left, Detached];

/// The narrow ones first. `preflight --strict` finds fault with a person's editors, which it leaves (108), as it does
/// with `--check` with what it would end.
pub(crate) const CALLS: [Call; 9] = [
    call(
        &["cleanup", "--run"],
        &["cleanup", "--dry-run", "--run"],
        &[Detached],
    ),
    call(
        &["cleanup", "--group", "monitor", "--grace", "1s"],
        &["cleanup", "--group", "monitor", "--dry-run"],
        &[Monitor],
    ),
    call(
        &["cleanup", "--python", "--grace", "1s"],
        &["cleanup", "--python", "--dry-run"],
        &[Python],
    ),
    call(
        &["cleanup", "--unreal", "--grace", "1s"],
        &["cleanup", "--unreal", "--dry-run"],
        &[Unreal],
    ),
    Call {
        codes: [108, 0],
        has_grace: false,
        ..call(
            &["preflight", "--base-port", "auto"],
            &["preflight", "--check", "--base-port", "auto"],
            &[Python, Unreal, Left],
        )
    },
    Call {
        codes: [108, 108],
        has_grace: false,
        ..call(
            &["preflight", "--strict", "--base-port", "auto"],
            &["preflight", "--strict", "--check", "--base-port", "auto"],
            &[Python, Monitor, Unreal, Left],
        )
    },
    call(
        &["cleanup", "--all", "--grace", "1s"],
        &["cleanup", "--all", "--dry-run"],
        ALL,
    ),
    // There is no dry run of it, and no live run here that it would keep and the other would not.
    call(
        &["postflight", "--grace", "1s"],
        &["cleanup", "--all", "--dry-run"],
        ALL,
    ),
    // When nothing is left.
    call(
        &["cleanup", "--all", "--grace", "1s"],
        &["cleanup", "--all", "--dry-run"],
        &[],
    ),
];

const fn call(
    arguments: &'static [&'static str],
    dry: &'static [&'static str],
    ends: &'static [Group],
) -> Call {
    Call {
        arguments,
        dry,
        ends,
        codes: [0, 0],
        has_grace: true,
    }
}

impl Call {
    /// Its arguments as they are given.
    pub(crate) fn with_run<'a>(arguments: &[&'a str], run: &'a str) -> Vec<&'a str> {
        let is_about_a_run = arguments.contains(&"--run");
        let id = is_about_a_run.then_some(run);
        arguments.iter().copied().chain(id).collect()
    }
}

/// The PIDs of the processes that a document names as dealt with in one of these ways.
pub(crate) fn pids(document: &Value, actions: &[&str]) -> BTreeSet<u32> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of_runs = list(&document["runs"])
        .into_iter()
        .flat_map(|run| list(&run["processes"]));
    list(&document["processes"])
        .into_iter()
        .chain(of_runs)
        .filter(|process| actions.iter().any(|action| process["action"] == *action))
        .filter_map(|process| u32::try_from(process["identity"]["pid"].as_u64()?).ok())
        .collect()
}
