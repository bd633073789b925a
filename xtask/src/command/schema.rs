//! `schema`: the JSON Schema of every document that the tool writes.

use clap::Args;
use proc_core::report::{Document, EVENT_SCHEMA, Event, Exit};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{cleanup, doctor, init, postflight, preflight, status};
use crate::config::nearest::hint;
use crate::context::Context;
use crate::failure::{ERROR_SCHEMA, ErrorReport, Failure, Outcome};

/// Print the JSON Schema of every document that the tool writes
///
/// One object whose keys are the values of `schema` in the documents.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Only the schema of this document, such as clean-slate/status/1
    #[arg(value_name = "DOCUMENT")]
    document: Option<String>,
}

impl Schema {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let mut all = schemas();
        let shown = match self.document {
            None => Value::Object(all),
            Some(name) => all.remove(&name).ok_or_else(|| {
                let hint = hint(&name, all.keys().map(String::as_str));
                Failure::message(Exit::Config, format!("unknown document `{name}`, {hint}"))
            })?,
        };
        // For people and scripts alike it is a JSON document.
        context.print(&format!("{shown:#}\n"));
        Ok(Exit::Ok)
    }
}

/// The schema of each document, by its name.
fn schemas() -> Map<String, Value> {
    fn entry<T: JsonSchema>(name: &str) -> (String, Value) {
        // As it is written: what a document may leave out is not required of it.
        let generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        (
            name.to_owned(),
            generator.into_root_schema_for::<Document<T>>().into(),
        )
    }
    Map::from_iter([
        entry::<Event>(EVENT_SCHEMA),
        entry::<preflight::PreflightReport>(preflight::SCHEMA),
        entry::<cleanup::CleanupReport>(cleanup::SCHEMA),
        entry::<postflight::PostflightReport>(postflight::SCHEMA),
        entry::<status::StatusReport>(status::SCHEMA),
        entry::<doctor::DoctorReport>(doctor::SCHEMA),
        entry::<init::InitReport>(init::SCHEMA),
        entry::<ErrorReport>(ERROR_SCHEMA),
    ])
}
