//! `status`: runs, clients and what they use.

use serde_json::Value;
use tests::namespace::alone;
use tests::{Bench, assert_documented, pid_of};

use crate::support::xtask;

#[test]
fn a_detached_run_is_shown_with_what_its_trees_use() {
    alone(|| {
        let bench = Bench::with_config(
            "[profile.busy]\nprogram = \"sh\"\n\
             args = [\"-c\", \"(ulimit -t 60; while :; do :; done) & exec demo-client serve --port {port} --life 60s\"]\n",
        );
        let none = xtask(&bench, 0, &["status"]);
        assert_eq!(none["runs"].as_array().unwrap().len(), 0);

        let launch = [
            "launch",
            "--profile=busy",
            "--clients=2",
            "--base-port=auto",
            "--detach",
        ];
        let launched = bench
            .run([&launch[..], &["--format", "json"]].concat())
            .expect(0);
        launched.events().iter().for_each(assert_documented);
        let finished = launched.event("run_finished");
        // On a busy machine a process may get no time at all between the two snapshots of one measurement.
        let has_time = |client: &Value| client["usage"]["cpu_percent"].as_f64() > Some(0.0);
        let measured = tests::poll(tests::PATIENCE, || {
            let status = xtask(&bench, 0, &["status"]);
            let clients = status["runs"][0]["clients"].as_array().unwrap();
            clients.iter().all(has_time).then_some(status)
        });
        let status = measured.expect("the clients to use the processor");
        let run = &status["runs"][0];
        assert_eq!(run["run"], finished["run"]);
        assert_eq!(run["state"], "detached");
        assert_eq!(run["guardian"], launched.event("run_started")["guardian"]);
        assert_eq!(run["usage"]["processes"], 4);
        let clients = run["clients"].as_array().unwrap();
        let ready: Vec<_> = launched
            .events()
            .into_iter()
            .filter(|event| event["event"] == "client_ready")
            .collect();
        assert_eq!(clients.len(), 2);
        for client in clients {
            assert_eq!(client["alive"], true);
            assert_eq!(client["usage"]["processes"], 2);
            assert!(client["usage"]["memory_bytes"].as_u64().unwrap() > 0);
            let of_client = ready
                .iter()
                .find(|event| event["client"] == client["client"]);
            assert_eq!(of_client.unwrap()["url"], client["url"]);
        }
        // A client that is gone is shown as gone.
        crate::support::kill(pid_of(&clients[0]["identity"]));
        let text = bench.run(["status"]).expect(0).stdout;
        assert!(text.contains("detached") && text.contains("gone"), "{text}");
        xtask(&bench, 0, &["postflight"]);
        let none = xtask(&bench, 0, &["status"]);
        assert_eq!(none["runs"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn a_run_under_its_launcher_is_shown_as_attached() {
    alone(|| {
        let bench = Bench::new();
        let launch = ["launch", "--clients=1", "--base-port=auto", "--format=json"];
        let mut attached = bench.start(bench.xtask(launch));
        attached.wait_for_event("client_ready");
        let status = xtask(&bench, 0, &["status"]);
        assert_eq!(status["runs"][0]["state"], "attached");
        attached.signal(rustix::process::Signal::INT);
        let finished = attached.finish().expect(130);
        finished.events().iter().for_each(assert_documented);
    });
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    alone(|| {
        let bench = Bench::new();
        let mut command = bench.command("sh");
        command.args(["-c", "exec xtask status > /dev/full"]);
        let said = bench.finish(command).expect(106).stderr;
        assert!(said.contains("cannot write to standard output"), "{said}");
    });
}
