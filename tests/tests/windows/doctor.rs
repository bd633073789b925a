//! `doctor`: what it observes on this system, and the words for what there is not.

use serde_json::json;

use crate::bench::{Bench, PASS, expect_over, named};
use crate::documents::check;

#[test]
fn what_is_promised_is_observed() {
    let bench = Bench::new();
    // Far more time than it takes on a system of its own: Wine is slow, and other tests run beside.
    let document = bench.document(&["doctor", "--within", "55s", "--require", "kernel"]);
    check(&document);
    assert_eq!(
        document["exit"],
        json!({"code": 0, "name": "ok"}),
        "{document:#}"
    );
    assert_eq!(document["chosen"], "job");
    let [job] = &document["mechanisms"].as_array().unwrap()[..] else {
        panic!("there is one mechanism: {document:#}");
    };
    assert_eq!(
        (&job["level"], &job["kept"]),
        (&json!("kernel"), &json!(true))
    );
    // Four ways to get away, in four runs that end in four ways.
    let cases = job["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16, "{job:#}");
    for case in cases {
        let seen = [&case["staged"], &case["left"], &case["promised"]];
        assert_eq!(seen, [&json!(2), &json!(0), &json!(true)], "{case}");
        // No command has to follow.
        assert_eq!(case["after"], json!(null), "{case}");
    }
}

#[test]
fn what_there_is_not_here_is_refused() {
    let bench = Bench::new();
    for way in ["cgroup", "subreaper", "pidns", "tracked"] {
        let launch = ["launch", "--contain", way, "--clients", "1"];
        let refused = bench
            .run(&[&launch[..], &["--base-port", "auto"]].concat())
            .expect(105);
        let why = format!(
            "containment by {way} is not to be had here ({way}: this operating system has none)"
        );
        assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    }
    bench.run(&["doctor", "--contain", "cgroup"]).expect(105);
}

#[test]
fn a_job_is_what_the_strongest_promise_takes() {
    let bench = Bench::new();
    let flags = "--clients 1 --contain job --require kernel";
    let finished = bench.launch(flags, &PASS).finish().expect(0);
    let events = finished.events();
    let run = &named(&events, "run_started")[0];
    assert_eq!([&run["level"], &run["mechanism"]], ["kernel", "job"]);
    expect_over(&events);
}
