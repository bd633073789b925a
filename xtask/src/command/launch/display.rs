//! Showing a run: events for scripts, or lines and a progress display for people.

use std::time::Duration;

use indicatif::ProgressBar;
use proc_core::report::{ClientEnd, ClientSummary, Document, EVENT_SCHEMA, Ended, Event};
use proc_core::run::RunError;
use proc_core::table::Label;

use crate::context::{Context, Format, TICK, complain, on_one_line, show_path};
use crate::failure::Failure;

/// How many ends of clients are shown one by one; of more only those that were not graceful.
const MANY: usize = 12;

pub(super) struct Display<'a> {
    context: &'a Context,
    progress: ProgressBar,
    clients: usize,
    ready: usize,
    finished: bool,
}

impl<'a> Display<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        let progress = context.spinner();
        Self {
            context,
            progress,
            clients: 0,
            ready: 0,
            finished: false,
        }
    }

    /// The failure that goes with an error, which the last event of the run may have told already.
    pub(super) fn failure(&self, error: RunError) -> Failure {
        let failure = Failure::from(error);
        if self.finished {
            failure.already_said()
        } else {
            failure
        }
    }

    pub(super) fn show(&mut self, event: &Event) {
        self.finished |= matches!(event, Event::RunFinished { .. });
        match self.context.format() {
            Format::Json => self.context.print_json(&Document {
                schema: EVENT_SCHEMA,
                body: event,
            }),
            Format::Text => self.show_text(event),
        }
    }

    fn show_text(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                run,
                folder,
                clients,
                level,
                mechanism,
                unavailable,
                ..
            } => {
                self.clients = *clients;
                self.say(&format!(
                    "run {run} ({level} by {mechanism}), logs in {}",
                    show_path(folder.as_ref())
                ));
                for unavailable in unavailable {
                    self.context
                        .verbose(|| format!("not available here: {unavailable}"));
                }
                self.progress.enable_steady_tick(TICK);
                self.say_progress();
            }
            Event::ClientReady { client, url, after } => {
                self.ready += 1;
                self.say(&format!(
                    "client {client}  {url}  ready after {}",
                    seconds(*after)
                ));
                self.say_progress();
                if self.ready == self.clients {
                    self.progress.finish_and_clear();
                }
            }
            Event::ClientExited {
                client,
                status,
                ended: Ended::AlreadyExited,
                log_tail,
                ..
            } => {
                self.say(&format!("client {client}  ended by itself with {status}"));
                if !log_tail.is_empty() {
                    self.say(&format!("the last {} lines of its log:", log_tail.len()));
                    for line in log_tail {
                        self.say(&format!("  | {line}"));
                    }
                }
            }
            Event::TestStarted { command, .. } => self.say(&format!("test: {}", command.join(" "))),
            Event::TestExited { status, .. } => self.say(&format!("the test ended with {status}")),
            Event::Leak {
                process,
                started_by,
            } => self.say(&format!(
                "leak: {}, started by {started_by}",
                named(process)
            )),
            Event::Exempt {
                process,
                started_by,
            } => self.say(&format!(
                "lives on: {}, started by {started_by}",
                named(process)
            )),
            Event::Terminating { reason } => {
                self.say(&format!("ending the run: {reason}"));
                self.progress
                    .set_message("ending everything; Ctrl+C skips the grace");
                self.progress.reset();
                self.progress.enable_steady_tick(TICK);
            }
            Event::Survivor { process, reason } => {
                self.say(&format!("could not end {}: {reason}", named(process)));
            }
            Event::RunFinished { .. } => self.show_end(event),
            Event::ClientStarted {
                client,
                port,
                command,
                identity,
                ..
            } => {
                if self.context.is_verbose() {
                    self.say(&format!(
                        "client {client}  port {port}  PID {}  {}",
                        identity.pid,
                        command.join(" ")
                    ));
                }
            }
            Event::ClientExited { .. } | Event::Killed { .. } => {}
        }
    }

    fn show_end(&mut self, event: &Event) {
        let Event::RunFinished {
            run,
            exit,
            message,
            detached,
            duration,
            clients,
            ..
        } = event
        else {
            return;
        };
        self.progress.finish_and_clear();
        for client in clients {
            let graceful = matches!(
                client.end,
                Some(ClientEnd {
                    ended: Ended::Graceful,
                    ..
                })
            );
            if clients.len() <= MANY || !graceful {
                self.say(&end_line(client, *detached));
            }
        }
        if let (true, Some(run)) = (detached, run) {
            self.say(&format!(
                "the run goes on; `cargo xtask cleanup --run {run}` or `postflight` ends it"
            ));
        }
        let count = |wanted: Ended| {
            clients
                .iter()
                .filter(|client| client.end.is_some_and(|end| end.ended == wanted))
                .count()
        };
        if clients.len() > MANY {
            let (graceful, killed, exited) = (
                count(Ended::Graceful),
                count(Ended::Killed),
                count(Ended::AlreadyExited),
            );
            self.say(&format!(
                "{graceful} clients ended gracefully, {killed} killed, {exited} by themselves"
            ));
        }
        let verdict = format!("{}: {message} ({})", exit.name, seconds(*duration));
        if exit.code == 0 {
            self.say(&verdict);
        } else {
            self.progress.suspend(|| complain(&verdict));
        }
    }

    fn say_progress(&self) {
        self.progress
            .set_message(format!("{} of {} clients ready", self.ready, self.clients));
    }

    fn say(&self, line: &str) {
        self.progress.suspend(|| self.context.note(line));
    }
}

fn end_line(client: &ClientSummary, detached: bool) -> String {
    let ClientSummary {
        client: number,
        role,
        port,
        identity,
        end,
    } = client;
    let end = match end {
        None if detached => "runs on".to_owned(),
        None if identity.is_some() => "ended, unseen".to_owned(),
        None => "not started".to_owned(),
        Some(ClientEnd {
            ended: Ended::Graceful,
            ..
        }) => "ended gracefully".to_owned(),
        Some(ClientEnd {
            ended: Ended::Killed,
            ..
        }) => "killed after the grace".to_owned(),
        Some(ClientEnd {
            ended: Ended::AlreadyExited,
            status,
        }) => format!("had already exited with {status}"),
    };
    format!("client {number}  {role}  port {port}  {end}")
}

fn named(process: &Label) -> String {
    format!(
        "PID {} ({})",
        process.identity.pid,
        on_one_line(&process.command)
    )
}

fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}
