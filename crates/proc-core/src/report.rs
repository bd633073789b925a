//! What a run and a command have come to, for scripts: JSON whose schema is derived from these types.
//!
//! A field is only ever added. Every document and every event carries `schema`; a document and the last event of a run
//! carry `exit`.

mod exit;

mod event;

use schemars::JsonSchema;
use serde::Serialize;

pub use event::{ClientEnd, ClientSummary, Ended, Event};
pub use exit::{Exit, ExitNote};

/// A body with the name and version of its schema, as it is printed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Document<T> {
    /// The schema of this document: `clean-slate/<name>/<version>`.
    pub schema: &'static str,
    /// The rest.
    #[serde(flatten)]
    pub body: T,
}

/// The schema of the events of `launch`.
pub const EVENT_SCHEMA: &str = "clean-slate/event/1";
