//! What the cases have come to, for people, as tables in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::case::{Contain, Outcome, User};
use crate::ending::Ending;

/// Cases by ending and by species, for each way of containing a run and each user: how many, and of how many something
/// was left that was promised to be gone.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let mut text = format!("\n{} cases\n\n", outcomes.len());
    let endings = Ending::all().map(|ending| (format!("{ending:?}"), ending));
    text.push_str(&table(
        "ending",
        endings.collect(),
        outcomes,
        |outcome, ending| outcome.case.ending == *ending,
    ));
    let species: BTreeSet<&str> = outcomes
        .iter()
        .map(|outcome| outcome.case.species.as_str())
        .collect();
    let species = species.into_iter().map(|name| (name.to_owned(), name));
    text.push('\n');
    text.push_str(&table(
        "species",
        species.collect(),
        outcomes,
        |outcome, name| outcome.case.species == *name,
    ));
    text.push('\n');
    for outcome in outcomes {
        if let Some(problem) = &outcome.problem {
            let promise = if outcome.case.is_promised() {
                "FAULT"
            } else {
                "not promised"
            };
            let _ = writeln!(text, "{promise}: {:?}: {problem}", outcome.case);
        }
    }
    text
}

/// A row for each key, and a column for each way of containing a run and each user. The last column is the longest time
/// from the ending until nothing was left.
fn table<K>(
    title: &str,
    rows: Vec<(String, K)>,
    outcomes: &[Outcome],
    is_in: impl Fn(&Outcome, &K) -> bool,
) -> String {
    let columns: Vec<(Contain, User)> = Contain::ALL
        .into_iter()
        .flat_map(|contain| [(contain, User::Own), (contain, User::Ordinary)])
        .collect();
    let mut text = format!("| {title} |");
    for (contain, user) in &columns {
        let suffix = match user {
            User::Own => "",
            User::Ordinary => ", ordinary user",
        };
        let _ = write!(text, " {}{suffix} |", contain.word());
    }
    text.push_str(" at the most |\n| --- |");
    text.push_str(&" ---: |".repeat(columns.len() + 1));
    text.push('\n');
    for (name, key) in rows {
        let row: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| is_in(outcome, &key))
            .collect();
        if row.is_empty() {
            continue;
        }
        let _ = write!(text, "| {name} |");
        for column in &columns {
            let cell = row
                .iter()
                .filter(|outcome| (outcome.case.contain, outcome.case.user) == *column);
            let _ = write!(text, " {} |", show(cell.copied()));
        }
        let longest = row.iter().filter_map(|outcome| outcome.took).max();
        let longest = longest.unwrap_or(Duration::ZERO).as_secs_f64();
        let _ = writeln!(text, " {longest:.1} s |");
    }
    text
}

/// How many cases, and of how many something was left.
fn show<'a>(cell: impl Iterator<Item = &'a Outcome>) -> String {
    let (mut all, mut bad) = (0, 0);
    for outcome in cell {
        all += 1;
        bad += usize::from(outcome.fault().is_some());
    }
    match (all, bad) {
        (0, _) => String::new(),
        (all, 0) => all.to_string(),
        (all, bad) => format!("{all}, {bad} left"),
    }
}
