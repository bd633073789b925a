//! `escape-probe`: one of the escape probes that `doctor` runs. Not for people.

use std::ffi::OsString;

use clap::Args;
use proc_core::report::Exit;

use crate::failure::{Failure, Outcome};

/// The word that makes this program be an escape probe.
pub(crate) const VERB: &str = "escape-probe";

/// Be one of the escape probes of `doctor`
#[derive(Debug, Args)]
pub(crate) struct EscapeProbe {
    /// Which probe, and where
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl EscapeProbe {
    pub(crate) fn run(self) -> Outcome {
        proc_core::escape_probes::run_probe(VERB, &self.words)
            .map_err(|error| Failure::new(Exit::Config, error))?;
        Ok(Exit::Ok)
    }
}
