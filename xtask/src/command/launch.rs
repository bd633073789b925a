//! `launch`: start clients, wait until all are ready, run the test, end everything, always.

pub(crate) mod plan;

mod display;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use proc_core::guarantee::{Choice, Level};
use proc_core::identity::Identity;
use proc_core::ledger::Runs;
use proc_core::report::{Event, Exit};
use proc_core::run::{AfterTest, Run, RunError, interrupt_on_signals};
use proc_core::scope::Scope;
use proc_core::spawn::{CommandLine, fits, resolve};
use proc_core::status::ExitStatus;
use proc_core::stdio_policy::StdioPolicy;
use proc_core::table::{COOKIE, Table};

use crate::config::{CONTAIN, Leaks, REQUIRE, one_of, parse_duration};
use crate::context::{Context, Format, directory, processes};
use crate::failure::{Failure, Outcome};
use crate::programs::Programs;

use display::Display;
use plan::{NextLaunch, Plan};

/// Start clients, run a test against them, and end everything
///
/// Without a test command the clients stay until Ctrl+C. A test command gets the addresses of the clients in its
/// environment (`XTASK_CLIENT_URLS`, `XTASK_CLIENT_1_PORT`, ...), and its exit code is passed on. With --format json its
/// output goes to standard error.
#[derive(Debug, Args)]
pub(crate) struct Launch {
    #[command(flatten)]
    which: NextLaunch,
    /// How long to wait between two starts
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    stagger: Option<Duration>,
    /// How long clients may take to end when asked to
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    grace: Option<Duration>,
    /// How long each client may take to be ready
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ready_timeout: Option<Duration>,
    /// Return when all clients are ready, and leave them running until `postflight` or `cleanup`
    #[arg(long, conflicts_with = "test")]
    detach: bool,
    /// End the run when this process ends
    #[arg(long, value_name = "PID")]
    owner_pid: Option<u32>,
    /// When the test fails, leave the clients running to be looked at
    #[arg(long, requires = "test")]
    keep_on_failure: bool,
    /// Fail (103) when the test passes but leaves processes behind
    #[arg(long, requires = "test")]
    deny_leaks: bool,
    /// How to contain what is started: `auto` takes the strongest way that changes nothing for the clients
    ///
    /// `cgroup` and `subreaper` promise `whole-tree`, and change nothing. `pidns` promises `kernel`, and clients see other
    /// PIDs. `tracked` is what there is on macOS, and promises nothing. `job` is what there is on Windows, and promises
    /// `kernel`.
    #[arg(long, value_name = "WAY", value_parser = one_of(&CONTAIN))]
    contain: Option<Choice>,
    /// Do not launch (105) where less than this is guaranteed
    ///
    /// `tracked`: everything ends as far as it was seen.
    /// `whole-tree`: everything ends when the launcher is killed, and with the next command if its guardian is killed too.
    /// `kernel`: everything ends at once even then.
    #[arg(long, value_name = "LEVEL", value_parser = one_of(&REQUIRE))]
    require: Option<Level>,
    /// The test command and its arguments
    #[arg(last = true, value_name = "TEST")]
    test: Vec<OsString>,
}

/// How a run went, before it is ended.
struct RunResult {
    exit: Exit,
    message: String,
    keep: bool,
}

impl Launch {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        self.launch(context).map_err(Failure::for_stream)
    }

    fn launch(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let programs = Programs::ready()?;
        let folder = directory();
        let test = self.test_program(&folder, &programs)?;
        let owner = self.owner()?;
        let mut plan = Plan::new(&config, &self.which, &programs)?;
        let scope = Scope::open(&config.root)?;
        plan.keep_programs(&scope, &programs)?;
        warn_of_damage(&scope, context);

        let test = test
            .map(|program| programs.lasting(&scope, program))
            .transpose()?
            .map(PathBuf::into_os_string);
        let guardian = programs.lasting(&scope, programs.guardian())?;
        let mut builder = Run::builder(&scope, &guardian)?;
        builder
            .grace(self.grace.unwrap_or(plan.grace))
            .stagger(self.stagger.unwrap_or(config.launch.stagger))
            .stdio_policy(self.stdio_policy(context));
        builder.contain(self.contain.unwrap_or(config.launch.contain));
        if let Some(level) = self.require.or(config.launch.require) {
            builder.require(level);
        }
        if let Some(owner) = owner {
            builder.owner(owner);
        }
        plan.add_clients(&mut builder, self.ready_timeout)?;
        let interrupter = builder.interrupter();
        interrupt_on_signals(interrupter).map_err(|error| Failure::new(Exit::Guardian, error))?;

        let mut display = Display::new(context);
        let mut show = |event: &Event| {
            display.show(event);
            if plan.allows_exempt()
                && let Event::RunStarted { mechanism, .. } = event
                && !mechanism.allows_exempt()
            {
                context.note(&format!(
                    "warning: {mechanism} lets nothing live on: `survive` of the profile has no effect"
                ));
            }
        };
        let opened = std::time::Instant::now();
        let mut run = match builder.launch(&mut show) {
            Ok(run) => run,
            Err(error) => return Err(display.failure(error)),
        };
        context.verbose(|| {
            format!(
                "all clients ready after {:.1} s",
                opened.elapsed().as_secs_f64()
            )
        });
        if self.detach {
            let detached = run.detach(Exit::Ok, &mut show);
            return detached.map_or_else(|error| Err(display.failure(error)), |()| Ok(Exit::Ok));
        }
        let verdict = match test {
            Some(program) => self.test(&mut run, program, &folder, &mut show),
            None => Self::stay(&mut run, context, &mut show),
        };
        if verdict.keep {
            let detached = run.detach(verdict.exit, &mut show);
            return detached
                .map_or_else(|error| Err(display.failure(error)), |()| Ok(verdict.exit));
        }
        let summary = run.finish(&verdict.message, &mut show);
        let deny = self.deny_leaks || config.launch.leaks == Leaks::Deny;
        let (exit, message) = if let Some(why) = summary.unseen {
            let message =
                format!("it is not known what is left: {why}; `cargo xtask preflight` ends it");
            (Exit::Survivors, message)
        } else if summary.survivors > 0 {
            (
                Exit::Survivors,
                format!("could not end {}", processes(summary.survivors)),
            )
        } else if summary.guardian_lost {
            (
                Exit::Guardian,
                "the guardian was lost before it had ended the run; the launcher has ended what was left".into(),
            )
        } else if verdict.exit == Exit::Ok && summary.leaks > 0 && deny {
            (
                Exit::Leaked,
                format!("left behind, and ended: {}", processes(summary.leaks)),
            )
        } else {
            (verdict.exit, verdict.message)
        };
        show(&run.finished(exit, &message));
        Ok(exit)
    }

    /// Finds the test's program before anything is started.
    fn test_program(
        &self,
        directory: &Path,
        programs: &Programs,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some(program) = self.test.first() else {
            return Ok(None);
        };
        let program = resolve(program, directory, &[programs.folder().to_owned()])?;
        fits(program.as_os_str(), &self.test[1..])?;
        Ok(Some(program))
    }

    /// Events have standard output to themselves, so that each of its lines is one.
    fn stdio_policy(&self, context: &Context) -> StdioPolicy {
        match context.format() {
            _ if self.test.is_empty() => StdioPolicy::Nothing,
            Format::Text => StdioPolicy::Everything,
            Format::Json => StdioPolicy::AllButOutput,
        }
    }

    fn owner(&self) -> Result<Option<Identity>, Failure> {
        let Some(pid) = self.owner_pid else {
            return Ok(None);
        };
        // The table has processes only; looked at by its number, a thread would seem to be one.
        let table = Table::read().map_err(|error| Failure::new(Exit::Guardian, error))?;
        if let Some(process) = table.get(pid).filter(|process| !process.is_zombie()) {
            Ok(Some(process.identity()))
        } else {
            let message =
                format!("--owner-pid {pid}: there is no such process; the owner must be running");
            Err(Failure::message(Exit::Config, message))
        }
    }

    fn test(
        &self,
        run: &mut Run,
        program: OsString,
        directory: &Path,
        show: &mut dyn FnMut(&Event),
    ) -> RunResult {
        let line = CommandLine {
            program,
            arguments: self.test[1..].to_vec(),
            environment: environment(run),
            directory: directory.into(),
        };
        let after = if self.keep_on_failure {
            AfterTest::EndIfPassed
        } else {
            AfterTest::End
        };
        match run.test(line, after, show) {
            Ok(status) => RunResult {
                exit: match status {
                    ExitStatus::Code(0) => Exit::Ok,
                    status => Exit::Test(u8::try_from(status.shell_code()).unwrap_or(1)),
                },
                message: status.verdict(),
                keep: self.keep_on_failure && !status.success(),
            },
            Err(error) => stopped(&error),
        }
    }

    /// Without a test the clients stay until the run is ended.
    fn stay(run: &mut Run, context: &Context, show: &mut dyn FnMut(&Event)) -> RunResult {
        context.note("all clients are ready; Ctrl+C ends them");
        stopped(&run.wait(show))
    }
}

/// A launch neither needs the ledgers of other runs nor mends them, but there may be no other look at them for a long time.
fn warn_of_damage(scope: &Scope, context: &Context) {
    // Where they cannot be read at all, the launch itself fails and says so.
    let damaged = Runs::read(scope)
        .map(|runs| runs.damaged)
        .unwrap_or_default();
    for damaged in damaged {
        context.note(&format!(
            "warning: {}; run `cargo xtask preflight`",
            damaged.error
        ));
    }
}

fn stopped(error: &RunError) -> RunResult {
    RunResult {
        exit: error.exit(),
        message: error.to_string(),
        keep: false,
    }
}

/// What a test command is told about its run.
fn environment(run: &Run) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<(OsString, OsString)> = vec![
        (COOKIE.into(), run.id().into()),
        ("XTASK_RUN_DIR".into(), run.folder().into()),
        (
            "XTASK_CLIENTS".into(),
            run.clients().len().to_string().into(),
        ),
    ];
    let urls: Vec<String> = run
        .clients()
        .iter()
        .map(proc_core::run::RunningClient::url)
        .collect();
    environment.push(("XTASK_CLIENT_URLS".into(), urls.join(",").into()));
    for client in run.clients() {
        let mut add = |name: &str, value: OsString| {
            environment.push((
                format!("XTASK_CLIENT_{}_{name}", client.number()).into(),
                value,
            ));
        };
        add("URL", client.url().into());
        add("PORT", client.port().to_string().into());
        add("LOG", client.log().into());
        if let Some(pid) = client.pid_inside() {
            add("PID", pid.to_string().into());
        }
    }
    environment
}
