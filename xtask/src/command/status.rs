//! `status`: the runs of the project, their clients, and the groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use proc_core::guarantee::{Level, Mechanism};
use proc_core::identity::Identity;
use proc_core::ledger::{History, KnownRun, MemberHistory, RunState, Runs};
use proc_core::mark::MemberNumber;
use proc_core::membership::Member;
use proc_core::report::{Document, Exit, ExitNote};
use proc_core::table::Table;
use proc_core::usage::{Usage, measure};
use proc_core::wait::{Deadline, poll_until};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cleaning::{CountReport, DamageReport, cleaner, show_counts, show_damage};
use crate::context::{Context, Format, complain_about, processes};
use crate::failure::Outcome;

/// The pause between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);

/// Show runs, clients and counts
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Look again every second, until Ctrl+C
    #[arg(long)]
    watch: bool,
}

/// What `status` shows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct StatusReport {
    /// How the command ends.
    exit: ExitNote,
    /// The project's root.
    root: String,
    /// The runs that are not over.
    runs: Vec<RunStatus>,
    /// How many processes each group has.
    counts: Vec<CountReport>,
    /// Ledgers that could not be read.
    damaged: Vec<DamageReport>,
}

/// A run that is not over.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct RunStatus {
    /// The run id.
    run: String,
    /// Its folder, with its logs.
    folder: String,
    /// How it goes on.
    state: State,
    /// Since when, in UTC.
    since: String,
    /// The process that will end everything.
    guardian: Identity,
    /// How everything that it starts is contained. `null`: it is not known yet.
    mechanism: Option<Mechanism>,
    /// What that promises.
    level: Option<Level>,
    /// Its clients, by number.
    clients: Vec<ClientStatus>,
    /// Everything that the run has started.
    usage: UsageReport,
}

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Under its launcher.
    Attached,
    /// Without a launcher, as asked.
    Detached,
    /// It is being ended.
    Ending,
    /// Its guardian was killed; the next `preflight` finishes it.
    Dead,
}

/// A client of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ClientStatus {
    /// Its number, from 1.
    client: MemberNumber,
    /// Its program.
    program: String,
    /// The port that it is to serve.
    port: Option<u16>,
    /// Where it has answered. `null`: it is not ready yet.
    url: Option<String>,
    /// Its own process. `null`: it has not been started yet.
    identity: Option<Identity>,
    /// Whether its own process is there.
    alive: bool,
    /// Everything that it has started, itself included.
    usage: UsageReport,
}

/// What a process tree uses.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
struct UsageReport {
    /// How many processes it has.
    processes: usize,
    /// In % of one core.
    cpu_percent: f32,
    /// Resident memory in bytes.
    memory_bytes: u64,
}

pub(crate) const SCHEMA: &str = "clean-slate/status/1";

impl Status {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        loop {
            let exit = Self::look(context, self.watch)?;
            if !self.watch || context.reader_has_left() {
                return Ok(exit);
            }
            // Ctrl+C ends the process itself: it has started nothing.
            poll_until(Deadline::after(PAUSE), || None::<()>);
        }
    }

    fn look(context: &Context, again: bool) -> Outcome {
        let config = context.config()?;
        let cleaner = cleaner(&config)?;
        let survey = cleaner.survey()?;
        let runs = statuses(&survey.runs)?;
        let damaged: Vec<DamageReport> = survey.runs.damaged.iter().map(Into::into).collect();
        let exit = if damaged.is_empty() {
            Exit::Ok
        } else {
            Exit::Ledger
        };
        let report = StatusReport {
            exit: exit.into(),
            root: cleaner.scope.root().display().to_string(),
            runs,
            counts: survey.counts.into_iter().map(Into::into).collect(),
            damaged,
        };
        match context.format() {
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: report,
            }),
            Format::Text => {
                if again {
                    Context::clear();
                }
                let counts = show_counts(&report.counts, &survey.runs);
                context.print(&format!("{}{counts}", show(&report.runs)));
                complain_about(&show_damage(&report.damaged));
            }
        }
        Ok(exit)
    }
}

fn statuses(runs: &Runs) -> std::io::Result<Vec<RunStatus>> {
    let open: Vec<&KnownRun> = runs
        .known
        .iter()
        .filter(|run| run.state != RunState::Closed)
        .collect();
    let table = Table::read()?;
    // A set for each run, and behind it one for each of its clients.
    let mut sets: Vec<BTreeSet<u32>> = Vec::new();
    for run in &open {
        let trees = trees(&run.history, &table);
        sets.push(trees.values().flatten().copied().collect());
        sets.extend(clients(&run.history).map(|(number, _)| {
            trees
                .get(&Member::Client(number))
                .cloned()
                .unwrap_or_default()
        }));
    }
    let mut usages = measure(&sets)?.into_iter().map(UsageReport::from);
    let mut next = || usages.next().unwrap_or_default();
    Ok(open
        .into_iter()
        .map(|run| status(run, &table, &mut next))
        .collect())
}

fn status(run: &KnownRun, table: &Table, next: &mut impl FnMut() -> UsageReport) -> RunStatus {
    let history = &run.history;
    let usage = next();
    let clients = clients(history).map(|(client, member)| ClientStatus {
        client,
        program: member.program.clone(),
        port: member.port,
        url: member.url.clone(),
        identity: member.identity,
        alive: member
            .identity
            .is_some_and(|identity| table.find(&identity).is_some_and(|p| !p.is_zombie())),
        usage: next(),
    });
    RunStatus {
        run: run.id.clone(),
        folder: run.folder.display().to_string(),
        state: match (run.state, &history.ending, history.detached) {
            (RunState::Dead | RunState::Closed, _, _) => State::Dead,
            (RunState::Live, Some(_), _) => State::Ending,
            (RunState::Live, None, true) => State::Detached,
            (RunState::Live, None, false) => State::Attached,
        },
        since: history.opened.time.clone(),
        guardian: history.opened.guardian,
        mechanism: history.mechanism,
        level: history.mechanism.map(Mechanism::level),
        clients: clients.collect(),
        usage,
    }
}

/// The processes of each member of a run: those that carry its mark or, where there are no marks, its own and those that
/// descend from it.
fn trees(history: &History, table: &Table) -> BTreeMap<Member, BTreeSet<u32>> {
    if history.opened.mark.is_none() {
        return lineages(history, table);
    }
    let mut trees: BTreeMap<Member, BTreeSet<u32>> = BTreeMap::new();
    for process in table
        .iter()
        .filter(|process| !process.is_zombie() && !process.is_kernel())
    {
        // Nothing of a run is older than its guardian.
        if process.identity().start < history.opened.guardian.start {
            continue;
        }
        if let Some((mark, number)) = process.mark()
            && Some(mark) == history.opened.mark
            && let Some(member) = Member::from_number(number)
        {
            trees
                .entry(member)
                .or_default()
                .insert(process.identity().pid);
        }
    }
    trees
}

fn lineages(history: &History, table: &Table) -> BTreeMap<Member, BTreeSet<u32>> {
    let is_alive = |pid: &u32| table.get(*pid).is_some_and(|process| !process.is_zombie());
    let lineage = |(member, known): (&Member, &MemberHistory)| {
        let root = table.find(&known.identity?)?.identity().pid;
        let mut tree = table.descendants(&[root].into());
        tree.insert(root);
        tree.retain(is_alive);
        Some((*member, tree))
    };
    history.members.iter().filter_map(lineage).collect()
}

fn clients(history: &History) -> impl Iterator<Item = (MemberNumber, &MemberHistory)> {
    history
        .members
        .iter()
        .filter_map(|(member, history)| match member {
            Member::Client(number) => Some((*number, history)),
            Member::Test => None,
        })
}

impl From<Usage> for UsageReport {
    fn from(usage: Usage) -> Self {
        Self {
            processes: usage.processes,
            cpu_percent: usage.cpu_percent,
            memory_bytes: usage.memory_bytes,
        }
    }
}

fn show(runs: &[RunStatus]) -> String {
    let mut text = String::new();
    for run in runs {
        let state = match run.state {
            State::Attached => "running",
            State::Detached => "detached",
            State::Ending => "ending",
            State::Dead => "dead: the next preflight finishes it",
        };
        let _ = writeln!(
            text,
            "run {}  {state}  {}  {}",
            run.run,
            age(&run.since),
            show_usage(run.usage)
        );
        if let Some(mechanism) = run.mechanism {
            let _ = writeln!(text, "  {} by {mechanism}", mechanism.level());
        }
        for client in &run.clients {
            let pid = client
                .identity
                .map_or_else(|| "-".to_owned(), |identity| identity.pid.to_string());
            let state = match (client.alive, &client.url) {
                (true, Some(url)) => format!("ready at {url}"),
                (true, None) => "not ready yet".to_owned(),
                (false, _) => "gone".to_owned(),
            };
            let port = client.port.unwrap_or_default();
            let usage = show_usage(client.usage);
            let _ = writeln!(
                text,
                "  client {:<3} PID {pid:<7} port {port:<5}  {state}  {usage}",
                client.client
            );
        }
    }
    if !runs.is_empty() {
        text.push('\n');
    }
    text
}

fn show_usage(usage: UsageReport) -> String {
    if usage.processes == 0 {
        return String::new();
    }
    let megabytes = usage.memory_bytes / (1024 * 1024);
    format!(
        "{}, CPU {:.0} %, {megabytes} MiB",
        processes(usage.processes),
        usage.cpu_percent
    )
}

fn age(since: &str) -> String {
    let Ok(since) = since.parse::<Timestamp>() else {
        return String::new();
    };
    let seconds = Timestamp::now().duration_since(since).as_secs().max(0);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
