//! What commands print as JSON: each document and each event is as its schema says.

use std::fs;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tests::schema::assert_valid;

use crate::support::{expect_over, launch, project};

/// Holds a document or an event against the schema that the tool itself prints.
#[track_caller]
pub(crate) fn check(document: &Value) {
    static SCHEMAS: OnceLock<Value> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let printed = project().run(["schema"]);
        serde_json::from_str(&printed.stdout).unwrap()
    });
    let schema = schemas.get(document["schema"].as_str().unwrap_or_default());
    let schema = schema.unwrap_or_else(|| panic!("nobody says what this is: {document:#}"));
    assert_valid(schema, document);
}

#[test]
fn every_document_is_as_its_schema_says() {
    let bench = project();
    let finished = launch(&bench, "--clients 2 --detach", &[])
        .finish()
        .expect(0);
    let events = finished.events();
    assert_eq!(events.len(), finished.stdout.lines().count());
    events.iter().for_each(check);
    // The last ones still see the run, or end it.
    for arguments in [
        &["status"][..],
        &["cleanup"],
        &["preflight", "--check"],
        &["postflight"],
        &["status"],
    ] {
        let document = bench.document(arguments);
        check(&document);
        assert_eq!(
            document["exit"],
            json!({"code": 0, "name": "ok"}),
            "{arguments:?}"
        );
    }
    expect_over(&events);
}

#[test]
fn a_mistake_is_a_document_too() {
    let bench = project();
    let document = bench.document(&["launch", "--profile", "nobody", "--clients", "1"]);
    check(&document);
    assert_eq!(document["exit"], json!({"code": 106, "name": "config"}));
}

#[test]
fn init_writes_a_configuration_that_works() {
    let bench = project();
    let folder = bench.root().join("new game");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("MyGame.uproject"), "{}").unwrap();
    let document = bench.document(&["init", folder.to_str().unwrap()]);
    check(&document);
    assert_eq!(document["written"], true, "{document:#}");
    let project = folder.join("MyGame.uproject");
    assert_eq!(document["project"], project.to_str().unwrap());
    let config = folder.join("xtask.toml");
    let config = config.to_str().unwrap();
    assert_eq!(document["file"], config);
    let status = bench.document(&["status", "--config", config]);
    check(&status);
    assert_eq!(status["exit"]["code"], 0, "{status:#}");
}
