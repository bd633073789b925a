//! Several roles in one run.

use serde_json::json;
use tests::{Bench, demo_profile};

#[test]
fn each_role_is_ready_before_the_next_one_starts() {
    let config = demo_profile("server", &["--ready-after", "300ms"])
        + &demo_profile("player", &[])
        + "[[launch.role]]\nname = 'server'\nclients = 1\nbase_port = 'auto'\n\
           [[launch.role]]\nname = 'player'\nclients = 2\nbase_port = 'auto'\n";
    let bench = Bench::with_config(&config);
    let finished = bench
        .finish(bench.launch_on_default_ports(["--", "demo-client", "consensus"]))
        .expect(0);
    bench.assert_nothing_left();
    let names = finished.event_names();
    let order = [
        "run_started",
        "client_started",
        "client_ready",
        "client_started",
    ];
    assert_eq!(names[..4], order, "{names:?}");
    assert_eq!(names[7], "test_started", "{names:?}");
    let roles: Vec<_> = finished
        .events_of("client_started")
        .iter()
        .map(|client| (client["client"].clone(), client["role"].clone()))
        .collect();
    let expected = [(1, "server"), (2, "player"), (3, "player")];
    assert_eq!(
        roles,
        expected.map(|(number, role)| (json!(number), json!(role)))
    );
}

#[test]
fn a_flag_for_one_role_is_refused_when_there_are_several() {
    let config =
        demo_profile("server", &[]) + "[[launch.role]]\nname = 'server'\nbase_port = 'auto'\n";
    let bench = Bench::with_config(&config);
    for flag in [
        ["--clients", "2"],
        ["--profile", "demo"],
        ["--base-port", "auto"],
        ["--ports", "9000"],
    ] {
        let finished = bench
            .run(["launch"].iter().chain(&flag).chain(&["--", "true"]))
            .expect(106);
        assert!(finished.stderr.contains(flag[0]), "{}", finished.stderr);
    }
    bench.assert_nothing_started();
}

#[test]
fn placeholders_stand_for_each_clients_own_values() {
    let config = "[profile.demo]\nprogram = 'sh'\n\
         args = ['-c', 'echo \"$@ $OWN\" > \"$1-$2\"; exec demo-client serve --port $3 --life 60s', \
                 'sh', '{role}', '{number}', '{port}', '{index}', '{run_dir}', '{{}}']\n\
         env = { OWN = 'port={port}' }\n";
    let bench = Bench::with_config(config);
    let finished = bench
        .finish(bench.launch(["--clients", "2", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
    let run_dir = finished.event("run_started")["folder"].clone();
    for (index, client) in finished.events_of("client_started").iter().enumerate() {
        let (number, port) = (index + 1, &client["port"]);
        let written = std::fs::read_to_string(bench.root().join(format!("demo-{number}"))).unwrap();
        let run_dir = run_dir.as_str().unwrap();
        assert_eq!(
            written,
            format!("demo {number} {port} {index} {run_dir} {{}} port={port}\n")
        );
    }
}
