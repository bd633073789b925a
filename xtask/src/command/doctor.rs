//! `doctor`: runs escape probes on this very host, ends their runs in every way, and says what was observed.
//!
//! Each trial is a real launch by this very program, in a scope of its own that is gone afterwards. All of them run
//! side by side, because each of them mostly waits. Nothing is looked for, let alone ended, that was not started here.

mod trial;

mod report;

mod show;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use proc_core::contain::mechanisms;
use proc_core::escape_probes::{LIFE, interruption};
use proc_core::guarantee::{Choice, Level};
use proc_core::interruption::Interruption;
use proc_core::report::{Document, Exit};
use proc_core::wait::{Deadline, poll_until};

use crate::config::{CONTAIN, REQUIRE, one_of, parse_duration};
use crate::context::{Context, Format, complain_about};
use crate::failure::{Failure, Outcome};
use crate::programs::Programs;

pub(crate) use report::{DoctorReport, SCHEMA};

use trial::{Circumstances, Ending, Trial, TrialOutcome, Trials};

/// The least time that may be given.
const SHORTEST: Duration = Duration::from_secs(1);

/// The most time that may be given: a probe ends by itself when it is over.
const LONGEST: Duration = Duration::from_secs(55);
const _: () = assert!(LONGEST.as_secs() < LIFE.as_secs());

/// How long the folder of the trials may take to be free of processes that still write into it.
const REMOVAL: Duration = Duration::from_secs(1);

/// Run escape probes on this host, and show what ends them
///
/// Launches runs whose client and test try to get away (orphans in sessions of their own, without environment, some
/// without the run's mark), and lets each end in another way: the test passes, the launcher is killed, the guardian is
/// killed, both are killed. Shows what was left. It touches nothing that it has not started, and takes under 5 s.
/// What xtask.toml says of `contain` and `require` counts as for a launch.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Try this way of containment only, instead of all
    #[arg(long, value_name = "WAY", value_parser = one_of(&CONTAIN))]
    contain: Option<Choice>,
    /// Fail (105) unless at least this was observed, of `--contain` or of what a launch takes by itself
    #[arg(long, value_name = "LEVEL", value_parser = one_of(&REQUIRE))]
    require: Option<Level>,
    /// How long all of it may take, at most 55s. What is not gone by then is left
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_within)]
    within: Duration,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let began = Instant::now();
        let launch = context.config()?.launch;
        Programs::ready()?;
        let unable = |error: anyhow::Error| Failure::new(Exit::Config, error);
        let program = own_program().map_err(unable)?;
        // Before there is anything to be left behind.
        let interruption = interruption()
            .context("cannot notice signals")
            .map_err(unable)?;
        let folder = Folder::make().map_err(unable)?;
        let circumstances = Circumstances {
            program,
            folder: folder.path.clone(),
            began,
            within: self.within,
            interruption: Arc::clone(&interruption),
        };
        let trials = context.busy("running escape probes", || self.hold(&circumstances));
        drop(folder);
        refuse_interrupted(&interruption)?;
        let report = DoctorReport::new(
            self.contain.unwrap_or(launch.contain),
            self.require.or(launch.require),
            &trials,
            began.elapsed(),
        );
        match context.format() {
            Format::Json => context.print_json(&Document {
                schema: SCHEMA,
                body: &report,
            }),
            Format::Text => {
                context.print(&show::show(&report));
                complain_about(&report.problems.join("\n"));
            }
        }
        Ok(report.end())
    }

    /// Holds all trials at once.
    fn hold(&self, circumstances: &Circumstances) -> Trials {
        let mechanisms = match self.contain {
            None => mechanisms().to_vec(),
            Some(choice) => choice.candidates(mechanisms()),
        };
        let mut trials = Trials::new();
        thread::scope(|scope| {
            let mut running = Vec::new();
            for mechanism in mechanisms {
                for ending in Ending::ALL {
                    let trial = Trial {
                        circumstances,
                        mechanism,
                        ending,
                    };
                    running.push((mechanism, ending, scope.spawn(move || trial.run())));
                }
            }
            for (mechanism, ending, trial) in running {
                let outcome = trial.join().unwrap_or_else(|_| TrialOutcome::Failed {
                    code: None,
                    why: "the trial has panicked".into(),
                });
                trials.entry(mechanism).or_default().push((ending, outcome));
            }
        });
        trials
    }
}

/// Longer than a moment, and shorter than a probe lives.
fn parse_within(text: &str) -> Result<Duration, String> {
    let within = parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&within) {
        Ok(within)
    } else {
        Err(format!(
            "expected between {} s and {} s",
            SHORTEST.as_secs(),
            LONGEST.as_secs()
        ))
    }
}

/// This program, which is the launcher and every probe too.
fn own_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program lies")
}

fn refuse_interrupted(interruption: &OnceLock<Interruption>) -> Result<(), Failure> {
    match interruption.get() {
        None => Ok(()),
        Some(interruption) => Err(Failure::message(
            Exit::Interrupted(*interruption),
            format!("asked to end by {interruption}; everything that was started has ended"),
        )),
    }
}

/// The folder of all trials, which is removed when this is dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("clean-slate-doctor-")
            .tempdir()
            .context("cannot make a temporary folder; TMPDIR names where")?;
        Ok(Self {
            path: folder.keep(),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A guardian that leaves may still be writing.
        poll_until(Deadline::after(REMOVAL), || {
            std::fs::remove_dir_all(&self.path).ok()
        });
    }
}
