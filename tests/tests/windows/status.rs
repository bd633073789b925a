//! `status`: what goes on, for people and for scripts.

use serde_json::Value;

use crate::support::{kill, launch, project};
use tests::{Bench, PATIENCE, assert_documented, assert_over, cast, living, named, poll};

/// The one run that `status` shows.
fn shown(bench: &Bench) -> Value {
    let document = bench.document(&["status"]);
    assert_documented(&document);
    let [run] = &document["runs"].as_array().unwrap()[..] else {
        panic!("there is one run: {document:#}");
    };
    run.clone()
}

#[test]
fn a_run_is_shown_with_its_clients_and_what_they_use() {
    let bench = project();
    let mut launch = launch(&bench, "--clients 2", &[]);
    let ready = launch.wait_for_events("client_ready", 2);
    let events = launch.events();
    let run = shown(&bench);
    let started = &named(&events, "run_started")[0];
    assert_eq!(
        [&run["run"], &run["guardian"]],
        [&started["run"], &started["guardian"]]
    );
    assert_eq!(run["state"], "attached", "{run:#}");
    let clients = run["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 2);
    for client in clients {
        assert_eq!(client["alive"], true, "{client}");
        // On Windows itself its console is one more.
        let processes = client["usage"]["processes"].as_u64();
        assert!(processes >= Some(1), "{client}");
        assert!(
            client["usage"]["memory_bytes"].as_u64().unwrap() > 0,
            "{client}"
        );
        let event = ready
            .iter()
            .find(|event| event["client"] == client["client"]);
        assert_eq!(event.unwrap()["url"], client["url"]);
    }
    let text = bench.run(["status"]).expect(0).stdout;
    assert!(text.contains(run["run"].as_str().unwrap()), "{text}");
    // A snapshot changes nothing.
    let (guardian, clients, _) = cast(&events);
    let all = [&[guardian], &clients[..]].concat();
    assert_eq!(living(&all), all);
    launch.kill();
    assert_over(&events);
}

#[test]
fn a_client_that_is_gone_is_shown_as_gone() {
    let bench = project();
    let launched = launch(&bench, "--clients 2 --detach", &[])
        .finish()
        .expect(0);
    let (_, clients, _) = cast(&launched.events());
    assert_eq!(shown(&bench)["state"], "detached");
    kill(&clients[0]);
    // The guardian hears of it as soon as the system tells.
    let is_shown = poll(PATIENCE, || {
        let run = shown(&bench);
        (run["clients"][0]["alive"] == false).then_some(())
    });
    assert!(is_shown.is_some());
    let text = bench.run(["status"]).expect(0).stdout;
    assert!(text.contains("detached") && text.contains("gone"), "{text}");
    bench.run(["postflight"]).expect(0);
    assert_over(&launched.events());
    bench.assert_no_runs();
}
