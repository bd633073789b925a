//! `postflight`: the end of an iteration, and its record.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use proc_core::classify::{CleanRequest, Count, Groups};
use proc_core::clean::{
    BlockedPort, Cleaner, ProcessReport, RunAction, RunChoice, RunReport, Survey,
};
use proc_core::ledger::Runs;
use proc_core::report::{Document, Exit, ExitNote};
use proc_core::scope::true_path;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cleaning::{
    CountReport, DamageReport, GraceArgs, cleaner, live_ids, over, show_counts, show_processes,
    show_runs,
};
use crate::config::Config;
use crate::context::{Context, Format, complain, show_path};
use crate::failure::{Failure, Outcome};
use crate::lock_files::{self, FoundLock, LockFile};
use crate::problems::Problems;

/// How many records of iterations are kept.
const RECORDS: usize = 200;

/// End detached runs, clean every group, remove stale lock files, and verify that nothing is left
#[derive(Debug, Args)]
pub(crate) struct Postflight {
    /// End editors too that a person has opened, which may hold unsaved work
    #[arg(long)]
    editors: bool,
    #[command(flatten)]
    grace: GraceArgs,
}

/// The record of an iteration.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PostflightReport {
    /// How the command ends.
    exit: ExitNote,
    /// When, in UTC.
    time: String,
    /// The project's root.
    root: String,
    /// What is not as asked, in words.
    problems: Vec<String>,
    /// How many processes each group has now.
    counts: Vec<CountReport>,
    /// The runs that were not over, and what was done with them.
    runs: Vec<RunReport>,
    /// The processes, and what was done with them; spared ones included.
    processes: Vec<ProcessReport>,
    /// Ports of ended processes that are not available.
    blocked_ports: Vec<BlockedPort>,
    /// Lock files, and what was done with them.
    lock_files: Vec<LockFile>,
    /// Ledgers that could not be read.
    damaged: Vec<DamageReport>,
    /// The file that holds this record. `null`: it could not be written.
    record: Option<String>,
}

pub(crate) const SCHEMA: &str = "clean-slate/postflight/1";

impl Postflight {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let cleaner = Cleaner {
            grace: self.grace.duration(),
            ..cleaner(&config)?
        };
        let mut before = cleaner.runs()?;
        before.set_aside(&cleaner.scope);
        let runs = context.busy("ending runs", || {
            let reason = "`postflight` ends detached runs";
            cleaner.end_runs(&before, &RunChoice::DeadAndDetached, reason)
        });
        let request = CleanRequest {
            groups: Groups::All,
            runs: over(&before, &runs),
            editors: self.editors,
            ..CleanRequest::default()
        };
        let cleaning = context.busy("ending processes", || cleaner.clean(&request))?;
        // Found first: it may take a while in a large project, and what begins meanwhile has to be seen.
        let found = find_lock_files(&config, &cleaner);
        let after = cleaner.survey()?;
        let (mut problems, damaged) = Problems::of(&before, &runs, &cleaning, &after.runs);
        let is_in_use = problems.has_survivors() || may_hold_locks(&after.runs);
        // Another user's editor is not ours to count, but may have the project open; so may that of another scope's run, or
        // one from which this is called.
        let all_users = Cleaner {
            all_users: true,
            ..cleaner.clone()
        };
        let lock_files = remove_lock_files(&found, &all_users.survey()?, is_in_use);
        let left: u32 = after
            .counts
            .iter()
            .map(|count| count.in_scope - count.in_live_runs)
            .sum();
        if left > 0 {
            let text = format!("not clean: members of groups that are left: {left}");
            problems.add(Exit::Dirty, text);
        }
        problems.add_ports(&cleaning.blocked_ports);
        let exit = problems.exit();
        let mut document = Document {
            schema: SCHEMA,
            body: PostflightReport {
                exit: exit.into(),
                time: Timestamp::now().to_string(),
                root: cleaner.scope.root().display().to_string(),
                problems: problems.texts(),
                counts: after.counts.into_iter().map(Into::into).collect(),
                runs,
                processes: cleaning.processes,
                blocked_ports: cleaning.blocked_ports,
                lock_files,
                damaged,
                record: None,
            },
        };
        write_record(cleaner.scope.folder(), &mut document);
        match context.format() {
            Format::Json => context.print_json(&document),
            Format::Text => show(context, &document.body, &problems, &after.runs),
        }
        Ok(exit)
    }
}

fn show(context: &Context, report: &PostflightReport, problems: &Problems, runs: &Runs) {
    context.print(&show_runs(&report.runs, true));
    context.print(&show_processes(&report.processes, context.is_verbose()));
    context.print(&lock_files::show(&report.lock_files));
    if !context.is_quiet() {
        context.print(&show_counts(&report.counts, runs));
    }
    problems.show();
    if let Some(record) = &report.record {
        context.note(&format!("record: {}", show_path(Path::new(record))));
    }
    let kept = report
        .runs
        .iter()
        .filter(|run| run.action == RunAction::Kept)
        .count();
    match (problems.is_empty(), kept) {
        (true, 0) => context.note("clean: nothing is left"),
        (true, _) => context.note("clean, but for the runs above, which were kept"),
        (false, _) => {}
    }
}

/// Whether a run is not over, as far as its ledger tells. A dead one too, where it could not be finished from here.
fn may_hold_locks(runs: &Runs) -> bool {
    !runs.damaged.is_empty() || !live_ids(runs).is_empty()
}

/// The lock files of one profile.
struct ProfileLocks {
    folder: PathBuf,
    has_project: bool,
    found: Vec<FoundLock>,
}

fn find_lock_files(config: &Config, cleaner: &Cleaner) -> Vec<ProfileLocks> {
    let roots = cleaner.scope.other_roots();
    let is_others = |folder: &Path| {
        let mut marks = cleaner.marks.iter();
        marks.any(|mark| folder.join(mark).exists())
            || true_path(folder).is_ok_and(|folder| roots.contains(&folder))
    };
    let profiles = config.profiles.values();
    profiles
        .filter(|profile| !profile.lock_files.is_empty())
        .filter_map(|profile| {
            let folder = match &profile.project {
                Some(project) => project.parent()?.to_owned(),
                None => config.root.clone(),
            };
            Some(ProfileLocks {
                found: lock_files::find(&folder, &profile.lock_files, &is_others),
                has_project: profile.project.is_some(),
                folder,
            })
        })
        .collect()
}

/// Lock files are stale only when no process is left that could hold them: no member of any group, and where no project
/// tells one editor from another, no editor at all.
fn remove_lock_files(all: &[ProfileLocks], left: &Survey, is_in_use: bool) -> Vec<LockFile> {
    let is_left = |count: &Count| count.in_scope + count.own_editors > 0;
    let is_in_use = is_in_use || left.uncounted.here > 0 || left.counts.iter().any(is_left);
    let unreal = left.counts.iter().find(|count| count.group == "unreal");
    // Without such a group editors were not looked for.
    let is_unclear = left.uncounted.elsewhere > 0 || unreal.is_none_or(|count| count.elsewhere > 0);
    all.iter()
        .flat_map(|locks| {
            let is_in_use = is_in_use || (!locks.has_project && is_unclear);
            lock_files::remove(&locks.folder, &locks.found, is_in_use)
        })
        .collect()
}

/// Writes the record of the iteration. The iteration is over all the same where that fails.
fn write_record(folder: &Path, document: &mut Document<PostflightReport>) {
    let mut write = || -> anyhow::Result<PathBuf> {
        let records = folder.join("iterations");
        fs::create_dir_all(&records)?;
        let file = records.join(format!(
            "{}.json",
            Timestamp::now().strftime("%Y%m%d-%H%M%S-%f")
        ));
        document.body.record = Some(file.display().to_string());
        fs::write(&file, serde_json::to_vec(document)?)?;
        let mut names: Vec<PathBuf> = fs::read_dir(&records)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        names.sort();
        for old in names.iter().rev().skip(RECORDS) {
            fs::remove_file(old)?;
        }
        Ok(file)
    };
    if let Err(error) = write() {
        document.body.record = None;
        complain(&format!(
            "cannot write the record of the iteration: {error:#}"
        ));
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Config, error)
    }
}
