//! Run programs so that whatever they start is gone when the run ends, however it ends, and nothing else is ever
//! touched.
//!
//! The modules stand in the order in which they build on each other: each imports only from those above it.
//!
//! The library neither prints nor ends the process.

#![warn(missing_docs)]

pub mod guarantee;
pub mod identity;
pub mod mark;
pub mod millis;
pub mod pipe_peers;
pub mod status;
pub mod stdio_policy;

mod sys;

pub mod interruption;
pub mod table;
pub mod wait;

pub mod program;

pub mod membership;

pub mod scope;

pub mod ledger;

pub mod classify;

pub mod port;

pub mod contain;

pub mod shutdown;

pub mod spawn;

mod protocol;

pub mod guardian;

pub mod recover;

pub mod control;

pub mod clean;

pub mod readiness;

pub mod report;

pub mod usage;

pub mod run;

pub mod escape_probes;
