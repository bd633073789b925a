//! The zoo of Windows: consoles, jobs, detached processes.

mod life;
mod species;
mod start;
mod witness;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;

use species::Species;

/// A program that serves /status and misbehaves; it ends by itself
#[derive(Clone, Debug, Parser)]
#[command(name = "zoo", version)]
struct Cli {
    /// How it misbehaves
    species: Species,
    /// The port to serve at 127.0.0.1. Without one nothing is served, as befits a test command
    #[arg(long)]
    port: Option<u16>,
    /// A folder in which every process is to hold a file open that no other process can open meanwhile
    #[arg(long)]
    witness: PathBuf,
    /// How many seconds everything may live
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=90))]
    life: u64,
    /// The moment at which everything dies, in ms since 1970: for programs that a member of the zoo starts
    #[arg(long, hide = true)]
    until: Option<u64>,
    /// The file to hold
    #[arg(long, hide = true)]
    name: Option<String>,
    /// How many more programs of a chain to start
    #[arg(long, hide = true, default_value_t = 600)]
    depth: u32,
}

static CLI: OnceLock<Cli> = OnceLock::new();

/// What this program was called with.
fn cli() -> &'static Cli {
    CLI.get_or_init(Cli::parse)
}

/// Runs the species that the command line names.
pub fn main() -> ExitCode {
    let cli = cli();
    life::begin(cli.life, cli.until);
    let result = witness::hold().and_then(|_witness| cli.species.live());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "zoo: {:?}: {error}", cli.species);
            ExitCode::FAILURE
        }
    }
}
