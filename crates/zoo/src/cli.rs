//! The command line.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;

use crate::species::Species;
use crate::{life, witness};

/// A program that serves /status and misbehaves; it ends by itself
#[derive(Clone, Debug, Parser)]
#[command(name = "zoo", version)]
pub(crate) struct Cli {
    /// How it misbehaves
    pub(crate) species: Species,
    /// The port to serve at 127.0.0.1. Without one nothing is served, as befits a test command
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// A named pipe that every process is to hold open for writing
    #[arg(long)]
    pub(crate) witness: Option<PathBuf>,
    /// How many seconds everything may live
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=90))]
    pub(crate) life: u64,
    /// The moment at which everything dies, in ms of the monotonic clock: for programs that a member of the zoo starts
    #[arg(long, hide = true)]
    pub(crate) until: Option<u64>,
    /// How many more programs of a chain to start
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) depth: u32,
}

static CLI: OnceLock<Cli> = OnceLock::new();

/// What this program was called with.
pub(crate) fn cli() -> &'static Cli {
    CLI.get_or_init(Cli::parse)
}

/// Runs the species that the command line names.
pub fn main() -> ExitCode {
    let cli = cli();
    life::begin(cli.life, cli.until);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(io::stderr(), "zoo: {:?}: {error}", cli.species);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> io::Result<()> {
    witness::open()?;
    let listener = match cli.port {
        Some(port) => Some(TcpListener::bind(("127.0.0.1", port))?),
        None => None,
    };
    cli.species.live(listener)
}
