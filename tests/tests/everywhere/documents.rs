//! What commands print as JSON: each document and each event is as its schema says.

use std::fs;

use serde_json::json;
use tests::{Bench, assert_documented, assert_over};

#[test]
fn every_document_is_as_its_schema_says() {
    let bench = Bench::with_demo(&[]);
    let launch = bench.launch(["--clients", "2", "--detach"]);
    let finished = bench.finish(launch).expect(0);
    let events = finished.events();
    assert_eq!(events.len(), finished.stdout.lines().count());
    events.iter().for_each(assert_documented);
    // The last ones still see the run, or end it.
    for arguments in [
        &["status"][..],
        &["cleanup"],
        &["preflight", "--check"],
        &["postflight"],
        &["status"],
    ] {
        let document = bench.document(arguments);
        assert_documented(&document);
        assert_eq!(
            document["exit"],
            json!({"code": 0, "name": "ok"}),
            "{arguments:?}"
        );
    }
    assert_over(&events);
    bench.assert_no_runs();
}

#[test]
fn init_writes_a_configuration_that_works() {
    let bench = Bench::with_demo(&[]);
    let folder = bench.root().join("new game");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("MyGame.uproject"), "{}").unwrap();
    let document = bench.document(&["init", folder.to_str().unwrap()]);
    assert_documented(&document);
    assert_eq!(document["written"], true, "{document:#}");
    let project = folder.join("MyGame.uproject");
    assert_eq!(document["project"], project.to_str().unwrap());
    let config = folder.join("xtask.toml");
    let config = config.to_str().unwrap();
    assert_eq!(document["file"], config);
    let status = bench.document(&["status", "--config", config]);
    assert_documented(&status);
    assert_eq!(status["exit"]["code"], 0, "{status:#}");
}
