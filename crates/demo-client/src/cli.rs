//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::duration::parse_duration;
use crate::{consensus, serve};

/// Where the `consensus` command finds the clients when it has no `--urls`.
const URLS_VARIABLE: &str = "XTASK_CLIENT_URLS";

/// The built-in client: a small game client with an HTTP interface, and the test for several of them.
#[derive(Debug, Parser)]
#[command(name = "demo-client", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeOptions),
    Consensus(ConsensusArguments),
}

/// Be a client: answer on a port until told to end.
///
/// Durations are written 500ms, 10s, 3m, 24h. Exit codes: 0 ended as told (/quit, --life, --stop-after), 1 could not
/// listen, 2 usage, and what --crash-code says.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// The port to listen on; 0 asks the system for one.
    #[arg(long)]
    pub(crate) port: u16,

    /// The IPv4 or IPv6 address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,

    /// The number of this client, which is that of its ship too.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) number: u32,

    /// Do not listen before this time has passed.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub(crate) ready_after: Duration,

    /// Answer 503 to /status for this long after beginning to listen.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub(crate) unavailable_for: Duration,

    /// Exit with --crash-code after this time, ready or not.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) crash_after: Option<Duration>,

    /// The exit code of the crash.
    #[arg(
        long,
        value_name = "CODE",
        default_value_t = 3,
        requires = "crash_after"
    )]
    pub(crate) crash_code: u8,

    /// Take notice of SIGTERM in the log only; on Windows of Ctrl+C, Ctrl+Break and the closing of the console.
    #[arg(long, conflicts_with = "stop_after")]
    pub(crate) ignore_term: bool,

    /// End this long after such a request, with exit code 0.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) stop_after: Option<Duration>,

    /// End by itself after this time, with exit code 0.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub(crate) life: Duration,

    /// Report a wrong position of the own ship, and say the opposite of what is found when validating others.
    #[arg(long)]
    pub(crate) lie: bool,
}

/// Test running clients: a thrust must move one ship alone, and two thirds must agree on where every ship is.
///
/// Empties the world of every client first. Exit codes: 0 all checks hold, 1 a check failed, 2 usage.
#[derive(Debug, Args)]
struct ConsensusArguments {
    #[arg(
        long,
        value_name = "URL,…",
        help = "The base URLs of the clients, comma-separated [default: what XTASK_CLIENT_URLS says]"
    )]
    urls: Option<String>,

    /// Go on thrusting and checking for this long.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    hold: Duration,
}

/// Runs the command that the command line asks for, and returns what the process has to exit with.
pub fn run() -> ExitCode {
    let outcome = Cli::try_parse().and_then(|cli| match cli.command {
        Command::Serve(options) => Ok(serve::run(&options)),
        Command::Consensus(arguments) => {
            let urls = match arguments.urls {
                Some(urls) => urls,
                None => std::env::var(URLS_VARIABLE).unwrap_or_default(),
            };
            let options = consensus::ConsensusOptions {
                urls: parse_urls(&urls).map_err(usage_error)?,
                hold: arguments.hold,
            };
            Ok(consensus::run(&options))
        }
    });
    outcome.unwrap_or_else(|error| {
        // Help and version come this way too, with code 0. Where they cannot be written, nothing is reading.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// Splits a comma-separated list of base URLs, without their trailing slashes.
fn parse_urls(list: &str) -> Result<Vec<String>, String> {
    let urls: Vec<String> = list
        .split(',')
        .map(|url| url.trim().trim_end_matches('/').to_owned())
        .filter(|url| !url.is_empty())
        .collect();
    if urls.is_empty() {
        return Err(format!(
            "no clients to test: set {URLS_VARIABLE} or give --urls http://127.0.0.1:8080,…"
        ));
    }
    for url in &urls {
        match url.strip_prefix("http://") {
            Some(rest) if !rest.is_empty() => {}
            _ => {
                return Err(format!(
                    "`{url}` is not the URL of a client: write http://127.0.0.1:8080"
                ));
            }
        }
    }
    Ok(urls)
}

fn usage_error(message: String) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn urls_are_trimmed_and_empty_ones_dropped() {
        assert_eq!(
            parse_urls(" http://127.0.0.1:8080/ ,,http://[::1]:8081,"),
            Ok(vec![
                "http://127.0.0.1:8080".to_owned(),
                "http://[::1]:8081".to_owned()
            ])
        );
    }

    #[test]
    fn no_url_at_all_says_what_to_set() {
        let message = parse_urls(" , ").expect_err("there is no URL in it");
        assert!(message.contains("XTASK_CLIENT_URLS") && message.contains("--urls"));
    }

    #[test]
    fn a_url_without_a_scheme_or_a_host_is_refused() {
        assert!(parse_urls("127.0.0.1:8080").is_err());
        assert!(parse_urls("http://").is_err());
    }
}
