//! `preflight`: whether the next launch can have its ports and its programs.

use crate::support::{hold, is_wine, project};
use tests::{Bench, assert_documented, free_port, named};

/// What `preflight` says about one client at a port, which must have this exit code.
#[track_caller]
fn preflight(bench: &Bench, code: i32, further: &[&str]) -> serde_json::Value {
    let document = bench.document(&[&["preflight", "--clients", "1"], further].concat());
    assert_documented(&document);
    assert_eq!(document["exit"]["code"], code, "{document:#}");
    document
}

#[test]
fn a_port_that_is_held_is_named_with_its_holder() {
    let bench = project();
    let holder = hold(0);
    let port = holder.local_addr().unwrap().port().to_string();
    let refused = preflight(&bench, 102, &["--base-port", &port]);
    let blocked = &refused["unavailable_ports"][0];
    assert_eq!(blocked["port"].to_string(), port);
    let own = format!("PID {}", std::process::id());
    assert!(
        blocked["holder"].as_str().unwrap().contains(&own),
        "{blocked}"
    );
    drop(holder);
    preflight(&bench, 0, &["--base-port", &port]);
}

#[test]
fn a_port_of_a_live_run_is_busy_until_that_has_ended() {
    let (bench, elsewhere) = (project(), project());
    let port = free_port().to_string();
    let launch = ["launch", "--ports", &port, "--detach", "--format", "json"];
    let launched = bench.run(launch).expect(0);
    let run = named(&launched.events(), "run_started")[0]["run"].clone();
    let run = run.as_str().unwrap();
    let holder = |document: &serde_json::Value| {
        let holder = document["unavailable_ports"][0]["holder"].as_str();
        holder.unwrap().to_owned()
    };
    for further in [
        &["--base-port", &port][..],
        &["--base-port", &port, "--check"],
    ] {
        let refused = preflight(&bench, 107, further);
        assert!(holder(&refused).contains(run), "{refused:#}");
    }
    let refused = preflight(&elsewhere, 102, &["--base-port", &port]);
    if is_wine() {
        eprintln!("not looked at: the holder; Wine seldom tells the owner of another's socket");
    } else {
        assert!(holder(&refused).contains("demo-client"), "{refused:#}");
    }
    bench.run(["cleanup", "--run", run]).expect(0);
    preflight(&bench, 0, &["--base-port", &port]);
}

#[test]
fn a_client_that_is_not_there_is_found_out_before_the_launch() {
    let bench = project();
    let config = "[profile.mine]\nprogram = './missing.exe'\n";
    std::fs::write(bench.root().join("xtask.toml"), config).unwrap();
    for (profile, part) in [("mine", "missing.exe"), ("unreal", "no program")] {
        let refused = preflight(&bench, 106, &["--base-port", "auto", "--profile", profile]);
        let problem = refused["problems"][0].as_str().unwrap();
        assert!(problem.contains(part), "{problem}");
    }
}
