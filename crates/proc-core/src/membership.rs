//! Whose is this process? One ladder of evidence, asked wherever that is decided.
//!
//! Pure: what runs have left as signs ([`RunSigns`]) and a snapshot in, claims out. The evidence, strongest first:
//! the run's container, descent from a process that the run names, the run's mark, a recorded identity, and last the
//! environment, which is copied freely.
//!
//! The invariants, which the property tests hold:
//!
//! - nothing of a run is older than its guardian;
//! - a copied environment never suffices against a process that belongs to another live run, or holds one;
//! - what is exempt (`survive`) never belongs to its run.
//!
//! What differs by asker has a name: [`Asker`], and [`RunSigns::keeps_pids`].

mod claim;
mod evidence;
mod exempt;
mod holders;
mod member;
mod signs;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use claim::{Asker, Claim, Membership, Swept};
pub use evidence::Evidence;
pub use exempt::Exempt;
pub use holders::LiveHolders;
pub use member::{MAX_CLIENTS, Member};
pub use signs::{RunSigns, ScopeRef, is_of_its_time};
