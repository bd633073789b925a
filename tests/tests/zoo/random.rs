//! Launchers and guardians that are killed at a random moment, from the launcher's first instruction on.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::{Bench, Running, poll};

use crate::plan::soak;

/// How long a launch takes until its test runs, with a margin.
const LONGEST: Duration = Duration::from_millis(600);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Launcher,
    Guardian,
    Both,
}

/// Runs launches, and kills one of each at another moment.
pub(crate) fn run() {
    let count = soak().map_or(12, |rounds| rounds * 100);
    let bench = Bench::new();
    let config = format!(
        "[profile.zoo]\nprogram = {:?}\nargs = [\"daemon-ignores-term\", \"--port={{port}}\", {:?}]\n",
        tests::binary("zoo").display().to_string(),
        format!("--witness={}", bench.witness().display()),
    );
    bench.write("xtask.toml", &config);
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let victim = [Victim::Launcher, Victim::Guardian, Victim::Both][number as usize % 3];
        let launch = [
            "--profile=zoo",
            "--clients=2",
            "--grace=200ms",
            "--",
            "sleep",
            "30",
        ];
        let running = bench.start(bench.launch(launch));
        // Spread evenly: the golden ratio visits every part of the span in whatever number of steps.
        let part = (f64::from(number) * 0.618_033_988_75).fract();
        let start = Instant::now();
        poll(LONGEST.mul_f64(part), || None::<()>);
        kill(victim, &running);
        let moment = Instant::now();
        running.finish();
        if victim == Victim::Both {
            bench.run(["cleanup", "--all", "--grace=200ms"]).expect(0);
        }
        let gone = poll(Duration::from_secs(15), || {
            (!bench.has_survivors()).then_some(())
        });
        assert!(
            gone.is_some(),
            "{victim:?} killed after {:?}: {}",
            moment - start,
            bench.describe_survivors()
        );
        slowest = slowest.max(moment.elapsed());
    }
    println!(
        "{count} times killed at any moment: nothing left after {:.1} s at the most",
        slowest.as_secs_f64()
    );
}

/// A guardian that is not known yet has started nothing yet; the launcher is killed instead.
fn kill(victim: Victim, running: &Running) {
    let events = running.events();
    let started = events.iter().find(|event| event["event"] == "run_started");
    let guardian = started.and_then(|event| event["guardian"]["pid"].as_i64());
    let guardian = guardian.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if victim == Victim::Both {
        // A launcher that lives would do the guardian's work.
        running.signal(Signal::STOP);
    }
    if let (Victim::Guardian | Victim::Both, Some(guardian)) = (victim, guardian) {
        let _ = kill_process(guardian, Signal::KILL);
    }
    if victim != Victim::Guardian || guardian.is_none() {
        running.signal(Signal::KILL);
    }
}
