//! `stage`: one process of those that `doctor` stages. Not for people.

use std::ffi::OsString;

use clap::Args;
use proc_core::report::Exit;

use crate::failure::{Failure, Outcome};

/// The word that makes this program be a staged process.
pub(crate) const VERB: &str = "stage";

/// Be one of the processes that `doctor` stages
#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// Which part, and where
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Stage {
    pub(crate) fn run(self) -> Outcome {
        proc_core::stage::play(VERB, &self.words)
            .map_err(|error| Failure::new(Exit::Config, error))?;
        Ok(Exit::Ok)
    }
}
