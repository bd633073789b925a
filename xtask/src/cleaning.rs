//! What the cleaning commands have in common: the rules of the configuration, and how a cleaning is shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proc_core::classify::{Count, GroupSpec, RuleError, Rules};
use proc_core::clean::{Action, CleanError, Cleaner, Kept, ProcessReport, RunAction, RunReport};
use proc_core::ledger::{Damaged, RunState, Runs};
use proc_core::report::Exit;
use proc_core::scope::{Scope, true_path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Config, parse_duration};
use crate::context::{on_one_line, processes};
use crate::failure::Failure;

/// The flags that say how long what is to end has time to do so by itself.
#[derive(Debug, Args)]
pub(crate) struct GraceArgs {
    /// How long processes may take to end when asked to, instead of 10 s or what a run was launched with
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) grace: Option<Duration>,
    /// Kill targets and their children immediately, as `taskkill /F /T` does: `--grace 0s`
    #[arg(long, conflicts_with = "grace")]
    pub(crate) force: bool,
}

impl GraceArgs {
    /// `None`: as long as a run was launched with, and the usual time otherwise.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.force.then_some(Duration::ZERO).or(self.grace)
    }
}

/// How many processes a group has, for scripts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct CountReport {
    /// The group.
    pub(crate) group: String,
    /// Processes of this scope, those of its live runs included, a person's own editors not.
    pub(crate) here: u32,
    /// How many of those belong to live runs, or hold one.
    pub(crate) in_live_runs: u32,
    /// A person's own editors of this scope's projects.
    pub(crate) own_editors: u32,
    /// Processes elsewhere that only have the name.
    pub(crate) elsewhere: u32,
    /// How many are not yet too many here.
    pub(crate) limit: Option<u32>,
}

/// A ledger that could not be read, for scripts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct DamageReport {
    /// The run.
    pub(crate) run: String,
    /// Where its folder is now.
    pub(crate) folder: String,
    /// Whether it was moved there, out of the way of the runs.
    pub(crate) set_aside: bool,
    /// What is wrong with it.
    pub(crate) error: String,
}

impl From<Count> for CountReport {
    fn from(count: Count) -> Self {
        Self {
            group: count.group,
            here: count.in_scope,
            in_live_runs: count.in_live_runs,
            own_editors: count.own_editors,
            elsewhere: count.elsewhere,
            limit: count.limit,
        }
    }
}

impl From<&Damaged> for DamageReport {
    fn from(damaged: &Damaged) -> Self {
        Self {
            run: damaged.id.clone(),
            folder: damaged.folder.display().to_string(),
            set_aside: damaged.is_set_aside,
            error: damaged.error.to_string(),
        }
    }
}

impl DamageReport {
    /// What is wrong, and what was done about it.
    pub(crate) fn describe(&self) -> String {
        let Self { error, folder, .. } = self;
        let done = if self.set_aside {
            format!("it was set aside in {folder}")
        } else {
            format!(
                "it was left in {folder}; `cargo xtask preflight` sets it aside unless its guardian lives"
            )
        };
        format!("{error}; nothing was ended on its word, and {done}")
    }
}

impl From<CleanError> for Failure {
    fn from(error: CleanError) -> Self {
        let exit = match &error {
            CleanError::System { .. } | CleanError::Classify(_) | CleanError::Recovery(_) => {
                Exit::Survivors
            }
            CleanError::Bounds(_) => Exit::Config,
            CleanError::Port(_) => Exit::PortUnavailable,
        };
        Self::new(exit, error)
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::new(Exit::Config, error)
    }
}

/// A cleaner for the scope of a configuration.
pub(crate) fn cleaner(config: &Config) -> Result<Cleaner, Failure> {
    // A group without names and scripts matches nothing: that is how a file switches a built-in one off.
    let groups = config
        .groups
        .iter()
        .filter(|(_, group)| !(group.name.is_empty() && group.script.is_empty()));
    let specs = groups.map(|(name, group)| GroupSpec {
        name: name.clone(),
        limit: group.limit,
        names: group.name.clone(),
        scripts: group.script.clone(),
        spare: group.spare.clone(),
        unreal: None,
    });
    refuse_home(config)?;
    Ok(Cleaner {
        scope: Scope::open(&config.root)?,
        rules: Rules::new(specs)?.with_switches(switches(config)),
        projects: projects(config),
        marks: config.marks_of_roots(),
        all_users: false,
        grace: None,
        dry_run: false,
    })
}

/// A person's home, and what holds it, is no project unless a file says so: every script below it would be in the scope.
fn refuse_home(config: &Config) -> Result<(), Failure> {
    let home = std::env::home_dir().and_then(|home| true_path(&home).ok());
    let is_broad = home.is_some_and(|home| home.starts_with(&config.root));
    if config.file.is_some() || !is_broad {
        return Ok(());
    }
    let root = config.root.display();
    Err(Failure::message(
        Exit::Config,
        format!(
            "{root} is too much for one scope: your home lies within; go to the project's own folder, or write an \
             xtask.toml there (`cargo xtask init`)"
        ),
    ))
}

/// The `.uproject` files that the profiles name.
fn projects(config: &Config) -> Vec<PathBuf> {
    let mut projects: Vec<PathBuf> = config
        .profiles
        .values()
        .filter_map(|profile| profile.project.clone())
        .collect();
    projects.sort();
    projects.dedup();
    projects
}

/// The arguments by which an editor that a profile starts is told from a person's: those that differ from client to
/// client. People give `-log` and `-windowed` too.
fn switches(config: &Config) -> Vec<String> {
    let with_project = config
        .profiles
        .values()
        .filter(|profile| profile.project.is_some());
    with_project
        .flat_map(|profile| &profile.args)
        .filter(|arg| arg.starts_with('-') && is_of_a_run(arg))
        .cloned()
        .collect()
}

/// The runs of which nothing should be left by now: those that were over, and those that have just been ended.
pub(crate) fn over(runs: &Runs, reports: &[RunReport]) -> BTreeSet<String> {
    let kept: BTreeSet<&str> = reports
        .iter()
        .filter(|report| matches!(report.action, RunAction::Kept | RunAction::Failed))
        .map(|report| report.run.as_str())
        .collect();
    let before = runs.over().map(|run| &run.id);
    before
        .chain(reports.iter().map(|report| &report.run))
        .filter(|run| !kept.contains(run.as_str()))
        .cloned()
        .collect()
}

/// The counts as a table.
pub(crate) fn show_counts(counts: &[CountReport], runs: &Runs) -> String {
    let width = counts
        .iter()
        .map(|count| count.group.len())
        .max()
        .unwrap_or(0)
        .max("group".len());
    let mut text = format!("{:width$}  {:>5}  {:>9}\n", "group", "here", "elsewhere");
    for count in counts {
        let _ = write!(
            text,
            "{:width$}  {:>5}  {:>9}",
            count.group, count.here, count.elsewhere
        );
        let mut notes = Vec::new();
        if count.in_live_runs > 0 {
            notes.push(format!("{} in live runs", count.in_live_runs));
        }
        if count.own_editors > 0 {
            notes.push(format!("besides {} opened by a person", count.own_editors));
        }
        if count.limit.is_some_and(|limit| count.here > limit) {
            notes.push(format!(
                "over the limit of {}",
                count.limit.unwrap_or_default()
            ));
        }
        if !notes.is_empty() {
            let _ = write!(text, "  {}", notes.join(", "));
        }
        text.push('\n');
    }
    let live = runs.live().count();
    let dead = runs.dead().count();
    let _ = write!(text, "{:width$}  {:>5}  {:>9}", "runs", live + dead, "");
    let notes = match (runs.live().filter(|run| run.history.detached).count(), dead) {
        (0, 0) => String::new(),
        (detached, 0) => format!("  {detached} detached"),
        (0, dead) => format!("  {dead} without a guardian"),
        (detached, dead) => format!("  {detached} detached, {dead} without a guardian"),
    };
    text.push_str(&notes);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What was done with runs, a line each; kept ones only where asked for more.
pub(crate) fn show_runs(runs: &[RunReport], all: bool) -> String {
    let mut text = String::new();
    for run in runs {
        let done = match run.action {
            RunAction::Ended => format!("ended, {}", processes(run.ended)),
            RunAction::WouldEnd => "would be ended".to_owned(),
            RunAction::Kept if !all && run.kept == Some(Kept::NotAsked) => continue,
            RunAction::Kept => "kept".to_owned(),
            RunAction::Failed => "NOT ENDED".to_owned(),
        };
        let _ = write!(text, "run {}  {done}: {}", run.run, run.reason);
        if run.survivors > 0 {
            let _ = write!(text, "; {} are still there", run.survivors);
        }
        text.push('\n');
    }
    text
}

/// What was done with processes, and why; spared ones only where asked for more.
pub(crate) fn show_processes(processes: &[ProcessReport], all: bool) -> String {
    let mut text = String::new();
    for process in processes {
        let done = match process.action {
            Action::Ended => "ended",
            Action::Killed => "killed",
            Action::WouldEnd => "would end",
            Action::Spared if !all => continue,
            Action::Spared => "spared",
            Action::AccessDenied => "ACCESS DENIED",
            Action::Uninterruptible => "UNINTERRUPTIBLE",
        };
        let pid = process.label.identity.pid;
        let _ = writeln!(
            text,
            "{done:9}  {pid:>7}  {}",
            shorten(&process.label.command, 60)
        );
        for line in wrap(&process.reason, 58) {
            let _ = writeln!(text, "{:22}{line}", "");
        }
    }
    text
}

/// Ledgers that could not be read.
pub(crate) fn show_damage(damaged: &[DamageReport]) -> String {
    damaged.iter().fold(String::new(), |mut text, damage| {
        let _ = writeln!(text, "{}; see docs/troubleshooting.md", damage.describe());
        text
    })
}

/// The ledgers that could not be read before a cleaning, and those that came to be so since.
pub(crate) fn damage(before: &Runs, after: &Runs) -> Vec<DamageReport> {
    let is_new = |damaged: &&Damaged| before.damaged.iter().all(|known| known.id != damaged.id);
    before
        .damaged
        .iter()
        .chain(after.damaged.iter().filter(is_new))
        .map(Into::into)
        .collect()
}

fn is_of_a_run(argument: &str) -> bool {
    ["{port}", "{number}", "{index}", "{run_dir}"]
        .iter()
        .any(|placeholder| argument.contains(placeholder))
}

/// The runs that go on, for a refusal that names them.
pub(crate) fn live_ids(runs: &Runs) -> Vec<&str> {
    runs.known
        .iter()
        .filter(|run| run.state != RunState::Closed)
        .map(|run| run.id.as_str())
        .collect()
}

/// As much of a text as fits into a width, on one line.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let text = on_one_line(text);
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width - 1).collect();
    short.push('…');
    short
}

/// Breaks a text between words into lines of no more than a width, as far as the words allow.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_calls_itself_stays_on_its_line() {
        assert_eq!(
            shorten("python3 a.py\n\u{1b}[2Jended", 60),
            r"python3 a.py\n\u{1b}[2Jended"
        );
        assert_eq!(shorten("a\nb", 3), r"a\…");
        assert_eq!(shorten("ä ö", 3), "ä ö");
    }

    #[test]
    fn a_reason_is_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrap("incomprehensible to me", 5),
            ["incomprehensible", "to me"]
        );
    }
}
