//! What `doctor` has observed, and the verdict on it.

use std::time::Duration;

use proc_core::contain;
use proc_core::escape_probes::{Escape, Probe};
use proc_core::guarantee::{Choice, Level, Mechanism};
use proc_core::report::{Exit, ExitNote};
use schemars::JsonSchema;
use serde::Serialize;

use super::trial::{Ending, TrialOutcome, Trials, is_promised};
use crate::context::processes;

pub(crate) const SCHEMA: &str = "clean-slate/doctor/1";

/// What `doctor` has observed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct DoctorReport {
    /// How the command ends.
    exit: ExitNote,
    #[serde(skip)]
    end: Exit,
    /// What was promised or required and was not observed, in words.
    pub(super) problems: Vec<String>,
    /// What was to be observed at least.
    required: Option<Level>,
    /// What a launch takes here: with `--contain` that, else the strongest way that changes nothing for the clients.
    /// `null`: it is not available.
    pub(super) chosen: Option<Mechanism>,
    /// Whether the way was asked for.
    pub(super) asked_for: bool,
    /// The ways of containment that were staged.
    pub(super) mechanisms: Vec<MechanismReport>,
    /// How long all of it took.
    #[serde(rename = "took_ms", with = "proc_core::millis")]
    #[schemars(with = "u64")]
    pub(super) took: Duration,
}

/// One way of containment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct MechanismReport {
    /// Which.
    pub(super) mechanism: Mechanism,
    /// Whether it is available here.
    pub(super) available: bool,
    /// Why not.
    pub(super) why_not: Option<String>,
    /// What it promises, here or elsewhere.
    pub(super) level: Level,
    /// Whether what a profile declares with `survive` lives on. Where it does not, it ends with the run.
    #[serde(rename = "lets_live_on")]
    pub(super) allows_exempt: bool,
    /// Whether everything was observed that it promises.
    pub(super) kept: bool,
    /// What was staged, and what became of it.
    pub(super) cases: Vec<CaseReport>,
}

/// One kind of escape in a run that was ended in one way.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct CaseReport {
    /// How it tries to get away.
    pub(super) escape: Escape,
    /// How the run ends.
    pub(super) ending: Ending,
    /// What is done after that, to end the rest.
    pub(super) after: Option<After>,
    /// Whether the level promises that nothing is left.
    pub(super) promised: bool,
    /// How many processes were staged.
    pub(super) staged: usize,
    /// How many of them were left. `null`: that was not observed.
    pub(super) left: Option<usize>,
    /// How long the last of them took to be gone. `null`: it was not, or nothing was observed.
    #[serde(rename = "took_ms", with = "proc_core::millis::optional")]
    #[schemars(with = "Option<u64>")]
    took: Option<Duration>,
    /// Why nothing was observed.
    pub(super) problem: Option<String>,
}

/// What is done after the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum After {
    /// What the next `cleanup --all` does with such a run.
    Cleanup,
}

impl DoctorReport {
    pub(super) fn new(
        contain: Choice,
        required: Option<Level>,
        trials: &Trials,
        took: Duration,
    ) -> Self {
        let mechanisms: Vec<MechanismReport> = trials
            .iter()
            .map(|(mechanism, trials)| MechanismReport::new(*mechanism, trials))
            .collect();
        let candidates = contain.candidates(contain::mechanisms());
        let find = |wanted: &Mechanism| mechanisms.iter().find(|one| one.mechanism == *wanted);
        let chosen = candidates.iter().filter_map(find).find(|one| one.available);
        let mut problems: Vec<String> = mechanisms
            .iter()
            .flat_map(MechanismReport::problems)
            .collect();
        let asked_for = matches!(contain, Choice::Only(_));
        if chosen.is_none() && problems.is_empty() {
            let reasons = mechanisms.iter().filter_map(|one| {
                let why = one.why_not.as_ref()?;
                Some(format!("{} is not available here: {why}", one.mechanism))
            });
            problems.extend(reasons);
        }
        if let Some(level) = required {
            let observed = chosen.filter(|one| one.kept && one.level >= level);
            if observed.is_none() {
                problems.push(describe_shortfall(level, chosen));
            }
        }
        problems.dedup();
        let end = if problems.is_empty() {
            Exit::Ok
        } else if is_guardian_broken(trials) {
            Exit::Guardian
        } else {
            Exit::Guarantee
        };
        Self {
            exit: end.into(),
            end,
            problems,
            required,
            chosen: chosen.map(|one| one.mechanism),
            asked_for,
            mechanisms,
            took,
        }
    }

    /// The way of containment that a launch takes here.
    pub(super) fn chosen(&self) -> Option<&MechanismReport> {
        let mut mechanisms = self.mechanisms.iter();
        mechanisms.find(|one| Some(one.mechanism) == self.chosen)
    }

    /// How the command ends.
    pub(super) fn end(&self) -> Exit {
        self.end
    }
}

impl MechanismReport {
    fn new(mechanism: Mechanism, trials: &[(Ending, TrialOutcome)]) -> Self {
        let refusal = trials.iter().find_map(|(_, outcome)| match outcome {
            TrialOutcome::Refused { why } => Some(why.clone()),
            _ => None,
        });
        let cases: Vec<CaseReport> = match refusal {
            Some(_) => Vec::new(),
            None => trials
                .iter()
                .flat_map(|(ending, outcome)| cases(mechanism, *ending, outcome))
                .collect(),
        };
        Self {
            mechanism,
            available: cases.iter().any(|case| case.left.is_some()),
            why_not: refusal.or_else(|| {
                let is_dark = cases.iter().all(|case| case.left.is_none());
                cases.first().filter(|_| is_dark)?.problem.clone()
            }),
            level: mechanism.level(),
            allows_exempt: mechanism.allows_exempt(),
            kept: !cases.is_empty() && cases.iter().all(CaseReport::is_kept),
            cases,
        }
    }

    /// The cases of one ending.
    pub(super) fn of(&self, ending: Ending) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(move |case| case.ending == ending)
    }

    /// Promises that were broken, and what could not be observed.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for ending in Ending::ALL {
            if let Some(why) = self.of(ending).find_map(|case| case.problem.as_ref()) {
                problems.push(format!(
                    "cannot run escape probes in {}: {why}",
                    self.mechanism
                ));
                continue;
            }
            let broken: Vec<&CaseReport> = self.of(ending).filter(|case| !case.is_kept()).collect();
            let left: usize = broken.iter().filter_map(|case| case.left).sum();
            if left > 0 {
                problems.push(format!(
                    "{} promises {}, but after {} {} left: {}",
                    self.mechanism,
                    self.level,
                    ending.describe(),
                    count(left),
                    describe(broken.into_iter())
                ));
            }
        }
        problems
    }
}

impl CaseReport {
    fn is_kept(&self) -> bool {
        !self.promised || self.left == Some(0)
    }
}

impl Ending {
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Normal => "a normal end",
            Self::LauncherKilled => "the launcher was killed",
            Self::GuardianKilled => "the guardian was killed",
            Self::BothKilled => "both were killed",
        }
    }
}

/// What is left, for people: `2 daemons, 1 child`.
pub(super) fn describe<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> String {
    let texts = cases.filter_map(|case| {
        let left = case.left.filter(|left| *left > 0)?;
        let (one, many) = match case.escape {
            Escape::Member => ("client or test", "client and test"),
            Escape::Child => ("child", "children"),
            Escape::Daemon => ("daemon", "daemons"),
            Escape::Unmarked => ("daemon without the mark", "daemons without the mark"),
        };
        Some(format!("{left} {}", if left == 1 { one } else { many }))
    });
    texts.collect::<Vec<_>>().join(", ")
}

pub(super) fn count(left: usize) -> String {
    let verb = if left == 1 { "was" } else { "were" };
    format!("{} {verb}", processes(left))
}

fn cases(mechanism: Mechanism, ending: Ending, outcome: &TrialOutcome) -> Vec<CaseReport> {
    let is_swept = ending == Ending::BothKilled && mechanism.level() < Level::Kernel;
    let of = |escape: Escape| {
        let base = CaseReport {
            escape,
            ending,
            after: is_swept.then_some(After::Cleanup),
            promised: is_promised(mechanism, ending, escape),
            staged: 0,
            left: None,
            took: None,
            problem: None,
        };
        match outcome {
            TrialOutcome::Observed(probes) => {
                let is_one = |(probe, _): &&(Probe, Option<Duration>)| probe.escape == escape;
                let probes: Vec<_> = probes.iter().filter(is_one).collect();
                let gone: Option<Vec<Duration>> = probes.iter().map(|(_, gone)| *gone).collect();
                CaseReport {
                    staged: probes.len(),
                    left: Some(probes.iter().filter(|(_, gone)| gone.is_none()).count()),
                    took: gone.and_then(|gone| gone.into_iter().max()),
                    ..base
                }
            }
            TrialOutcome::Refused { why } | TrialOutcome::Failed { why, .. } => CaseReport {
                problem: Some(why.clone()),
                ..base
            },
        }
    };
    Escape::ALL.into_iter().map(of).collect()
}

/// Whether no run came about, each because of its guardian: it failed, or was gone before it said what was left.
fn is_guardian_broken(trials: &Trials) -> bool {
    let mut outcomes = trials.values().flatten().map(|(_, outcome)| outcome);
    let codes = [Exit::Guardian, Exit::Survivors].map(Exit::code);
    outcomes.all(
        |outcome| matches!(outcome, TrialOutcome::Failed { code: Some(code), .. } if codes.contains(code)),
    )
}

fn describe_shortfall(level: Level, chosen: Option<&MechanismReport>) -> String {
    match chosen {
        Some(chosen) if chosen.level < level => format!(
            "{level} is required, and {} promises {}",
            chosen.mechanism, chosen.level
        ),
        _ => format!("{level} is required, and was not observed"),
    }
}
