//! `preflight`: limits, ports, and what the next launch needs.

use std::net::TcpListener;

use tests::namespace::alone;
use tests::{Bench, free_ports, pid_of};

use crate::support::{
    CLIENT, SCRIPT, SCRIPT_PROFILE, assert_alive, assert_gone, count, here, report, script, xtask,
};

#[test]
fn what_is_over_its_limit_is_cleaned_and_the_rest_stays() {
    alone(|| {
        let bench = Bench::new();
        let monitor = script(&bench, "monitor.py", SCRIPT);
        let two = [1, 2].map(|n| script(&bench, &format!("test_{n}.py"), SCRIPT));
        let within = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(within["over"].as_array().unwrap().len(), 0);
        assert_eq!(here(&within, "python"), 2);
        assert_alive(&[("one of two", &two[0]), ("two of two", &two[1])]);

        let third = script(&bench, "test_3.py", SCRIPT);
        let checked = xtask(
            &bench,
            108,
            &["preflight", "--check", "--base-port", "auto"],
        );
        assert_eq!(checked["over"][0], "python");
        assert_eq!(here(&checked, "python"), 3);
        assert_eq!(
            report(&checked, third.pid()).unwrap()["action"],
            "would_end"
        );
        assert_alive(&[("one of three", &two[0]), ("three of three", &third)]);

        let cleaned = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(count(&cleaned, "before", "python", "here"), 3);
        assert_eq!(here(&cleaned, "python"), 0);
        assert_gone(&[("one", &two[0]), ("two", &two[1]), ("three", &third)]);
        // The monitor has no limit.
        assert_alive(&[("the monitor", &monitor)]);

        let strictly = xtask(
            &bench,
            108,
            &["preflight", "--strict", "--check", "--base-port", "auto"],
        );
        assert_eq!(strictly["over"][0], "monitor");
        assert_alive(&[("the monitor", &monitor)]);
        xtask(&bench, 0, &["preflight", "--strict", "--base-port", "auto"]);
        assert_gone(&[("the monitor", &monitor)]);
    });
}

#[test]
fn a_warning_says_what_is_too_many() {
    alone(|| {
        let bench = Bench::with_config("[group.python]\nlimit = 0\n");
        let one = script(&bench, "one.py", SCRIPT);
        let warned = bench.run(["preflight", "--base-port", "auto"]).expect(0);
        assert!(warned.stderr.contains("warning: "), "{}", warned.stderr);
        assert!(warned.stdout.contains("ended"), "{}", warned.stdout);
        assert_gone(&[("the script", &one)]);
    });
}

#[test]
fn a_port_that_is_held_is_named_with_its_holder() {
    alone(|| {
        let bench = Bench::new();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port().to_string();
        let refused = xtask(
            &bench,
            102,
            &["preflight", "--clients", "1", "--base-port", &port],
        );
        let blocked = &refused["unavailable_ports"][0];
        assert_eq!(blocked["port"].to_string(), port);
        let holder = blocked["holder"].as_str().unwrap();
        assert!(
            holder.contains(&format!("PID {}", std::process::id())),
            "{holder}"
        );
        drop(socket);
        xtask(
            &bench,
            0,
            &["preflight", "--clients", "1", "--base-port", &port],
        );
    });
}

#[test]
fn a_port_of_a_live_run_is_busy_until_that_has_ended() {
    alone(|| {
        let bench = Bench::new();
        let port = free_ports(1)[0].to_string();
        let ports = ["--clients", "1", "--base-port", &port];
        let launched =
            bench.run([&["launch", "--detach", "--format", "json"], &ports[..]].concat());
        let run = launched.expect(0).event("run_finished")["run"].clone();
        for check in [&["preflight"][..], &["preflight", "--check"]] {
            let refused = xtask(&bench, 107, &[check, &ports].concat());
            let holder = refused["unavailable_ports"][0]["holder"].as_str().unwrap();
            assert!(holder.contains(run.as_str().unwrap()), "{holder}");
        }
        let elsewhere = Bench::new();
        let refused = xtask(&elsewhere, 102, &[&["preflight"], &ports[..]].concat());
        let holder = refused["unavailable_ports"][0]["holder"].as_str().unwrap();
        assert!(holder.contains("demo-client"), "{holder}");
        xtask(&bench, 0, &["cleanup", "--run", run.as_str().unwrap()]);
        xtask(&bench, 0, &[&["preflight"], &ports[..]].concat());
    });
}

#[test]
fn a_client_that_is_not_there_is_found_out_before_the_launch() {
    alone(|| {
        let bench = Bench::with_config("[profile.mine]\nprogram = \"./missing\"\n");
        let refused = xtask(&bench, 106, &["preflight", "--profile", "mine"]);
        let problem = refused["problems"][0].as_str().unwrap();
        assert!(problem.contains("missing"), "{problem}");
        let refused = xtask(&bench, 106, &["preflight", "--profile", "unreal"]);
        let problem = refused["problems"][0].as_str().unwrap();
        assert!(problem.contains("no program"), "{problem}");
    });
}

#[test]
fn a_live_run_is_left_alone_even_where_its_group_is_over_the_limit() {
    alone(|| {
        let bench = Bench::with_config(&format!(
            "{SCRIPT_PROFILE}[group.python]
limit = 1
"
        ));
        bench.write("client.py", CLIENT);
        let launch = [
            "launch",
            "--profile=script",
            "--clients=2",
            "--base-port=auto",
            "--detach",
        ];
        let launched = bench
            .run([&launch[..], &["--format", "json"]].concat())
            .expect(0);
        let clients: Vec<u32> = launched
            .events()
            .iter()
            .filter(|event| event["event"] == "client_started")
            .map(|event| pid_of(&event["identity"]))
            .collect();
        let stray = script(&bench, "stray.py", SCRIPT);
        let cleaned = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(count(&cleaned, "counts", "python", "in_live_runs"), 2);
        assert_eq!(here(&cleaned, "python"), 2);
        assert_gone(&[("a stray script", &stray)]);
        assert!(clients.iter().all(|pid| tests::is_alive(*pid)));
        // A command that names the group means the clients too, and the run knows that it has lost them.
        let cleaned = xtask(&bench, 0, &["cleanup", "--python"]);
        assert_eq!(here(&cleaned, "python"), 0);
        assert!(clients.iter().all(|pid| !tests::is_alive(*pid)));
        xtask(&bench, 0, &["postflight"]);
    });
}
