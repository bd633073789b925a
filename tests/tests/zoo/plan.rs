//! Which cases run.

use std::process::Command;

use crate::case::{Case, Place, User};
use crate::ending::Ending;

/// All species, as the zoo itself names them.
pub(crate) fn species() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "it only prints and ends")]
    let help = Command::new(tests::binary("zoo"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next());
    let species: Vec<String> = names.map(str::to_owned).collect();
    assert!(species.len() > 30, "{help}");
    species
}

/// How long to soak: `XTASK_SOAK`.
pub(crate) fn soak() -> Option<u32> {
    let text = std::env::var("XTASK_SOAK").ok()?;
    Some(text.parse().unwrap_or(1))
}

pub(crate) fn cases() -> Vec<Case> {
    let only = std::env::var("XTASK_ZOO").ok();
    let mut cases = if soak().is_some() || only.is_some() {
        every()
    } else {
        sample()
    };
    cases.retain(|case| only.as_ref().is_none_or(|only| case.species == *only));
    cases
}

fn every() -> Vec<Case> {
    let mut cases = Vec::new();
    for species in species() {
        for place in [Place::Client, Place::Test] {
            for user in [User::Own, User::Ordinary] {
                for ending in Ending::all() {
                    cases.push(Case {
                        species: species.clone(),
                        ending,
                        place,
                        user,
                    });
                }
            }
        }
    }
    cases.retain(Case::makes_sense);
    cases
}

/// Each species once killed hard and once ended softly; in places every few of them, as users every few of those.
fn sample() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, species) in species().into_iter().enumerate() {
        let hard = Ending::HARD[index % Ending::HARD.len()];
        let soft = Ending::SOFT[index % Ending::SOFT.len()];
        let other = Ending::HARD[(index + 3) % Ending::HARD.len()];
        let case = |ending, place, user| Case {
            species: species.clone(),
            ending,
            place,
            user,
        };
        cases.push(case(hard, Place::Client, User::Own));
        cases.push(case(soft, Place::Client, User::Own));
        if index % 4 == 1 {
            cases.push(case(other, Place::Client, User::Ordinary));
        }
        if index % 4 == 3 {
            cases.push(case(other, Place::Test, User::Own));
        }
    }
    cases.retain(Case::makes_sense);
    cases
}
