//! One case: a run with one species, ended in one way, and what is left of it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tests::{PATIENCE, poll, wait_for};

use crate::case_run::{self, CaseRun};
use crate::disk::{self, Disk, SmallDisk};
use crate::ending::Ending;

/// How long to look for survivors: longer than anything takes, shorter than any species lives.
pub(crate) const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

/// After how many cases to say how many there were.
const PROGRESS: usize = 250;

/// How many cases run side by side: each of them mostly waits.
const AT_ONCE: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) species: String,
    pub(crate) ending: Ending,
    pub(crate) place: Place,
    pub(crate) user: User,
    pub(crate) contain: Contain,
    pub(crate) disk: Disk,
}

/// What the species is in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Client,
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Own,
    /// One that is not root, where this is root.
    Ordinary,
}

/// How the run is contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contain {
    Cgroup,
    Subreaper,
    Pidns,
}

/// What a case has come to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// From the ending until nothing was left. `None`: something was.
    pub(crate) took: Option<Duration>,
    /// What was left, or what else went wrong.
    pub(crate) problem: Option<String>,
}

impl Case {
    /// The usual: the species is a client of this user, and the machine has room for everything.
    pub(crate) fn new(species: &str, ending: Ending) -> Self {
        Self {
            species: species.into(),
            ending,
            place: Place::Client,
            user: User::Own,
            contain: Contain::Subreaper,
            disk: Disk::Roomy,
        }
    }

    /// Whether the species serves, and lives until it is ended.
    fn stays(&self) -> bool {
        !matches!(
            self.species.as_str(),
            "never-ready" | "ready-then-crash" | "leader-exits"
        )
    }

    pub(crate) fn makes_sense(&self) -> bool {
        // A species that ends by itself is not ended by the run, and there is no test then, which one that is the test
        // does not pass.
        let needs_test = self.ending == Ending::StopLauncher || self.disk != Disk::Roomy;
        // How long a ledger is to be is found out by a run before, after which this one has filled the disk.
        if self.species == "flooder" && self.disk == Disk::FilledLedger {
            return false;
        }
        match self.place {
            Place::Client => self.stays() || !needs_test,
            Place::Test => self.stays() && !self.ending.needs_end_of_test(),
        }
    }

    /// Whether this level promises to end everything.
    ///
    /// Without a cgroup or a namespace, a process that leaves its tree, empties its environment and replaces its mark
    /// on purpose is found by nothing once the guardian is gone.
    pub(crate) fn is_promised(&self) -> bool {
        self.species != "clears-everything"
            || self.contain != Contain::Subreaper
            || !(self.ending == Ending::KillGuardian || self.ending.kills_both())
    }

    /// Whether everything is to be gone before any later command.
    fn needs_no_command(&self) -> bool {
        self.contain == Contain::Pidns && self.ending.kills_both()
    }
}

impl Contain {
    pub(crate) const ALL: [Self; 3] = [Self::Cgroup, Self::Subreaper, Self::Pidns];

    /// As a word of the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Subreaper => "subreaper",
            Self::Pidns => "pidns",
        }
    }
}

impl Outcome {
    /// What is wrong, where something was promised.
    pub(crate) fn fault(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        self.case
            .is_promised()
            .then(|| format!("{:?}: {problem}", self.case))
    }
}

/// Runs cases, some at once.
pub(crate) fn run_all(cases: &[Case]) -> Vec<Outcome> {
    let open: Mutex<VecDeque<&Case>> = Mutex::new(cases.iter().collect());
    let outcomes: Mutex<Vec<Outcome>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = { open.lock().unwrap().pop_front() } {
                    let outcome = run(case);
                    if let Some(fault) = outcome.fault() {
                        println!("{fault}");
                    }
                    let mut outcomes = outcomes.lock().unwrap();
                    outcomes.push(outcome);
                    if outcomes.len().is_multiple_of(PROGRESS) {
                        println!("{} of {} cases", outcomes.len(), cases.len());
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn run(case: &Case) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| attempt(case)));
    let (took, problem) = match result {
        Ok(result) => result,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (None, Some(text.unwrap_or_default()))
        }
    };
    Outcome {
        case: case.clone(),
        took,
        problem,
    }
}

fn attempt(case: &Case) -> (Option<Duration>, Option<String>) {
    let bench = case_run::prepare(case);
    let disk = (case.disk != Disk::Roomy).then(|| SmallDisk::below(&bench).unwrap());
    let port_of_test = tests::free_ports(1)[0];
    let place = case_run::delegated(case);
    let mut run = CaseRun::start(case, &bench, place.as_ref(), port_of_test);
    let client = run.launcher.wait_for_event("client_started");
    let port = u16::try_from(client["port"].as_u64().unwrap()).unwrap();
    if case.stays() && !case.ending.is_by_test() {
        run.launcher.wait_for_event("test_started");
    }
    if case.place == Place::Test {
        wait_for(PATIENCE, "the test to be set up", || answers(port_of_test));
    }
    if let Some(disk) = &disk {
        disk.wait_until_full();
    }
    let moment = Instant::now();
    case.ending.act(&mut run, &bench);
    let code = run.launcher.finish().code;
    if case.needs_no_command()
        && poll(SEARCH_TIMEOUT, || (!bench.has_survivors()).then_some(())).is_none()
    {
        let left = bench.describe_survivors();
        return (None, Some(format!("left without any command: {left}")));
    }
    let complaint = case_run::follow_up(case, &bench);
    if case.disk == Disk::FilledLedger {
        disk::assert_ledger_is_full(&bench);
    }
    let gone = poll(SEARCH_TIMEOUT, || {
        let ports = [port, port_of_test];
        let is_over = !bench.has_survivors()
            && ports.into_iter().all(is_free)
            && case_run::cgroups(&bench, place.as_ref()).is_empty();
        is_over.then(|| moment.elapsed())
    });
    // A later command must succeed, and says what it did where something is left all the same.
    let failed = complaint.as_ref().is_some_and(|(code, _)| *code != 0);
    let complaint = complaint.map(|(_, text)| text);
    if let Some(disk) = disk.filter(|_| gone.is_some()) {
        disk.clear();
        disk::assert_all_are_closed(&bench);
    }
    let problem = if gone.is_none() {
        Some(format!(
            "left: {} {:?}; exit code {code}; {}",
            bench.describe_survivors(),
            case_run::cgroups(&bench, place.as_ref()),
            complaint.unwrap_or_default()
        ))
    } else if failed {
        complaint
    } else if case.stays() && !case.ending.is_silent() {
        let wrong = case.ending.code().filter(|expected| *expected != code);
        wrong.map(|expected| format!("exit code {code} instead of {expected}"))
    } else {
        None
    };
    (gone, problem)
}

/// Whether a species answers: it takes its port before it is set up, and serves afterwards.
pub(crate) fn answers(port: u16) -> bool {
    let ask = || -> io::Result<usize> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /status HTTP/1.1\r\n\r\n")?;
        stream.read(&mut [0; 16])
    };
    ask().is_ok_and(|length| length > 0)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
