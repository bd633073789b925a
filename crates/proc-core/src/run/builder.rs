//! Putting a run together, and bringing its clients up.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::{Client, tail};
use super::inbox::{Inbox, Interrupter, Message};
use super::{Phase, Run, RunError, RunningClient};
use crate::clean::DEFAULT_GRACE;
use crate::guarantee::{Choice, Level, Mechanism, Unavailable};
use crate::identity::Identity;
use crate::ledger::Runs;
use crate::mark::Mark;
use crate::membership::MAX_CLIENTS;
use crate::port::{self, Holder, Lease, PortState};
use crate::protocol::{self, Notice, Open, Refusal, Request};
use crate::report::Event;
use crate::scope::{Scope, new_run_id};
use crate::spawn;
use crate::stdio_policy::StdioPolicy;
use crate::sys;
use crate::table::Process;

/// How many runs that are over keep their folders, with ledger and logs.
const RUNS_KEPT: usize = 50;

/// A run that is being put together.
#[derive(Debug)]
pub struct Builder {
    scope: Scope,
    guardian: PathBuf,
    id: String,
    folder: PathBuf,
    clients: Vec<Client>,
    grace: Duration,
    stagger: Duration,
    owner: Option<Identity>,
    stdio_policy: StdioPolicy,
    contain: Choice,
    require: Option<Level>,
    leases: Vec<Lease>,
    inbox: Inbox,
}

impl Run {
    /// Begins a run in a scope, with the guardian's program at this path.
    pub fn builder(scope: &Scope, guardian: &Path) -> Result<Builder, RunError> {
        Builder::new(scope, guardian)
    }
}

impl Builder {
    fn new(scope: &Scope, guardian: &Path) -> Result<Self, RunError> {
        let id = new_run_id().map_err(|source| RunError::System {
            operation: "draw a run id".into(),
            source,
        })?;
        let folder = scope.make_run_folder(&id)?;
        Ok(Self {
            scope: scope.clone(),
            guardian: guardian.to_owned(),
            id,
            folder,
            clients: Vec::new(),
            grace: DEFAULT_GRACE,
            stagger: Duration::ZERO,
            owner: None,
            stdio_policy: StdioPolicy::default(),
            contain: Choice::default(),
            require: None,
            leases: Vec::new(),
            inbox: Inbox::new(),
        })
    }

    /// The run id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder with the ledger and the logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a client. Clients are numbered from 1 in this order; those of one role are awaited before the next role's
    /// are started.
    pub fn client(&mut self, client: Client) -> &mut Self {
        self.clients.push(client);
        self
    }

    /// How long everything may take to end by itself (10 s unless said otherwise).
    pub fn grace(&mut self, grace: Duration) -> &mut Self {
        self.grace = grace;
        self
    }

    /// How long to wait between two starts (not at all unless said otherwise).
    pub fn stagger(&mut self, stagger: Duration) -> &mut Self {
        self.stagger = stagger;
        self
    }

    /// Ports of clients that are leased already. The guardian takes the leases over, so that nothing can come between.
    pub fn leases(&mut self, leases: impl IntoIterator<Item = Lease>) -> &mut Self {
        self.leases.extend(leases);
        self
    }

    /// Ends the run when this process ends.
    pub fn owner(&mut self, owner: Identity) -> &mut Self {
        self.owner = Some(owner);
        self
    }

    /// Which of this process's standard streams the test command gets (all unless said otherwise).
    pub fn stdio_policy(&mut self, policy: StdioPolicy) -> &mut Self {
        self.stdio_policy = policy;
        self
    }

    /// How everything is contained (in the strongest way that changes nothing for the members, unless said otherwise).
    pub fn contain(&mut self, choice: Choice) -> &mut Self {
        self.contain = choice;
        self
    }

    /// Refuses to launch where less than this is promised.
    pub fn require(&mut self, level: Level) -> &mut Self {
        self.require = Some(level);
        self
    }

    /// A handle for other threads to end the run with, from before its first process on.
    pub fn interrupter(&self) -> Interrupter {
        self.inbox.interrupter()
    }

    /// Starts all clients and waits until all of them are ready.
    ///
    /// On an error everything that was started has been ended when this returns.
    pub fn launch(self, on_event: &mut dyn FnMut(&Event)) -> Result<Run, RunError> {
        if self.clients.is_empty() || self.clients.len() > usize::from(MAX_CLIENTS) {
            let text = format!(
                "a run has between 1 and {MAX_CLIENTS} clients, not {}",
                self.clients.len()
            );
            return Err(RunError::Invalid(text));
        }
        for client in &self.clients {
            spawn::fits(&client.line.program, &client.line.arguments)
                .map_err(|error| RunError::Invalid(error.to_string()))?;
        }
        let clients = self.clients.clone();
        let stagger = self.stagger;
        let (mut run, guardian) = self.open()?;
        on_event(&Event::RunStarted {
            run: run.id.clone(),
            root: run.root.clone(),
            folder: run.folder.display().to_string(),
            guardian: guardian.identity,
            level: guardian.mechanism.level(),
            mechanism: guardian.mechanism,
            unavailable: guardian.unavailable,
            clients: clients.len(),
        });
        match run.bring_up(&clients, stagger, guardian.mark, on_event) {
            Ok(()) => Ok(run),
            Err(error) => Err(run.give_up(error, on_event)),
        }
    }

    /// Claims the ports and sets up the guardian. Nothing else runs yet.
    fn open(mut self) -> Result<(Run, Introduction), RunError> {
        let system = |operation: &str| {
            let operation = operation.to_owned();
            move |source| RunError::System { operation, source }
        };
        let lock = self.scope.lock()?;
        let ports: Vec<u16> = self.clients.iter().map(|client| client.port).collect();
        let runs = Runs::read(&self.scope).map_err(system("read the ledgers of this project"))?;
        runs.prune(&self.scope, RUNS_KEPT);
        for port in &ports {
            if let Some(run) = runs
                .live()
                .find(|run| run.history.opened.ports.contains(port))
            {
                return Err(RunError::Busy {
                    port: *port,
                    run: run.id.clone(),
                });
            }
            let leased = self.leases.iter().any(|lease| lease.port() == *port);
            check_port(*port, leased)?;
        }
        let log = File::create(self.folder.join("guardian.log"))
            .map_err(system("write in the run's folder"))?;
        let guardian_error = |error: std::io::Error| RunError::Guardian {
            error: error.to_string(),
        };
        let link = spawn::start_guardian(&self.guardian, log).map_err(guardian_error)?;
        let leases: Vec<_> = self.leases.drain(..).map(Lease::into_inner).collect();
        sys::send_handshake(&link, self.stdio_policy, &leases).map_err(guardian_error)?;
        drop(leases);
        let open = Open {
            version: protocol::VERSION.into(),
            run: self.id.clone(),
            root: self.scope.root().display().to_string(),
            folder: self.folder.clone().into_os_string(),
            ports,
            time: jiff::Timestamp::now().to_string(),
            grace: self.grace,
            launcher: Process::read(std::process::id()).map(|process| process.identity()),
            owner: self.owner,
            contain: self.contain,
            require: self.require,
        };
        protocol::send(&link, &Request::Open(open)).map_err(guardian_error)?;
        self.inbox.listen(link).map_err(guardian_error)?;
        let guardian = self.hear_from_guardian()?;
        self.inbox.watch_guardian(guardian.identity);
        drop(lock);
        let clients = self
            .clients
            .iter()
            .zip(1..)
            .map(|(client, number)| RunningClient {
                number,
                role: client.role.clone(),
                port: client.port,
                url: None,
                log: self.folder.join(format!("{}-{number}.log", client.role)),
                ready_timeout: client.ready.timeout,
                identity: None,
                pid_inside: None,
                started: None,
                end: None,
            });
        let survive = self.clients.iter().flat_map(|client| &client.survive);
        let survive = survive
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let run = Run {
            opened: Runs::read_one(&self.folder).ok().flatten(),
            clients: clients.collect(),
            root: self.scope.root().display().to_string(),
            id: self.id,
            folder: self.folder,
            inbox: self.inbox,
            test: None,
            started: Instant::now(),
            grace: self.grace,
            phase: Phase::Open,
            guardian_gone: false,
            guardian: guardian.identity,
            unseen: None,
            leaks: 0,
            survivors: 0,
            exempt: 0,
            survive,
        };
        Ok((run, guardian))
    }

    fn hear_from_guardian(&self) -> Result<Introduction, RunError> {
        let error = |error: String| Err(RunError::Guardian { error });
        loop {
            match self.inbox.answer()? {
                Message::Notice(Notice::Opened {
                    guardian,
                    mark,
                    mechanism,
                    unavailable,
                }) => {
                    return Ok(Introduction {
                        identity: guardian,
                        mark,
                        mechanism,
                        unavailable,
                    });
                }
                Message::Notice(Notice::Refused { refusal }) => {
                    return match refusal {
                        Refusal::PortLeased { port } => {
                            Err(port_unavailable(port, port::lease_holder(port)?.as_slice()))
                        }
                        Refusal::Version { guardian } => error(format!(
                            "{} is of another version ({guardian}); build it anew",
                            self.guardian.display()
                        )),
                        Refusal::Guarantee { unavailable } => Err(RunError::Guarantee {
                            contain: self.contain,
                            require: self.require,
                            unavailable,
                        }),
                        Refusal::Unable {
                            operation,
                            error: why,
                        } => error(format!("it cannot {operation}: {why}")),
                    };
                }
                Message::GuardianGone => {
                    let log = tail(&self.folder.join("guardian.log")).join("\n");
                    return error(format!("it ended at once: {}", log.trim()));
                }
                // Nothing has been started, so the guardian has nothing to end but itself.
                Message::Interrupted(interruption) => {
                    return Err(RunError::Interrupted(interruption));
                }
                Message::Notice(_) | Message::Readiness(_) | Message::TestGone(_) => {}
            }
        }
    }
}

/// What a guardian has said of itself.
struct Introduction {
    identity: Identity,
    mark: Option<Mark>,
    mechanism: Mechanism,
    unavailable: Vec<Unavailable>,
}

fn check_port(port: u16, leased_by_us: bool) -> Result<(), RunError> {
    match port::state(port, &[])? {
        PortState::Free => Ok(()),
        PortState::Leased { .. } if leased_by_us => Ok(()),
        PortState::Leased { holder } => Err(port_unavailable(port, &[holder])),
        PortState::Held { holders, .. } => Err(port_unavailable(port, &holders)),
        PortState::Forbidden => Err(RunError::PortForbidden { port }),
    }
}

pub(super) fn port_unavailable(port: u16, holders: &[Holder]) -> RunError {
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let holder = if names.is_empty() {
        "something that cannot be seen".into()
    } else {
        names.join(", ")
    };
    RunError::PortUnavailable { port, holder }
}
