//! Showing people what was observed.

use std::fmt::Write as _;

use proc_core::escape_probes::Probe;
use proc_core::guarantee::Level;

use super::report::{After, DoctorReport, MechanismReport, describe};
use super::trial::Ending;

/// What `doctor` prints, at most 80 columns wide but for reasons that the system gives.
pub(super) fn show(report: &DoctorReport) -> String {
    let mut text = row(
        ["mechanism", "promises"],
        Ending::ALL.map(|ending| heading(ending).to_owned()),
    );
    for mechanism in &report.mechanisms {
        let names = [
            &mechanism.mechanism.to_string(),
            &mechanism.level.to_string(),
        ];
        text += &row(
            names.map(String::as_str),
            Ending::ALL.map(|ending| cell(mechanism, ending)),
        );
    }
    text.push('\n');
    for mechanism in &report.mechanisms {
        text += &notes(mechanism);
    }
    let is_swept = |mechanism: &MechanismReport| {
        let mut cases = mechanism.cases.iter();
        cases.any(|case| case.after == Some(After::Cleanup))
    };
    for mechanism in report.mechanisms.iter().filter(|one| !one.allows_exempt) {
        let name = mechanism.mechanism;
        let _ = writeln!(
            text,
            "{name} lets nothing live on: `survive` of a profile has no effect there"
        );
    }
    if report.mechanisms.iter().any(is_swept) {
        text += "both killed: `cleanup` followed, which ends the rest at the level whole-tree\n";
    }
    text += &verdict(report);
    let took = report.took.as_secs_f64();
    let probes = if report.mechanisms.iter().any(|one| one.available) {
        format!("{} escape probes in each run", Probe::all().count())
    } else {
        "no escape probes were run".to_owned()
    };
    let _ = writeln!(text, "{probes}; took {took:.1} s");
    text
}

/// What a launch has here.
fn verdict(report: &DoctorReport) -> String {
    let Some(chosen) = report.chosen() else {
        return String::new();
    };
    let (mechanism, level) = (chosen.mechanism, chosen.level);
    let takes = if report.asked_for {
        format!("`--contain {mechanism}` promises {level} here")
    } else {
        format!("`--contain auto` takes {mechanism} here, which promises {level}")
    };
    if level == Level::Tracked {
        return format!("{takes}: best effort, and no more than was observed\n");
    }
    let observed = if chosen.kept {
        "observed"
    } else {
        "NOT observed"
    };
    format!("{takes}: {observed}\n")
}

fn row(names: [&str; 2], cells: [String; 4]) -> String {
    let [normal, launcher, guardian, both] = cells;
    let line = format!(
        "{:<11}{:<12}{normal:<12}{launcher:<17}{guardian:<17}{both}",
        names[0], names[1]
    );
    format!("{}\n", line.trim_end())
}

const fn heading(ending: Ending) -> &'static str {
    match ending {
        Ending::Normal => "normal end",
        Ending::LauncherKilled => "launcher killed",
        Ending::GuardianKilled => "guardian killed",
        Ending::BothKilled => "both killed",
    }
}

fn cell(mechanism: &MechanismReport, ending: Ending) -> String {
    let left: Option<usize> = mechanism.of(ending).map(|case| case.left).sum();
    match left {
        Some(0) if mechanism.of(ending).next().is_some() => "gone".into(),
        Some(left) if left > 0 => format!("LEFT {left}"),
        _ => "–".into(),
    }
}

/// Why a mechanism is not available, and what was left that it does not promise to end.
fn notes(mechanism: &MechanismReport) -> String {
    let mut text = String::new();
    if let Some(why) = &mechanism.why_not {
        let _ = writeln!(text, "{} is not available: {why}", mechanism.mechanism);
    }
    for ending in Ending::ALL {
        let cases = || mechanism.of(ending).filter(|case| !case.promised);
        let left: usize = cases().filter_map(|case| case.left).sum();
        if left > 0 {
            let _ = writeln!(
                text,
                "{}, {}: left {} (not promised)",
                mechanism.mechanism,
                heading(ending),
                describe(cases())
            );
        }
    }
    text
}
