//! `doctor`: what it observes on this system, and the words for what there is not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use proc_core::escape_probes::KillTarget;
use serde_json::json;

use crate::stand_in::start;
use crate::support::{PASS, launch, project};
use tests::{
    PATIENCE, assert_documented, assert_ended, assert_over, binary, free_port, named, poll,
};

#[test]
fn what_is_promised_is_observed() {
    let bench = project();
    // Far more time than it takes on a system of its own: Wine is slow, and other tests run beside.
    let document = bench.document(&["doctor", "--within", "55s", "--require", "kernel"]);
    assert_documented(&document);
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
    let bench = project();
    for way in ["cgroup", "subreaper", "pidns", "tracked"] {
        let launch = ["launch", "--contain", way, "--clients", "1"];
        let refused = bench
            .run([&launch[..], &["--base-port", "auto"]].concat())
            .expect(105);
        let why = format!(
            "containment by {way} is not available here ({way}: this operating system has none)"
        );
        assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    }
    bench.run(["doctor", "--contain", "cgroup"]).expect(105);
}

#[test]
fn a_job_is_what_the_strongest_promise_takes() {
    let bench = project();
    let flags = "--clients 1 --contain job --require kernel";
    let finished = launch(&bench, flags, &PASS).finish().expect(0);
    let events = finished.events();
    let run = &named(&events, "run_started")[0];
    assert_eq!([&run["level"], &run["mechanism"]], ["kernel", "job"]);
    assert_over(&events);
}

/// Whether a request is answered in this time.
fn answers(address: SocketAddr, patience: Duration) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    stream.read(&mut [0; 64]).is_ok_and(|length| length > 0)
}

#[test]
fn a_guardian_that_is_stopped_before_its_death_does_nothing_more() {
    // One that answers shows what it does; any process is stopped in the same way.
    let bench = project();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let program = binary("stand-in");
    let port = format!("--stand-in-port={}", address.port());
    let stand_in = start(&program, &bench.root(), [port], &[]);
    let begun = Instant::now();
    assert!(answers(address, PATIENCE));
    let took = begun.elapsed();
    let target = KillTarget(stand_in.identity);
    target.stop();
    // What was on its way already may still come.
    let is_silent = poll(PATIENCE, || (!answers(address, took * 100)).then_some(()));
    assert!(is_silent.is_some());
    assert!(stand_in.is_alive());
    target.kill();
    assert_ended(&[stand_in.identity], &[address.port()]);
}
