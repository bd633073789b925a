//! Launchers, guardians and owners that are killed at a random moment, from the launcher's first instruction on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::cgroup::left_of;
use tests::{Bench, Running, poll};

use crate::case::{Contain, User};
use crate::case_run::start_owner;
use crate::plan::{available, soak, species};

/// How long a launch takes until its test runs, with a margin.
const LONGEST: Duration = Duration::from_millis(600);

/// Species that end a run themselves, that fill the disk that all runs here share, and the one that not every way of
/// containing a run promises to find.
const LEFT_OUT: [&str; 5] = [
    "never-ready",
    "ready-then-crash",
    "leader-exits",
    "flooder",
    "clears-everything",
];

/// What happens to a launch at a random moment: which of its processes are killed, or what else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InjectedFault {
    Launcher,
    Guardian,
    Both,
    /// The launcher, which stands still.
    Stopped,
    /// The guardian, while the launcher stands still, which then goes on.
    GuardianOfStopped,
    /// The owner of the run.
    Owner,
    /// Nothing is killed: the launcher gets SIGHUP, and does what it does about it so far.
    HangUp,
}

impl InjectedFault {
    const ALL: [Self; 7] = [
        Self::Launcher,
        Self::Guardian,
        Self::Both,
        Self::Stopped,
        Self::GuardianOfStopped,
        Self::Owner,
        Self::HangUp,
    ];

    /// The launcher's exit codes, where they do not depend on how far it came.
    fn codes(self) -> Option<&'static [i32]> {
        match self {
            // The second one of an owner that was gone before it was looked for.
            Self::Owner => Some(&[143, 106]),
            Self::HangUp => Some(&[129]),
            _ => None,
        }
    }
}

/// Runs launches, and kills one of each at another moment.
pub(crate) fn run() {
    let count = soak().map_or(21, |rounds| rounds * 100);
    let bench = Bench::new();
    let mut species = species();
    species.retain(|species| !LEFT_OUT.contains(&species.as_str()));
    let profiles = species
        .iter()
        .map(|species| bench.zoo_profile(species, species));
    bench.write("xtask.toml", &profiles.collect::<String>());
    let ways: Vec<Contain> = available()
        .into_iter()
        .filter(|(_, user)| *user == User::Own)
        .map(|(contain, _)| contain)
        .collect();
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let fault = InjectedFault::ALL[number as usize % InjectedFault::ALL.len()];
        let contain = ways[number as usize / InjectedFault::ALL.len() % ways.len()];
        let species = &species[number as usize % species.len()];
        let owner = start_owner(&bench);
        let mut command = bench.launch(["--clients=2", "--grace=200ms", "--profile", species]);
        command.arg(format!("--owner-pid={}", owner.pid()));
        command.args(["--contain", contain.word(), "--", "sleep", "30"]);
        let running = bench.start(command);
        // Spread evenly: the golden ratio visits every part of the span in whatever number of steps.
        let part = (f64::from(number) * 0.618_033_988_75).fract();
        let start = Instant::now();
        poll(LONGEST.mul_f64(part), || None::<()>);
        let owner = inject(fault, &running, owner);
        let moment = Instant::now();
        let code = running.finish().code;
        drop(owner);
        assert!(
            fault.codes().is_none_or(|codes| codes.contains(&code)),
            "{fault:?} ({species}, {contain:?}) after {:?}: exit code {code}",
            moment - start
        );
        // In a PID namespace nothing needs to be looked for.
        if fault == InjectedFault::Both && contain != Contain::Pidns {
            bench.run(["cleanup", "--all", "--grace=200ms"]).expect(0);
        }
        let gone = poll(Duration::from_secs(15), || {
            (!bench.has_survivors()).then_some(())
        });
        assert!(
            gone.is_some(),
            "{fault:?} ({species}, {contain:?}) killed after {:?}: {}",
            moment - start,
            bench.describe_survivors()
        );
        slowest = slowest.max(moment.elapsed());
    }
    // Closes what was left open, of which nothing but a ledger and an empty cgroup may be there.
    bench.run(["cleanup", "--all"]).expect(0);
    let cgroups = tests::cgroup::root().map(|root| left_of(&bench.runs(), &root));
    assert_eq!(cgroups.unwrap_or_default(), [] as [PathBuf; 0]);
    println!(
        "{count} times killed at any moment: nothing left after {:.1} s at the most",
        slowest.as_secs_f64()
    );
}

/// A guardian that is not known yet has started nothing yet; the launcher is killed instead. Returns the owner, if it
/// lives.
fn inject(fault: InjectedFault, running: &Running, owner: Running) -> Option<Running> {
    match fault {
        // Dropping it kills it.
        InjectedFault::Owner => return None,
        InjectedFault::HangUp => running.signal(Signal::HUP),
        _ => kill_members(fault, running),
    }
    Some(owner)
}

fn kill_members(fault: InjectedFault, running: &Running) {
    let events = running.events();
    let started = events.iter().find(|event| event["event"] == "run_started");
    let guardian = started.and_then(|event| event["guardian"]["pid"].as_i64());
    let guardian = guardian.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if !matches!(fault, InjectedFault::Launcher | InjectedFault::Guardian) {
        // A launcher that lives would do the work of a guardian that is killed.
        running.signal(Signal::STOP);
    }
    let kills_guardian = !matches!(fault, InjectedFault::Launcher | InjectedFault::Stopped);
    if let (true, Some(guardian)) = (kills_guardian, guardian) {
        let _ = kill_process(guardian, Signal::KILL);
    }
    let spares_launcher = matches!(
        fault,
        InjectedFault::Guardian | InjectedFault::GuardianOfStopped
    );
    running.signal(if spares_launcher && guardian.is_some() {
        Signal::CONT
    } else {
        Signal::KILL
    });
}
