//! One trial: a real launch whose client and test are escape probes, ended in one way, and what is left of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use proc_core::escape_probes::{Escape, KillTarget, Probe, Probes, sweep};
use proc_core::guarantee::{Level, Mechanism, Unavailable};
use proc_core::identity::Identity;
use proc_core::interruption::Interruption;
use proc_core::scope::{STATE_VARIABLE, Scope};
use proc_core::spawn::{CommandLine, start_launcher};
use proc_core::wait::{Deadline, poll_until};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::escape_probe::VERB;

/// The part of the time, in %, in which a trial may be set up. What is not set up by then is not observed.
const SETTING_UP: u32 = 60;

/// The part of the time, in %, after which a trial has seen enough, whatever is left.
const LOOK: u32 = 80;

/// How long probes may take to end that are asked to. Some of them never do.
const GRACE: Duration = Duration::from_millis(200);

/// How long the end of a process may take to show whose end is not promised, once everything is gone that could end it.
const SETTLE: Duration = Duration::from_millis(500);

/// How long what is released may take to end. It does so at once, unless it was stopped.
const RELEASE: Duration = Duration::from_secs(2);

/// How long a guardian may take to leave when its launcher is gone, until it is killed: there is nothing left to end.
const FAREWELL: Duration = Duration::from_millis(700);

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// Its test passes.
    Normal,
    /// Its launcher is killed.
    LauncherKilled,
    /// Its guardian is killed.
    GuardianKilled,
    /// Both are killed, and neither gets to do anything in between.
    BothKilled,
}

impl Ending {
    pub(super) const ALL: [Self; 4] = [
        Self::Normal,
        Self::LauncherKilled,
        Self::GuardianKilled,
        Self::BothKilled,
    ];
}

/// What a trial has come to.
#[derive(Clone, Debug)]
pub(super) enum TrialOutcome {
    /// The mechanism is not available.
    Refused { why: String },
    /// It could not be set up: with the exit code of its launcher, where that has ended.
    Failed { code: Option<u8>, why: String },
    /// When each probe was gone, counted from the ending. `None`: it was not.
    Observed(Vec<(Probe, Option<Duration>)>),
}

/// What the trials of each mechanism have come to.
pub(super) type Trials = BTreeMap<Mechanism, Vec<(Ending, TrialOutcome)>>;

/// What all trials have in common.
#[derive(Debug)]
pub(super) struct Circumstances {
    /// This program.
    pub(super) program: PathBuf,
    /// The folder for everything.
    pub(super) folder: PathBuf,
    /// When the command began.
    pub(super) began: Instant,
    /// How long all of it may take.
    pub(super) within: Duration,
    pub(super) interruption: std::sync::Arc<OnceLock<Interruption>>,
}

#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) circumstances: &'a Circumstances,
    pub(super) mechanism: Mechanism,
    pub(super) ending: Ending,
}

/// A launcher at work, and the scope that is its own.
struct Launcher {
    child: Child,
    output: PathBuf,
    scope: Scope,
}

/// What a launcher's events say, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Said {
    RunStarted {
        guardian: Identity,
    },
    TestStarted,
    RunFinished {
        exit: Code,
        message: String,
        #[serde(default)]
        unavailable: Vec<Unavailable>,
    },
    #[serde(other)]
    Else,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: u8,
}

impl Trial<'_> {
    pub(super) fn run(&self) -> TrialOutcome {
        self.attempt().unwrap_or_else(|error| TrialOutcome::Failed {
            code: None,
            why: format!("{error:#}"),
        })
    }

    fn attempt(&self) -> anyhow::Result<TrialOutcome> {
        let name = format!("{}-{:?}", self.mechanism, self.ending);
        let folder = self.circumstances.folder.join(name);
        let probes_folder = folder.join("probes");
        fs::create_dir_all(&probes_folder)
            .with_context(|| format!("cannot make {}", probes_folder.display()))?;
        let mut probes =
            Probes::prepare(&probes_folder).context("cannot prepare the escape probes")?;
        let mut launcher = self.launch(&folder)?;
        let outcome = self.observe(&mut probes, &mut launcher);
        let left = probes.release_all(Deadline::after(RELEASE));
        launcher.put_away(self.deadline(LOOK));
        if let Some(probe) = left?.first() {
            bail!("{probe} has not ended although it was released");
        }
        outcome
    }

    /// When so much of the time is over, in %; at once when the command is to end.
    fn deadline(&self, percent: u32) -> Deadline {
        let Circumstances { began, within, .. } = self.circumstances;
        match self.circumstances.interruption.get() {
            None => Deadline::counted_from(*began, *within * percent / 100),
            Some(_) => Deadline::after(Duration::ZERO),
        }
    }

    fn check_interruption(&self) -> anyhow::Result<()> {
        match self.circumstances.interruption.get() {
            None => Ok(()),
            Some(interruption) => bail!("asked to end by {interruption}"),
        }
    }

    fn launch(&self, folder: &Path) -> anyhow::Result<Launcher> {
        let program = &self.circumstances.program;
        let name = program.file_name().and_then(|name| name.to_str());
        let name = name.context("the name of this program is not UTF-8")?;
        // Both are found in the folder of this program, and work in that of the trial.
        let config = format!(
            "[profile.probe]\nprogram = {name:?}\n\
             args = [{VERB:?}, \"client\", \"member\", \"probes\", \"{{port}}\"]\n"
        );
        fs::write(folder.join("xtask.toml"), config)?;
        let state = folder.join("state");
        let words = format!(
            "launch --format json --config xtask.toml --profile probe --clients 1 --base-port auto \
             --contain {} --grace {}ms --owner-pid {} --",
            self.mechanism,
            GRACE.as_millis(),
            std::process::id()
        );
        let test = [name, VERB, "test", "member", "probes"];
        let arguments = words.split_ascii_whitespace().chain(test);
        let line = CommandLine {
            program: program.into(),
            arguments: arguments.map(OsString::from).collect(),
            environment: vec![
                (STATE_VARIABLE.into(), state.clone().into()),
                // Whether the programs are up to date was found out before.
                ("CARGO_MANIFEST_DIR".into(), OsString::new()),
            ],
            directory: folder.into(),
        };
        let output = folder.join("events");
        let file = File::create(&output)?;
        let errors = File::create(folder.join("errors"))?;
        Ok(Launcher {
            scope: Scope::open_in(folder, &state)?,
            child: start_launcher(&line, file, errors).context("cannot start a launcher")?,
            output,
        })
    }

    fn observe(
        &self,
        probes: &mut Probes,
        launcher: &mut Launcher,
    ) -> anyhow::Result<TrialOutcome> {
        let guardian = poll_until(self.deadline(SETTING_UP), || {
            self.set_up(probes, launcher).transpose()
        });
        let guardian = match guardian.transpose()? {
            Some(Ok(guardian)) => guardian,
            Some(Err(outcome)) => return Ok(outcome),
            None => {
                let missing: Vec<String> = probes.missing()?.iter().map(Probe::to_string).collect();
                bail!(
                    "not set up within {:.1} s (`--within` gives it more time): {}",
                    (self.circumstances.within * SETTING_UP / 100).as_secs_f64(),
                    missing.join(", ")
                );
            }
        };
        let moment = Instant::now();
        self.bring_about(probes, launcher, guardian)?;
        self.watch(probes, launcher, guardian, moment)
    }

    /// Notes when each probe is gone, until all are, or the time is up, or nothing is left that could end the rest.
    fn watch(
        &self,
        probes: &mut Probes,
        launcher: &mut Launcher,
        guardian: KillTarget,
        moment: Instant,
    ) -> anyhow::Result<TrialOutcome> {
        let mut seen: Vec<(Probe, Option<Duration>)> =
            Probe::all().map(|probe| (probe, None)).collect();
        let mut settled = None;
        let mut look = || {
            let left = probes.left()?;
            for (probe, gone) in &mut seen {
                if gone.is_none() && !left.contains(probe) {
                    *gone = Some(moment.elapsed());
                }
            }
            self.check_interruption()?;
            if settled.is_none() && launcher.is_over()? && is_gone(guardian) {
                settled = Some(Deadline::after(SETTLE));
            }
            // What is promised may come late on a machine with much to do.
            let is_promised =
                |probe: &Probe| is_promised(self.mechanism, self.ending, probe.escape);
            let is_settled = settled.is_some_and(Deadline::has_passed);
            let is_over = left.is_empty() || is_settled && !left.iter().any(is_promised);
            Ok(is_over.then_some(()))
        };
        poll_until(self.deadline(LOOK), || look().transpose()).unwrap_or(anyhow::Ok(()))?;
        Ok(TrialOutcome::Observed(seen))
    }

    /// Whether everything is set up: the guardian of the run then, or what came instead.
    fn set_up(
        &self,
        probes: &mut Probes,
        launcher: &mut Launcher,
    ) -> anyhow::Result<Option<Result<KillTarget, TrialOutcome>>> {
        self.check_interruption()?;
        // Asked first: what a launcher has said is complete when it is over.
        let is_over = launcher.is_over()?;
        let mut guardian = None;
        let mut is_testing = false;
        for said in launcher.said() {
            match said {
                Said::RunStarted { guardian: identity } => guardian = Some(KillTarget(identity)),
                Said::TestStarted => is_testing = true,
                Said::RunFinished {
                    exit,
                    message,
                    unavailable,
                } => return Ok(Some(Err(self.refusal(&exit, message, &unavailable)))),
                Said::Else => {}
            }
        }
        if is_over {
            bail!("the launcher ended and did not say why");
        }
        let guardian = guardian.filter(|_| is_testing);
        Ok(guardian
            .filter(|_| probes.missing().is_ok_and(|missing| missing.is_empty()))
            .map(Ok))
    }

    fn refusal(&self, exit: &Code, message: String, unavailable: &[Unavailable]) -> TrialOutcome {
        let refused = unavailable
            .iter()
            .find(|one| one.mechanism == self.mechanism);
        match refused {
            Some(refused) => TrialOutcome::Refused {
                why: refused.why.clone(),
            },
            None => TrialOutcome::Failed {
                code: Some(exit.code),
                why: message,
            },
        }
    }

    fn bring_about(
        &self,
        probes: &mut Probes,
        launcher: &mut Launcher,
        guardian: KillTarget,
    ) -> anyhow::Result<()> {
        match self.ending {
            Ending::Normal => probes.release_test(),
            Ending::LauncherKilled => launcher.kill()?,
            Ending::GuardianKilled => guardian.kill(),
            Ending::BothKilled => {
                guardian.stop();
                launcher.kill()?;
                guardian.kill();
                // Where the kernel ends everything, nothing else is to.
                if self.mechanism.level() < Level::Kernel
                    && guardian.is_gone_by(self.deadline(LOOK))
                {
                    sweep(&launcher.scope, GRACE)?;
                }
            }
        }
        Ok(())
    }
}

impl Launcher {
    fn said(&self) -> Vec<Said> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        // The last line may still be being written.
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn is_over(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Leaves nothing of the run, whatever has become of it.
    fn put_away(mut self, deadline: Deadline) {
        // It comes to its own end, if it can. Its guardian ends the run when it is killed.
        poll_until(deadline, || self.is_over().unwrap_or(true).then_some(()));
        let _ = self.kill();
        for said in self.said() {
            if let Said::RunStarted { guardian } = said {
                let guardian = KillTarget(guardian);
                if !guardian.is_gone_by(Deadline::after(FAREWELL)) {
                    guardian.kill();
                    guardian.is_gone_by(Deadline::after(FAREWELL));
                }
            }
        }
        // What is left then is not described, so an error is not told either.
        let _ = sweep(&self.scope, Duration::ZERO);
    }
}

/// Whether an escape is to be in vain. What leaves its tree, empties its environment and takes off its mark is known to
/// the guardian alone, unless the kernel keeps a container. What is only tracked is ended as far as it goes.
pub(super) fn is_promised(mechanism: Mechanism, ending: Ending, escape: Escape) -> bool {
    if mechanism.level() == Level::Tracked {
        return false;
    }
    mechanism != Mechanism::Subreaper
        || escape != Escape::Unmarked
        || !matches!(ending, Ending::GuardianKilled | Ending::BothKilled)
}

fn is_gone(target: KillTarget) -> bool {
    target.is_gone_by(Deadline::after(Duration::ZERO))
}
