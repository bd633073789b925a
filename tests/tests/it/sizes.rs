//! Many clients.

use tests::Bench;

#[test]
fn a_hundred_clients_become_ready_and_end() {
    let bench = Bench::with_demo(&[]);
    let script = "test $XTASK_CLIENTS = 100 && curl --silent --fail --max-time 10 $XTASK_CLIENT_100_URL/status";
    let finished = bench
        .finish(bench.launch(["--clients", "100", "--", "sh", "-c", script]))
        .expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.events_of("client_ready").len(), 100);
    assert!(
        finished.ends().iter().all(|end| end == "graceful"),
        "{:?}",
        finished.ends()
    );
    assert_eq!(finished.ends().len(), 100);
}

#[test]
fn the_ends_of_many_clients_are_told_in_one_line() {
    let bench = Bench::with_demo(&[]);
    let finished = bench
        .run(["launch", "--clients=20", "--base-port=auto", "--", "true"])
        .expect(0);
    bench.assert_nothing_left();
    let line = "20 clients ended gracefully, 0 killed, 0 by themselves";
    assert!(
        finished.stderr.lines().any(|said| said == line),
        "{}",
        finished.stderr
    );
}
