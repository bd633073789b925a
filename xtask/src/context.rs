//! What every command has: the global flags, the working directory, and the means to print.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Color, Style};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::config::{Config, ConfigError};

/// The time between two pictures of a progress display.
pub(crate) const TICK: Duration = Duration::from_millis(120);

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// How to print what comes out
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The configuration, instead of the nearest xtask.toml upward
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print more about what is looked at and why
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For scripts: one document, or for `launch` one object a line
    Json,
}

/// The circumstances of a command.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
    reader_has_left: Cell<bool>,
    output_is_lost: Cell<bool>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            global,
            reader_has_left: Cell::new(false),
            output_is_lost: Cell::new(false),
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.global.format
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.global.verbose
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        Config::load(self.global.config.as_deref(), &directory())
    }

    /// Whether standard output is no longer read.
    pub(crate) fn reader_has_left(&self) -> bool {
        self.reader_has_left.get()
    }

    /// Whether something that was to be printed is lost, though a reader may be waiting for it.
    pub(crate) fn output_is_lost(&self) -> bool {
        self.output_is_lost.get()
    }

    /// Prints data. A reader that has left is not an error: there is nothing left to write for.
    pub(crate) fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_has_left.set(true);
            }
            Err(error) => {
                if !self.output_is_lost.replace(true) {
                    complain(&format!("cannot write to standard output: {error}"));
                }
            }
        }
    }

    /// Begins anew at the top of the terminal, if data goes to one.
    pub(crate) fn clear() {
        if io::stdout().is_terminal() {
            // A console of Windows obeys only when it was told to. This is no colour, so it is sent in any case.
            let _ = write!(AutoStream::always(io::stdout()), "\x1b[2J\x1b[H");
        }
    }

    /// Prints data as one line of JSON.
    pub(crate) fn print_json(&self, document: &impl Serialize) {
        match serde_json::to_string(document) {
            Ok(json) => self.print(&format!("{json}\n")),
            Err(error) => complain(&format!("cannot write JSON: {error}")),
        }
    }

    /// A progress display, which is hidden where there is no terminal. It stays still until it is told to tick.
    pub(crate) fn spinner(&self) -> ProgressBar {
        let show =
            self.global.format == Format::Text && !self.global.quiet && io::stderr().is_terminal();
        let target = if show {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let progress = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            progress.set_style(style);
        }
        progress
    }

    /// Does something that may take a while, and shows that it goes on.
    pub(crate) fn busy<T>(&self, message: &'static str, act: impl FnOnce() -> T) -> T {
        let progress = self.spinner();
        progress.set_message(message);
        progress.enable_steady_tick(TICK);
        let result = act();
        progress.finish_and_clear();
        result
    }

    /// Says something that is not data.
    pub(crate) fn note(&self, text: &str) {
        if !self.global.quiet {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Says something that has to be known before anything is done, even where only errors are asked for.
    pub(crate) fn warn(text: &str) {
        let _ = writeln!(io::stderr().lock(), "warning: {text}");
    }

    /// Says something where more is asked for.
    pub(crate) fn verbose(&self, text: impl FnOnce() -> String) {
        if self.global.verbose {
            self.note(&text());
        }
    }
}

/// Says what went wrong, whatever is asked to be kept quiet.
pub(crate) fn complain(text: &str) {
    const ERROR: Style = Style::new()
        .bold()
        .fg_color(Some(Color::Ansi(AnsiColor::Red)));
    // Without colours where they would not be understood, or are not wanted.
    let _ = writeln!(anstream::stderr(), "{ERROR}error{ERROR:#}: {text}");
}

/// Says what went wrong, a line each.
pub(crate) fn complain_about(lines: &str) {
    lines.lines().for_each(complain);
}

/// The folder in which the command was called.
pub(crate) fn directory() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// A number of processes, for people.
pub(crate) fn processes(number: usize) -> String {
    if number == 1 {
        "1 process".to_owned()
    } else {
        format!("{number} processes")
    }
}

/// What another process has said of itself, such as its arguments, without anything that a terminal would obey.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// A path for people: relative to the working directory where it lies below it.
pub(crate) fn show_path(path: &Path) -> String {
    let directory = std::env::current_dir().ok();
    let relative =
        directory.and_then(|directory| path.strip_prefix(directory).ok().map(Path::to_owned));
    relative.as_deref().unwrap_or(path).display().to_string()
}
