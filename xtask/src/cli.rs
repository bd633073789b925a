//! The command line.

use std::panic::{self, AssertUnwindSafe};

use clap::{Parser, Subcommand};
use proc_core::report::Exit;

use crate::command::{
    cleanup, doctor, escape_probe, init, launch, postflight, preflight, schema, status,
};
use crate::context::{Context, Format, Global};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    about = "Starts clients, runs a test against them, and leaves nothing behind",
    max_term_width = 100,
    after_help = "Exit codes and JSON: docs/exit-codes.md, docs/json.md"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Preflight(preflight::Preflight),
    Launch(Box<launch::Launch>),
    Cleanup(cleanup::Cleanup),
    Postflight(postflight::Postflight),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Init(init::Init),
    Schema(schema::Schema),
    #[command(hide = true)]
    EscapeProbe(escape_probe::EscapeProbe),
}

pub(crate) fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure. A reader that has left is none either.
            let _ = error.print();
            if !error.use_stderr() {
                return Exit::Ok;
            }
            say_usage_to_scripts(&error);
            return Exit::Usage;
        }
    };
    let context = Context::new(cli.global);
    let is_stream = matches!(cli.command, Command::Launch(_));
    let outcome = without_panic(is_stream, || match cli.command {
        Command::Preflight(command) => command.run(&context),
        Command::Launch(command) => command.run(&context),
        Command::Cleanup(command) => command.run(&context),
        Command::Postflight(command) => command.run(&context),
        Command::Status(command) => command.run(&context),
        Command::Doctor(command) => command.run(&context),
        Command::Init(command) => command.run(&context),
        Command::Schema(command) => command.run(&context),
        Command::EscapeProbe(command) => command.run(),
    });
    let exit = outcome.unwrap_or_else(|failure| failure.print(&context));
    // A script that reads an exit of 0 relies on what was printed.
    if exit == Exit::Ok && context.output_is_lost() {
        return Exit::Config;
    }
    exit
}

/// Turns a panic, which would end the process with the code of [`Exit::ClientDied`], into an outcome. What it unwinds
/// through has ended whatever was started.
fn without_panic(is_stream: bool, command: impl FnOnce() -> Outcome) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        let failure = Failure::message(
            Exit::Internal,
            "a mistake in this tool, described above: please report it",
        );
        Err(if is_stream {
            failure.for_stream()
        } else {
            failure
        })
    })
}

/// Prints the error of a command line in the form that was asked for, as far as that can be told from a command line
/// that makes no sense.
fn say_usage_to_scripts(error: &clap::Error) {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .take_while(|word| word != "--")
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let pair = |words: &[String]| words[0] == "--format" && words[1] == "json";
    if !words.iter().any(|word| word == "--format=json") && !words.windows(2).any(pair) {
        return;
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let mut failure = Failure::message(Exit::Usage, message);
    if words.iter().any(|word| word == "launch") {
        failure = failure.for_stream();
    }
    failure.print(&Context::new(Global {
        format: Format::Json,
        config: None,
        quiet: false,
        verbose: false,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_a_code_of_its_own() {
        let failure = without_panic(false, || panic!("on purpose")).unwrap_err();
        assert_eq!(failure.exit().code(), 111);
        let passed = without_panic(false, || Ok(Exit::Dirty)).unwrap();
        assert_eq!(passed, Exit::Dirty);
    }
}
