//! The `serve` command: the life of a client, from its start to its end.
//!
//! One thread waits for whatever happens next, be it a moment that was asked for on the command line or news from the
//! server and the signals. It alone decides when the client ends, and with which code.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::cli::ServeOptions;
use crate::client::{Client, ClientOptions};
use crate::http_server::{Listening, ServerEvent};
use crate::log::Log;
use crate::signals;

/// The client could not do its work.
const FAILED: u8 = 1;

/// Runs a client until it ends.
pub(crate) fn run(options: &ServeOptions) -> ExitCode {
    let started = Instant::now();
    let log = Log::new(options.number, started);
    let (sender, events) = mpsc::channel();

    if options.ignore_term || options.stop_after.is_some() {
        let sender = sender.clone();
        // Sending fails only when the client is ending anyway; so it is with every event.
        if let Err(error) = signals::on_terminate(move || {
            let _ = sender.send(Event::Terminate);
        }) {
            log.error(&format!("cannot watch for {}: {error}", signals::REQUEST));
            return ExitCode::from(FAILED);
        }
    }
    log.info(&format!("started as process {}", std::process::id()));
    if !options.ready_after.is_zero() {
        log.info(&format!("listening in {:?}", options.ready_after));
    }

    let mut timeline = Timeline {
        listen: started.checked_add(options.ready_after),
        crash: options
            .crash_after
            .and_then(|after| started.checked_add(after)),
        life: started.checked_add(options.life),
        stop: None,
    };
    loop {
        let event = match timeline.next() {
            Some((moment, due)) => {
                match events.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => Event::Due(due),
                    Err(RecvTimeoutError::Disconnected) => return ExitCode::from(FAILED),
                }
            }
            None => match events.recv() {
                Ok(event) => event,
                Err(_) => return ExitCode::from(FAILED),
            },
        };
        match event {
            Event::Due(Due::Listen) => {
                timeline.listen = None;
                if let Err(error) = listen(options, started, &log, &sender) {
                    let address = SocketAddr::new(options.host, options.port);
                    log.error(&format!("cannot listen on {address}: {error}"));
                    return ExitCode::from(FAILED);
                }
            }
            Event::Due(Due::Crash) => {
                let code = options.crash_code;
                log.error(&format!("crashing as asked, with exit code {code}"));
                return ExitCode::from(code);
            }
            Event::Due(Due::LifeOver) => {
                log.info(&format!("ending by itself after {:?}", options.life));
                return ExitCode::SUCCESS;
            }
            Event::Due(Due::Stopped) => {
                log.info("stopped");
                return ExitCode::SUCCESS;
            }
            Event::Server(ServerEvent::Quit) => {
                log.info("quitting as asked");
                return ExitCode::SUCCESS;
            }
            Event::Server(ServerEvent::Failed(error)) => {
                log.error(&format!("no longer listening: {error}"));
                return ExitCode::from(FAILED);
            }
            Event::Terminate => terminate(options.stop_after, &mut timeline, &log),
        }
    }
}

/// What can happen.
enum Event {
    Due(Due),
    Server(ServerEvent),
    Terminate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Listen,
    Crash,
    LifeOver,
    Stopped,
}

/// The moments that are known beforehand. One that lies beyond what the clock can hold never comes.
struct Timeline {
    listen: Option<Instant>,
    crash: Option<Instant>,
    life: Option<Instant>,
    stop: Option<Instant>,
}

impl Timeline {
    fn next(&self) -> Option<(Instant, Due)> {
        [
            (self.listen, Due::Listen),
            (self.crash, Due::Crash),
            (self.life, Due::LifeOver),
            (self.stop, Due::Stopped),
        ]
        .into_iter()
        .filter_map(|(moment, due)| Some((moment?, due)))
        .min_by_key(|(moment, _)| *moment)
    }
}

fn listen(
    options: &ServeOptions,
    started: Instant,
    log: &Log,
    sender: &Sender<Event>,
) -> std::io::Result<()> {
    let listening = Listening::on(SocketAddr::new(options.host, options.port))?;
    let address = listening.address();
    let client = Client::new(ClientOptions {
        number: options.number,
        port: address.port(),
        started,
        unavailable_for: options.unavailable_for,
        lies: options.lie,
    });
    let sender = sender.clone();
    listening.serve(client, log.clone(), move |event| {
        let _ = sender.send(Event::Server(event));
    })?;
    log.info(&format!("listening on http://{address}"));
    Ok(())
}

fn terminate(stop_after: Option<Duration>, timeline: &mut Timeline, log: &Log) {
    let request = signals::REQUEST;
    match stop_after {
        None => log.info(&format!("{request} ignored")),
        Some(_) if timeline.stop.is_some() => log.info(&format!("{request} again, still stopping")),
        Some(after) => {
            log.info(&format!("{request} received, stopping in {after:?}"));
            timeline.stop = Instant::now().checked_add(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_moment_is_next_and_absent_ones_never_come() {
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        let mut timeline = Timeline {
            listen: after(3),
            crash: after(2),
            life: after(9),
            stop: None,
        };
        assert_eq!(timeline.next().map(|(_, due)| due), Some(Due::Crash));
        timeline.stop = after(1);
        assert_eq!(timeline.next().map(|(_, due)| due), Some(Due::Stopped));
        let never = Timeline {
            listen: None,
            crash: None,
            life: None,
            stop: None,
        };
        assert_eq!(never.next(), None);
    }
}
