//! Which cases run.

use std::process::Command;

use crate::case::{Case, Place, User};
use crate::disk::{self, Disk};
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
                        place,
                        user,
                        ..Case::new(&species, ending)
                    });
                }
            }
        }
    }
    cases.extend(on_a_full_disk(
        &species(),
        &Ending::all().collect::<Vec<_>>(),
    ));
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
        cases.push(Case::new(&species, hard));
        cases.push(Case::new(&species, soft));
        if index % 4 == 1 {
            cases.push(Case {
                user: User::Ordinary,
                ..Case::new(&species, other)
            });
        }
        if index % 4 == 3 {
            cases.push(Case {
                place: Place::Test,
                ..Case::new(&species, other)
            });
        }
    }
    let endings = [
        Ending::Normal,
        Ending::Interrupt,
        Ending::KillLauncher,
        Ending::KillGuardian,
        Ending::KillBothCleanup,
        Ending::KillBothPreflight,
        Ending::KillBothPostflight,
    ];
    cases.extend(on_a_full_disk(&["daemon".into()], &endings));
    cases.retain(Case::makes_sense);
    cases
}

/// These species with these endings on disks that are full.
fn on_a_full_disk(species: &[String], endings: &[Ending]) -> Vec<Case> {
    let mut cases = Vec::new();
    if !disk::can_be_had() {
        return cases;
    }
    for species in species {
        for ending in endings {
            for disk in [Disk::Filled, Disk::FilledLedger] {
                cases.push(Case {
                    disk,
                    ..Case::new(species, *ending)
                });
            }
        }
    }
    cases
}
