//! Which cases run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::case::{Case, Contain, Place, User};
use crate::case_run::is_available;
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
    let rounds = text.parse();
    Some(rounds.unwrap_or_else(|_| panic!("XTASK_SOAK={text}: not a number")))
}

/// Where chance begins: `XTASK_SEED`, or another one each time. It is printed, so that a run can be repeated.
fn seed() -> u64 {
    let given = std::env::var("XTASK_SEED").ok();
    let seed = given.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.unwrap_or_default().as_secs()
        },
        |text| text.parse().expect("XTASK_SEED is a number"),
    );
    println!("XTASK_SEED={seed}");
    seed
}

/// Brings cases into an order by chance: by a hash of their place and the seed.
fn shuffle(cases: Vec<Case>, seed: u64) -> Vec<Case> {
    let mut numbered: Vec<(u64, Case)> = cases
        .into_iter()
        .enumerate()
        .map(|(place, case)| {
            let mut hasher = DefaultHasher::new();
            (seed, place).hash(&mut hasher);
            (hasher.finish(), case)
        })
        .collect();
    numbered.sort_by_key(|(hash, _)| *hash);
    numbered.into_iter().map(|(_, case)| case).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let only = std::env::var("XTASK_ZOO").ok();
    let mut cases = if soak().is_some() || only.is_some() {
        every()
    } else {
        sample()
    };
    cases.retain(|case| only.as_ref().is_none_or(|only| case.species == *only));
    let available = available();
    cases.retain(|case| available.contains(&(case.contain, case.user)));
    if let Some(thousands) = soak() {
        let all = cases.len();
        cases = shuffle(cases, seed());
        cases.truncate(thousands as usize * 1000);
        println!("{} of all {all} cases, by chance", cases.len());
    }
    cases
}

/// The ways of containing a run that are available here, and to which user.
pub(crate) fn available() -> Vec<(Contain, User)> {
    let users = [User::Own, User::Ordinary];
    let all = Contain::ALL.map(|contain| users.map(|user| (contain, user)));
    all.into_iter()
        .flatten()
        .filter(|(contain, user)| is_available(*contain, *user))
        .collect()
}

fn every() -> Vec<Case> {
    let mut cases = Vec::new();
    for species in species() {
        for place in [Place::Client, Place::Test] {
            for (user, contain, ending) in combinations() {
                cases.push(Case {
                    place,
                    user,
                    contain,
                    ..Case::new(&species, ending)
                });
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

fn combinations() -> Vec<(User, Contain, Ending)> {
    let mut all = Vec::new();
    for user in [User::Own, User::Ordinary] {
        for contain in Contain::ALL {
            all.extend(Ending::all().map(|ending| (user, contain, ending)));
        }
    }
    all
}

/// Each species with each way of containing it, killed hard and ended softly in turn; in places every few of them, as
/// users every few of those.
fn sample() -> Vec<Case> {
    let mut cases = Vec::new();
    let (mut hard, mut soft) = (
        Ending::HARD.into_iter().cycle(),
        Ending::SOFT.into_iter().cycle(),
    );
    for (index, species) in species().into_iter().enumerate() {
        for (turn, contain) in Contain::ALL.into_iter().enumerate() {
            let ending = if (index + turn) % 2 == 0 {
                hard.next()
            } else {
                soft.next()
            };
            cases.push(Case {
                contain,
                ..Case::new(&species, ending.unwrap())
            });
        }
        let contain = Contain::ALL[index % Contain::ALL.len()];
        let other = Ending::HARD[(index + 3) % Ending::HARD.len()];
        let case = Case {
            contain,
            ..Case::new(&species, other)
        };
        match index % 4 {
            1 => cases.push(Case {
                user: User::Ordinary,
                ..case
            }),
            3 => cases.push(Case {
                place: Place::Test,
                ..case
            }),
            _ => {}
        }
    }
    cases.retain(Case::makes_sense);
    let is_met = |ending| cases.iter().any(|case| case.ending == ending);
    assert!(Ending::all().all(is_met), "an ending is in no case");
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
    if !disk::is_available() {
        return cases;
    }
    for species in species {
        for ending in endings {
            for (disk, contain) in [
                (Disk::Filled, Contain::Cgroup),
                (Disk::FilledLedger, Contain::Subreaper),
            ] {
                cases.push(Case {
                    contain,
                    disk,
                    ..Case::new(species, *ending)
                });
            }
        }
    }
    cases
}
