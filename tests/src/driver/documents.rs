//! Holding what commands print against the schemas that the tool itself prints.

use std::sync::OnceLock;

use serde_json::Value;

use super::Bench;
use crate::schema::assert_valid;

/// Fails unless a document or an event is as its schema says.
#[track_caller]
pub fn assert_documented(document: &Value) {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| Bench::new().run(["schema"]).expect(0).json());
    let name = document["schema"].as_str().unwrap_or_default();
    let schema = schemas.get(name);
    let schema = schema.unwrap_or_else(|| panic!("no schema says what this is: {document:#}"));
    assert_valid(schema, document);
}
