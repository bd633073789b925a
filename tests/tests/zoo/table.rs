//! What the cases have come to, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::case::Outcome;
use crate::ending::Ending;

/// Species by endings: how many cases, of how many something was left, and the longest time that one took.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let mut text =
        String::from("\nspecies × endings: cases, and those with a problem after the slash\n");
    let endings: Vec<Ending> = Ending::all().collect();
    let _ = write!(text, "{:20}", "");
    for number in 1..=endings.len() {
        let _ = write!(text, "{number:>6}");
    }
    text.push('\n');
    let mut species: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !species.contains(&outcome.case.species.as_str()) {
            species.push(&outcome.case.species);
        }
    }
    species.sort_unstable();
    for name in species {
        let _ = write!(text, "{name:20}");
        for ending in &endings {
            let cell: Vec<&Outcome> = outcomes
                .iter()
                .filter(|outcome| outcome.case.species == name && outcome.case.ending == *ending)
                .collect();
            let bad = cell
                .iter()
                .filter(|outcome| outcome.problem.is_some())
                .count();
            let shown = match (cell.len(), bad) {
                (0, _) => String::new(),
                (all, 0) => all.to_string(),
                (all, bad) => format!("{all}/{bad}"),
            };
            let _ = write!(text, "{shown:>6}");
        }
        text.push('\n');
    }
    let mut longest: BTreeMap<Ending, Duration> = BTreeMap::new();
    for outcome in outcomes {
        let time = longest.entry(outcome.case.ending).or_default();
        *time = (*time).max(outcome.took.unwrap_or_default());
    }
    for (number, ending) in endings.iter().enumerate() {
        let time = longest.get(ending).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "{:4}  {ending:?}: nothing left after {:.1} s at the most",
            number + 1,
            time.as_secs_f64()
        );
    }
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
    let _ = writeln!(text, "{} cases", outcomes.len());
    text
}
