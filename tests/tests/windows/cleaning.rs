//! A run that goes on without its launcher, and the commands that find and end it.

use crate::bench::{Bench, cast, expect_gone, living};

#[test]
fn a_detached_run_goes_on_is_shown_and_is_ended() {
    let bench = Bench::new();
    let launch = [
        "launch",
        "--base-port",
        "auto",
        "--format",
        "json",
        "--clients",
        "2",
    ];
    for end in ["cleanup", "postflight"] {
        let finished = bench.run(&[&launch[..], &["--detach"]].concat());
        assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
        let (guardian, clients, ports) = cast(&finished.events());
        let all = [&[guardian], &clients[..]].concat();
        assert_eq!(living(&all), all);

        let status = bench.document(&["status"]);
        let runs = status["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 1, "{status}");
        let run = finished.events()[0]["run"].as_str().unwrap().to_owned();
        assert!(runs[0].to_string().contains(&run), "{status}");

        let arguments = match end {
            "cleanup" => vec!["cleanup", "--run", &run],
            other => vec![other],
        };
        let ended = bench.run(&arguments);
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        expect_gone(&all, &ports);
    }
    let finished = bench.run(&["preflight", "--check"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
}
