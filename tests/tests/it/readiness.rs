//! Waiting for clients: late ones, ones that never come, ones that end, and strangers on their ports.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tests::{Bench, PATIENCE, demo_profile, free_ports, wait_for};

#[test]
fn a_client_that_starts_slowly_is_waited_for() {
    let bench = Bench::with_demo(&["--ready-after", "1s"]);
    let launch = ["--clients", "2", "--", "demo-client", "consensus"];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    bench.assert_nothing_left();
    assert_eq!(finished.events_of("client_ready").len(), 2);
    for client in finished.events_of("client_started") {
        let log = log_of(&client);
        assert!(log.contains("listening in 1s"), "{log}");
    }
}

#[test]
fn an_answer_of_503_is_no_readiness() {
    let config = "[profile.demo]\nprogram = 'python3'\nargs = ['server.py', '{port}']\n";
    let bench = Bench::with_config(config);
    bench.write("server.py", UNAVAILABLE);
    let mut running = bench.start(bench.launch(["--clients", "1", "--", "true"]));
    let client = running.wait_for_event("client_started");
    wait_for(PATIENCE, "a second question", || {
        log_of(&client).matches("503").count() > 1
    });
    assert_eq!(running.events().len(), 2);
    bench.go();
    let finished = running.finish().expect(0);
    bench.assert_nothing_left();
    finished.event("client_ready");
}

/// A server that is unavailable until the project has a file `go`.
const UNAVAILABLE: &str = "import http.server, os, signal, sys\n\
    signal.alarm(60)\n\
    class Handler(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_GET(self):\n\
    \x20       self.send_response(200 if os.path.exists('go') else 503)\n\
    \x20       self.end_headers()\n\
    http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n";

fn log_of(client: &Value) -> String {
    std::fs::read_to_string(client["log"].as_str().unwrap()).unwrap()
}

#[test]
fn a_profile_says_which_answer_makes_it_ready() {
    let mut config = demo_profile("demo", &[]);
    config.push_str("ready = { path = '/nowhere', status = 404 }\n");
    let bench = Bench::with_config(&config);
    bench
        .finish(bench.launch(["--clients", "1", "--", "true"]))
        .expect(0);
    bench.assert_nothing_left();
}

#[test]
fn a_client_that_is_never_ready_is_given_up_and_what_was_seen_is_said() {
    const SILENT: &str = "import socket, sys, time\nlistener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
                          time.sleep(60)\n";
    let silent = "[profile.demo]\nprogram = 'python3'\nargs = ['silent.py', '{port}']\n\
                  ready = { request_timeout = '200ms' }\n";
    let cases = [
        (
            demo_profile("demo", &["--ready-after", "60s"]),
            "nothing listens",
        ),
        (
            demo_profile("demo", &["--unavailable-for", "60s"]),
            "it answers with status 503",
        ),
        (silent.to_owned(), "it listens, but does not answer"),
    ];
    for (config, seen) in cases {
        let bench = Bench::with_config(&config);
        bench.write("silent.py", SILENT);
        let launch = [
            "--clients=2",
            "--ready-timeout",
            "1500ms",
            "--",
            "touch",
            "tested",
        ];
        let finished = bench.finish(bench.launch(launch)).expect(100);
        bench.assert_nothing_left();
        let end = finished.event("run_finished");
        assert_eq!(end["exit"], json!({"code": 100, "name": "not_ready"}));
        let message = end["message"].as_str().unwrap();
        assert!(message.contains(seen), "{message}");
        assert!(
            message.contains("client 1 (demo) was not ready on port")
                || message.contains("client 2"),
            "{message}"
        );
        let log = message.rsplit(' ').next().unwrap();
        assert!(std::path::Path::new(log).is_file(), "{message}");
        assert_eq!(finished.ends(), ["graceful", "graceful"]);
        assert!(!bench.root().join("tested").exists());
    }
}

/// The first client's time is up while the second one's start is still being waited for.
#[test]
fn a_deadline_that_passes_between_two_starts_is_not_forgotten() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    let launch = [
        "--clients=3",
        "--stagger",
        "50s",
        "--ready-timeout",
        "300ms",
        "--",
        "true",
    ];
    let finished = bench.finish(bench.launch(launch)).expect(100);
    bench.assert_nothing_left();
    let message = finished.event("run_finished")["message"].clone();
    assert!(
        message.as_str().unwrap().contains("client 1 (demo)"),
        "{message}"
    );
    assert_eq!(
        finished.ends(),
        [json!("graceful"), json!(null), json!(null)]
    );
}

/// Within the patience of a test, which is far less than the 180 s that a client may take.
#[test]
fn a_client_that_ends_fails_the_launch_at_once_with_the_end_of_its_log() {
    let mut config = demo_profile("demo", &["--ready-after", "60s"]);
    config.push_str(
        "[profile.broken]\nprogram = 'sh'\n\
         args = ['-c', 'for i in $(seq 30); do echo line $i; done; echo sorry >&2; exit 7']\n\
         [[launch.role]]\nname = 'broken'\nbase_port = 'auto'\n",
    );
    let bench = Bench::with_config(&config);
    let expected: Vec<String> = (12..=30)
        .map(|i| format!("line {i}"))
        .chain(["sorry".to_owned()])
        .collect();

    let finished = bench
        .finish(bench.launch_on_default_ports(["--", "true"]))
        .expect(101);
    let exited = finished.event("client_exited");
    assert_eq!(exited["status"], json!({"code": 7}));
    assert_eq!(exited["ended"], "already_exited");
    assert_eq!(exited["log_tail"], json!(expected));
    let end = finished.event("run_finished");
    assert_eq!(end["exit"], json!({"code": 101, "name": "client_died"}));
    assert!(
        end["message"]
            .as_str()
            .unwrap()
            .contains("client 1 (broken) ended by itself with")
    );
    assert_eq!(
        end["clients"][0]["end"],
        json!({"ended": "already_exited", "status": {"code": 7}})
    );
    assert!(finished.events_of("test_started").is_empty());

    let finished = bench.run(["launch", "--", "true"]).expect(101);
    bench.assert_nothing_left();
    let tail = expected.join("\n  | ");
    let said = format!("\nthe last 20 lines of its log:\n  | {tail}\n");
    assert!(finished.stderr.contains(&said), "{}", finished.stderr);
}

/// What is no plain file has no last lines, and the launcher does not wait for what may write into it.
#[test]
fn a_log_that_its_client_has_replaced_does_not_keep_the_launcher_waiting() {
    for replacement in ["mkfifo", "ln -s /dev/zero", "mkdir"] {
        let script = format!("log=$(readlink /proc/$$/fd/1); rm $log; {replacement} $log; exit 3");
        let bench = Bench::with_config(&format!(
            "[profile.demo]\nprogram = \"sh\"\nargs = [\"-c\", \"{script}\"]\n"
        ));
        let finished = bench.finish(bench.launch(["--clients=1"])).expect(101);
        let exited = finished.event("client_exited");
        assert_eq!(exited["status"]["code"], 3, "{replacement}");
        assert!(exited["log_tail"].is_null(), "{exited}");
        bench.assert_nothing_left();
    }
}

/// The first client takes the name of the second one's log.
#[test]
fn a_log_that_another_client_has_put_something_in_the_place_of_is_an_error() {
    let config = "[profile.first]\nprogram = \"sh\"\nargs = [\"-c\", \"mkfifo {run_dir}/second-2.log; exec demo-client \
                  serve --port {port} --life 60s\"]\n"
        .to_owned()
        + &demo_profile("second", &[])
        + "[[launch.role]]\nname = 'first'\nbase_port = 'auto'\n\
           [[launch.role]]\nname = 'second'\nbase_port = 'auto'\n";
    let bench = Bench::with_config(&config);
    let launch = bench.launch_on_default_ports(["--grace=1s"]);
    let finished = bench.finish(launch).expect(106);
    let last = finished.event("run_finished");
    let message = last["message"].as_str().unwrap();
    assert!(message.contains("No such device"), "{message}");
    bench.assert_nothing_left();
}

#[test]
fn the_others_are_ended_when_one_client_ends_while_it_is_waited_for() {
    let config = "[profile.demo]\nprogram = 'sh'\nargs = ['-c', '[ {number} = 2 ] && exit 9; \
                  exec demo-client serve --port {port} --ready-after 60s --life 60s']\n";
    let bench = Bench::with_config(config);
    let finished = bench
        .finish(bench.launch(["--clients", "3", "--stagger", "50ms", "--", "true"]))
        .expect(101);
    bench.assert_nothing_left();
    let ends = finished.ends();
    assert_eq!(
        (&ends[0], &ends[1]),
        (&json!("graceful"), &json!("already_exited"))
    );
}

/// Answers every request with 200, as a server does that an earlier run has left behind.
struct StaleServer {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl StaleServer {
    fn start(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut asked = 0;
            while let Ok((mut stream, _)) = listener.accept() {
                if seen.load(Ordering::SeqCst) {
                    break;
                }
                asked += 1;
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
            }
            asked
        });
        Self {
            port,
            over,
            thread: Some(thread),
        }
    }

    /// How often it was asked.
    fn stop(mut self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("a server does not panic")
    }
}

#[test]
fn a_port_that_is_held_is_refused_and_its_holder_named() {
    let bench = Bench::with_demo(&[]);
    let ports = free_ports(2);
    let server = StaleServer::start(TcpListener::bind((Ipv4Addr::LOCALHOST, ports[1])).unwrap());
    let list = format!("{},{}", ports[0], ports[1]);
    let finished = bench
        .finish(bench.launch_on_default_ports(["--ports", &list, "--", "true"]))
        .expect(102);
    bench.assert_nothing_started();
    let end = finished.event("run_finished");
    assert_eq!(
        end["exit"],
        json!({"code": 102, "name": "port_unavailable"})
    );
    assert_eq!(finished.event_names(), ["run_finished"]);
    assert_names_this_process(end["message"].as_str().unwrap(), ports[1]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_port_that_is_held_at_another_address_is_refused_too() {
    let bench = Bench::with_demo(&[]);
    let holders = [
        TcpListener::bind((Ipv6Addr::LOCALHOST, free_ports(1)[0])).unwrap(),
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, free_ports(1)[0])).unwrap(),
    ];
    for holder in holders {
        let port = holder.local_addr().unwrap().port();
        let finished = bench
            .run(["launch", "--ports", &port.to_string(), "--", "true"])
            .expect(102);
        bench.assert_nothing_started();
        assert_names_this_process(&finished.stderr, port);
    }
}

/// A server that takes the port after the launch has looked, and that answers before the client does.
#[test]
fn a_stranger_that_answers_is_never_taken_for_the_client() {
    let bench = Bench::with_demo(&["--ready-after", "60s"]);
    let port = free_ports(1)[0];
    let command =
        bench.launch_on_default_ports(["--ports", &port.to_string(), "--", "touch", "tested"]);
    let mut running = bench.start(command);
    running.wait_for_event("client_started");
    let server = StaleServer::start(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    let finished = running.finish().expect(102);
    bench.assert_nothing_left();
    assert!(
        finished.events_of("client_ready").is_empty(),
        "{}",
        finished.stdout
    );
    assert_names_this_process(
        finished.event("run_finished")["message"].as_str().unwrap(),
        port,
    );
    assert_eq!(finished.ends(), ["graceful"]);
    assert!(!bench.root().join("tested").exists());
    // The stranger has been named, not asked, and not touched.
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_client_at_the_ipv6_loopback_is_found_there() {
    let bench = Bench::with_demo(&["--host", "::1"]);
    let script = "curl --silent --fail --max-time 10 --globoff $XTASK_CLIENT_1_URL/status && echo $XTASK_CLIENT_1_URL > url";
    let finished = bench
        .finish(bench.launch(["--clients", "1", "--", "sh", "-c", script]))
        .expect(0);
    bench.assert_nothing_left();
    let url = format!("http://[::1]:{}", finished.event("client_started")["port"]);
    assert_eq!(finished.event("client_ready")["url"], json!(url));
    assert_eq!(
        std::fs::read_to_string(bench.root().join("url"))
            .unwrap()
            .trim(),
        url
    );
}

#[test]
fn a_socket_of_a_clients_child_is_the_clients() {
    let config = "[profile.demo]\nprogram = 'sh'\n\
                  args = ['-c', 'setsid demo-client serve --port {port} --life 60s & wait']\n";
    let bench = Bench::with_config(config);
    let finished = bench.finish(bench.launch(["--clients", "2", "--", "demo-client", "consensus"]));
    bench.assert_nothing_left();
    // Both believe to be client 1, so there is no consensus; but the test has run.
    finished.event("test_exited");
}

#[track_caller]
fn assert_names_this_process(message: &str, port: u16) {
    let pid = std::process::id();
    assert!(
        message.contains(&format!("port {port} is held by")),
        "{message}"
    );
    assert!(message.contains(&pid.to_string()), "{pid}: {message}");
}
