//! What belongs to live runs, or holds them.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::Identity;
use crate::table::{Process, Table};

/// The guardians, clients and tests of live runs, and what holds such a run with all that is above it, each with its runs.
///
/// None of these is another run's, though its environment may name that: whatever begins a run may have got its
/// environment from another one.
#[derive(Clone, Debug, Default)]
pub struct LiveHolders(BTreeMap<Identity, BTreeSet<String>>);

impl LiveHolders {
    /// Adds a live run: what belongs to it, and what holds it.
    pub fn add(
        &mut self,
        run: &str,
        table: &Table,
        own: impl IntoIterator<Item = Identity>,
        holders: impl IntoIterator<Item = Identity>,
    ) {
        let holders = holders
            .into_iter()
            .filter(|holder| table.find(holder).is_some());
        let lines = holders.flat_map(|holder| table.line(holder.pid).map(Process::identity));
        for identity in own.into_iter().chain(lines) {
            self.0.entry(identity).or_default().insert(run.to_owned());
        }
    }

    /// Whether a process belongs to another live run than this one, or holds one.
    pub fn concerns_another(&self, process: &Identity, run: &str) -> bool {
        let runs = self.0.get(process);
        runs.is_some_and(|runs| runs.iter().any(|other| other != run))
    }
}
