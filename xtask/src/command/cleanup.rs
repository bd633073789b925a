//! `cleanup`: the counts, or ending what is asked for.

use std::collections::BTreeSet;

use clap::Args;
use proc_core::classify::{CleanRequest, Decision, Explanation, Groups, NamedBy, SpareReason};
use proc_core::clean::{BlockedPort, Cleaner, Cleaning, Kept, ProcessReport, RunChoice, RunReport};
use proc_core::ledger::Runs;
use proc_core::report::{Document, Exit, ExitNote};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cleaning::{
    CountReport, DamageReport, GraceArgs, cleaner, live_ids, over, show_counts, show_processes,
    show_runs,
};
use crate::config::Config;
use crate::config::nearest::hint;
use crate::context::{Context, Format};
use crate::failure::{Failure, Outcome};
use crate::problems::Problems;

/// Count what is there, or end it
///
/// Without flags it only counts. What it ends belongs to this project, unless --machine widens it; the caller and its
/// ancestors are never touched.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// End Python scripts of this project
    #[arg(long)]
    python: bool,
    /// End Unreal editors and games of this project
    #[arg(long)]
    unreal: bool,
    /// End a group of xtask.toml, or a built-in one
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// End a run of this project
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    run: Option<String>,
    /// End every group and every run of this project
    #[arg(long)]
    all: bool,
    /// Reach beyond this project: all of your processes that the group's rule names
    #[arg(long)]
    machine: bool,
    /// End editors too that a person has opened, which may hold unsaved work
    #[arg(long)]
    editors: bool,
    /// Judge other users' processes like your own
    #[arg(long)]
    all_users: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    grace: GraceArgs,
    /// Say what is known about a process, and whether it would be ended
    #[arg(long, value_name = "PID", conflicts_with_all = ["python", "unreal", "group", "run", "all"])]
    explain: Option<u32>,
}

/// What `cleanup` has found and done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct CleanupReport {
    /// How the command ends.
    exit: ExitNote,
    /// The project's root.
    root: String,
    /// What is not as asked, in words.
    problems: Vec<String>,
    /// Whether nothing was done, as asked.
    dry_run: bool,
    /// How many processes each group has, after what was done.
    counts: Vec<CountReport>,
    /// How many runs of this project are not over, after what was done.
    open_runs: usize,
    /// The runs, and what was done with them.
    runs: Vec<RunReport>,
    /// The processes, and what was done with them; spared ones included.
    processes: Vec<ProcessReport>,
    /// Ports of ended processes that are not available.
    blocked_ports: Vec<BlockedPort>,
    /// Ledgers that could not be read.
    damaged: Vec<DamageReport>,
    /// With `--explain`: the facts about the process, the verdict, and what `--all` means for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

pub(crate) const SCHEMA: &str = "clean-slate/cleanup/1";

impl Cleanup {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let groups = self.groups(&config)?;
        let cleaner = Cleaner {
            all_users: self.all_users,
            dry_run: self.dry_run,
            grace: self.grace.duration(),
            ..cleaner(&config)?
        };
        if let Some(pid) = self.explain {
            return self.explain(pid, &cleaner, context);
        }
        let mut runs = cleaner.runs()?;
        let choice = self.run_choice(&runs)?;
        if groups == Groups::None && choice.is_none() {
            self.refuse_idle_flags()?;
        }
        if self.machine && groups != Groups::None {
            Context::warn(
                "--machine reaches all of your processes that the rules name, outside this project too",
            );
        }

        // A command that only looks moves nothing.
        if !self.dry_run && (groups != Groups::None || choice.is_some()) {
            runs.set_aside(&cleaner.scope);
        }
        let run_reports = match &choice {
            Some(choice) => context.busy("ending runs", || {
                cleaner.end_runs(&runs, choice, "`cleanup` asked for it")
            }),
            None => Vec::new(),
        };
        let request = CleanRequest {
            groups,
            runs: if self.all {
                over(&runs, &run_reports)
            } else {
                BTreeSet::new()
            },
            machine: self.machine,
            editors: self.editors,
            include_live_runs: !self.all,
            ..CleanRequest::default()
        };
        let cleaning = if request.groups == Groups::None {
            Cleaning::default()
        } else {
            context
                .busy("ending processes", || cleaner.clean(&request))?
                .without_ending(&run_reports)
        };
        self.report(context, &cleaner, &runs, run_reports, cleaning)
    }

    fn groups(&self, config: &Config) -> Result<Groups, Failure> {
        if self.all {
            return Ok(Groups::All);
        }
        let mut named: BTreeSet<String> = BTreeSet::new();
        let flags = [("python", self.python), ("unreal", self.unreal)];
        let flags = flags
            .iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| (*name).to_owned());
        for name in self.group.iter().cloned().chain(flags) {
            config.group(&name)?;
            named.insert(name);
        }
        Ok(if named.is_empty() {
            Groups::None
        } else {
            Groups::Named(named)
        })
    }

    fn run_choice(&self, runs: &Runs) -> Result<Option<RunChoice>, Failure> {
        let Some(id) = &self.run else {
            return Ok(self.all.then_some(RunChoice::All));
        };
        if runs.known.iter().any(|run| run.id == *id) {
            return Ok(Some(RunChoice::One(id.clone())));
        }
        let hint = hint(id, live_ids(runs));
        Err(Failure::message(
            Exit::Config,
            format!("this project has no run `{id}`, {hint}"),
        ))
    }

    /// The run that this command is part of, and one of another namespace, can only be meant by name.
    fn is_refused(&self, run: &RunReport) -> bool {
        self.run.is_some() && matches!(run.kept, Some(Kept::Inside | Kept::OtherNamespace))
    }

    /// Flags that say how to clean make no sense without one that says what.
    fn refuse_idle_flags(&self) -> Result<(), Failure> {
        let flags = [
            ("--machine", self.machine),
            ("--editors", self.editors),
            ("--all-users", self.all_users),
            ("--dry-run", self.dry_run),
            ("--grace", self.grace.grace.is_some()),
            ("--force", self.grace.force),
        ];
        match flags.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => {
                let message = format!(
                    "{flag} needs something to clean: --all, --unreal, --python, --group NAME or --run ID"
                );
                Err(Failure::message(Exit::Usage, message))
            }
        }
    }

    fn report(
        &self,
        context: &Context,
        cleaner: &Cleaner,
        before: &Runs,
        runs: Vec<RunReport>,
        cleaning: Cleaning,
    ) -> Outcome {
        let survey = cleaner.survey()?;
        let counts: Vec<CountReport> = survey.counts.into_iter().map(Into::into).collect();
        let (mut problems, damaged) = Problems::of(before, &runs, &cleaning, &survey.runs);
        for run in runs.iter().filter(|run| self.is_refused(run)) {
            let text = format!("run {} goes on: {}", run.run, run.reason);
            problems.add(Exit::Busy, text);
        }
        problems.add_ports(&cleaning.blocked_ports);
        let exit = problems.exit();
        match context.format() {
            Format::Text => {
                context.print(&show_runs(&runs, context.is_verbose()));
                context.print(&show_processes(&cleaning.processes, context.is_verbose()));
                if !context.is_quiet() {
                    context.print(&show_counts(&counts, &survey.runs));
                }
                problems.show();
            }
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: CleanupReport {
                    exit: exit.into(),
                    root: cleaner.scope.root().display().to_string(),
                    problems: problems.texts(),
                    dry_run: self.dry_run,
                    open_runs: live_ids(&survey.runs).len(),
                    counts,
                    runs,
                    processes: cleaning.processes,
                    blocked_ports: cleaning.blocked_ports,
                    damaged,
                    explanation: None,
                },
            }),
        }
        Ok(exit)
    }

    /// Says what is known about a process, and what the widest cleaning of this scope means for it.
    fn explain(&self, pid: u32, cleaner: &Cleaner, context: &Context) -> Outcome {
        let runs = cleaner.runs()?;
        let request = CleanRequest {
            groups: Groups::All,
            runs: runs.known.iter().map(|run| run.id.clone()).collect(),
            machine: self.machine,
            editors: self.editors,
            include_live_runs: true,
            ..CleanRequest::default()
        };
        let Some(explanation) = cleaner.explain(pid, &request)? else {
            return Err(Failure::message(
                Exit::Config,
                format!("there is no process {pid}"),
            ));
        };
        match context.format() {
            Format::Text => {
                let facts = serde_json::to_string_pretty(&explanation.facts).unwrap_or_default();
                let rule = match &explanation.rule {
                    None => "no rule names it".to_owned(),
                    Some(NamedBy { group, pattern }) => {
                        let pattern = pattern.as_deref().unwrap_or("every interpreter");
                        format!("group {group} names it ({pattern})")
                    }
                };
                let decision = match &explanation.decision {
                    Decision::Target { why } => format!("would end it: {why}"),
                    Decision::Spare {
                        why: SpareReason::Verdict,
                    } => "leaves it".to_owned(),
                    Decision::Spare { why } => format!("leaves it: {why}"),
                };
                let text = &explanation.text;
                context.print(&format!(
                    "PID {pid}: {text}\nrule: {rule}\n`cleanup --all` {decision}\n{facts}\n"
                ));
            }
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: CleanupReport {
                    exit: Exit::Ok.into(),
                    root: cleaner.scope.root().display().to_string(),
                    problems: Vec::new(),
                    dry_run: true,
                    counts: Vec::new(),
                    open_runs: 0,
                    runs: Vec::new(),
                    processes: Vec::new(),
                    blocked_ports: Vec::new(),
                    damaged: Vec::new(),
                    explanation: Some(explanation),
                },
            }),
        }
        Ok(Exit::Ok)
    }
}
