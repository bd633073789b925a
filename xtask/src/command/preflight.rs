//! `preflight`: a clean start for the next launch.

use std::collections::BTreeSet;

use clap::Args;
use proc_core::classify::{CleanRequest, Groups};
use proc_core::clean::{BlockedPort, Cleaner, ProcessReport, RunChoice, RunReport, Survey};
use proc_core::ledger::Runs;
use proc_core::port::{self, PortState};
use proc_core::report::{Document, Exit, ExitNote};
use schemars::JsonSchema;
use serde::Serialize;

use super::launch::plan::{NextLaunch, Plan};
use crate::cleaning::{
    CountReport, DamageReport, GraceArgs, cleaner, over as over_runs, show_counts, show_processes,
    show_runs,
};
use crate::config::Config;
use crate::context::{Context, Format};
use crate::failure::{Failure, Outcome};
use crate::problems::Problems;
use crate::programs::Programs;

/// Finish dead runs, clean groups that are over their limits, and check that the next launch can have its ports
///
/// Give it the flags of the next launch that choose its clients and their ports.
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    #[command(flatten)]
    next: NextLaunch,
    /// Only look: whatever would be ended makes the command fail (108)
    #[arg(long)]
    check: bool,
    /// Any member of a group is too many; what is spared makes the command fail (108)
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    grace: GraceArgs,
}

/// What `preflight` has found and done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct PreflightReport {
    /// How the command ends.
    exit: ExitNote,
    /// The project's root.
    root: String,
    /// What is in the way of the next launch, in words.
    problems: Vec<String>,
    /// How many processes each group had before.
    before: Vec<CountReport>,
    /// How many processes each group has now.
    counts: Vec<CountReport>,
    /// The groups that were over their limits.
    over: Vec<String>,
    /// The runs that were not over, and what was done with them.
    runs: Vec<RunReport>,
    /// The processes, and what was done with them; spared ones included.
    processes: Vec<ProcessReport>,
    /// The ports of the next launch that are not available, and what has them.
    unavailable_ports: Vec<BlockedPort>,
    /// Ledgers that could not be read.
    damaged: Vec<DamageReport>,
}

pub(crate) const SCHEMA: &str = "clean-slate/preflight/1";

impl Preflight {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let cleaner = Cleaner {
            dry_run: self.check,
            grace: self.grace.duration(),
            ..cleaner(&config)?
        };
        let Survey {
            counts: before,
            runs: mut runs_before,
            ..
        } = cleaner.survey()?;
        if !self.check {
            runs_before.set_aside(&cleaner.scope);
        }
        let runs = context.busy("finishing dead runs", || {
            let reason = "`preflight` finishes dead runs";
            cleaner.end_runs(&runs_before, &RunChoice::Dead, reason)
        });
        let over: BTreeSet<String> = before
            .iter()
            .filter(|count| {
                if self.strict {
                    count.in_scope + count.own_editors > 0
                } else {
                    count.is_over()
                }
            })
            .map(|count| count.group.clone())
            .collect();
        for count in before.iter().filter(|count| over.contains(&count.group)) {
            let group = &count.group;
            let (number, limit) = if self.strict {
                (count.in_scope + count.own_editors, 0)
            } else {
                (count.in_scope, count.limit.unwrap_or_default())
            };
            context.note(&format!(
                "warning: group {group} has {number} here, {limit} allowed"
            ));
        }
        let request = CleanRequest {
            groups: if over.is_empty() {
                Groups::None
            } else {
                Groups::Named(over.clone())
            },
            runs: over_runs(&runs_before, &runs),
            ..CleanRequest::default()
        };
        let cleaning = context.busy("ending processes", || cleaner.clean(&request))?;
        let cleaning = cleaning.without_ending(&runs);
        let after = cleaner.survey()?;

        let (mut problems, damaged) = Problems::of(&runs_before, &runs, &cleaning, &after.runs);
        self.judge(&mut problems, &after);
        let unavailable_ports = self.check_launch(&config, &after.runs, &mut problems)?;

        let exit = problems.exit();
        let counts: Vec<CountReport> = after.counts.into_iter().map(Into::into).collect();
        match context.format() {
            Format::Text => {
                context.print(&show_runs(&runs, context.is_verbose()));
                context.print(&show_processes(&cleaning.processes, context.is_verbose()));
                if !context.is_quiet() {
                    context.print(&show_counts(&counts, &after.runs));
                }
                problems.show();
                if problems.is_empty() {
                    context.note("ready for the next launch");
                }
            }
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: PreflightReport {
                    exit: exit.into(),
                    root: cleaner.scope.root().display().to_string(),
                    problems: problems.texts(),
                    before: before.into_iter().map(Into::into).collect(),
                    counts,
                    over: over.into_iter().collect(),
                    runs,
                    processes: cleaning.processes,
                    unavailable_ports,
                    damaged,
                },
            }),
        }
        Ok(exit)
    }

    fn judge(&self, problems: &mut Problems, after: &Survey) {
        let dead = after.runs.dead().count();
        if self.check && dead > 0 {
            problems.add(
                Exit::Dirty,
                format!("dead runs to be finished: {dead}; run `preflight` without --check"),
            );
        }
        for count in &after.counts {
            let group = &count.group;
            if self.strict && count.in_scope + count.own_editors > 0 {
                let number = count.in_scope + count.own_editors;
                problems.add(
                    Exit::Dirty,
                    format!("group {group} has {number} left, and --strict allows none"),
                );
            } else if count.is_over() && (self.check || count.in_scope > count.in_live_runs) {
                let (number, limit) = (count.in_scope, count.limit.unwrap_or_default());
                problems.add(
                    Exit::Dirty,
                    format!("group {group} has {number} left, {limit} allowed"),
                );
            }
        }
    }

    /// Whether the next launch can have its program and its ports.
    fn check_launch(
        &self,
        config: &Config,
        runs: &Runs,
        problems: &mut Problems,
    ) -> Result<Vec<BlockedPort>, Failure> {
        let programs = Programs::ready()?;
        let plan = match Plan::new(config, &self.next, &programs) {
            Ok(plan) => plan,
            Err(failure) => {
                problems.add(failure.exit(), failure.to_string());
                return Ok(Vec::new());
            }
        };
        let mut blocked = Vec::new();
        for port in plan.named_ports() {
            let owner = runs
                .live()
                .find(|run| run.history.opened.ports.contains(&port));
            let state = port::state(port, &[])
                .map_err(|error| Failure::new(Exit::PortUnavailable, error))?;
            let holder = match (owner, state) {
                (Some(run), _) => {
                    problems.add(
                        Exit::Busy,
                        format!("port {port} belongs to run {}, which goes on", run.id),
                    );
                    format!("run {}", run.id)
                }
                (None, PortState::Free) => continue,
                (None, state) => {
                    let holder = state.to_string();
                    problems.add(Exit::PortUnavailable, format!("port {port} is {holder}"));
                    holder
                }
            };
            blocked.push(BlockedPort { port, holder });
        }
        Ok(blocked)
    }
}
