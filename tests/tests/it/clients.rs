//! Programs from elsewhere as clients, and a stand-in for the heavy one that it is all about.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Bench, Finished, free_ports, is_free};

/// Runs three clients of a profile three times on the same ports, and asks each with curl.
fn launch_three_times(bench: &Bench, profile: &str, ports: &[u16], expected: &str) {
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    let script = "for port in $XTASK_CLIENT_1_PORT $XTASK_CLIENT_2_PORT $XTASK_CLIENT_3_PORT; do
        curl --silent --show-error --fail --max-time 10 http://127.0.0.1:$port/page.txt >> pages || exit 1
    done";
    for time in 1..=3 {
        let launch = [
            "--profile",
            profile,
            "--clients=3",
            "--ports",
            &list.join(","),
        ];
        let command =
            bench.launch_on_default_ports(launch.iter().chain(&["--", "sh", "-c", script]));
        let finished = bench.finish(command).expect(0);
        bench.assert_nothing_left();
        assert_eq!(finished.events_of("client_ready").len(), 3);
        assert_eq!(finished.event("run_finished")["leaks"], 0);
        let pages = std::fs::read_to_string(bench.root().join("pages")).unwrap();
        assert_eq!(pages, expected.repeat(3 * time));
        assert!(ports.iter().all(|port| is_free(*port)));
    }
}

/// Fails, with what to do about it, where a program is missing.
fn require(program: &str, package: &str) {
    let folders = std::env::var("PATH").unwrap_or_default();
    let found = folders
        .split(':')
        .any(|folder| Path::new(folder).join(program).is_file());
    assert!(
        found,
        "{program} is missing; apt-get install --yes --no-install-recommends {package}"
    );
}

#[test]
fn pythons_own_web_server_is_a_built_in_profile() {
    require("python3", "python3-minimal");
    let bench = Bench::new();
    bench.write("page.txt", "from python\n");
    launch_three_times(&bench, "python-http", &free_ports(3), "from python\n");
}

#[test]
fn lighttpd_is_a_client() {
    require("lighttpd", "lighttpd");
    let bench = Bench::with_config(
        "[profile.web]\nprogram = 'lighttpd'\nargs = ['-D', '-f', 'lighttpd.conf']\nenv = { PORT = '{port}' }\n\
         ready = { path = '/page.txt' }\n",
    );
    let root = bench.root();
    let text = format!(
        "server.document-root = {root:?}\nserver.bind = \"127.0.0.1\"\nserver.port = env.PORT\n\
         mimetype.assign = ( \".txt\" => \"text/plain\" )\n"
    );
    bench.write("lighttpd.conf", &text);
    bench.write("page.txt", "from lighttpd\n");
    launch_three_times(&bench, "web", &free_ports(3), "from lighttpd\n");
}

/// A master that opens the sockets, and workers that serve them.
#[test]
fn nginx_is_a_client() {
    require("nginx", "nginx-light");
    let bench = Bench::with_config(
        "[profile.web]\nprogram = 'nginx'\n\
         args = ['-p', '.', '-e', 'stderr', '-c', 'nginx-{number}.conf', '-g', 'daemon off;']\n\
         ready = { path = '/page.txt' }\n",
    );
    let ports = free_ports(3);
    let root = bench.root().display().to_string();
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    for (number, port) in (1..).zip(&ports) {
        let text = format!(
            "{user}\nworker_processes 2;\npid nginx-{number}.pid;\nevents {{}}\nhttp {{\n  access_log off;\n  \
             client_body_temp_path body-{number};\n  proxy_temp_path proxy-{number};\n  \
             fastcgi_temp_path fastcgi-{number};\n  uwsgi_temp_path uwsgi-{number};\n  scgi_temp_path scgi-{number};\n  \
             server {{ listen 127.0.0.1:{port}; root \"{root}\"; }}\n}}\n"
        );
        bench.write(&format!("nginx-{number}.conf"), &text);
    }
    bench.write("page.txt", "from nginx\n");
    launch_three_times(&bench, "web", &ports, "from nginx\n");
}

/// A program that is called like the editor, writes down its arguments, and is ready after a moment.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, json, os, sys, threading

port = next(int(a.split("=")[1]) for a in sys.argv if a.startswith("-HTTPPort="))
with open(f"arguments-{port}.json", "w") as file:
    json.dump({"arguments": sys.argv[1:], "folder": os.getcwd()}, file)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/status" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass

threading.Timer(60, lambda: os._exit(0)).start()
print("LogInit: ready", flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"#;

fn launch_stand_in(bench: &Bench) -> (Finished, Vec<Value>) {
    bench.write_program("Engine/Binaries/Linux/UnrealEditor", STAND_IN);
    bench.write("MyGame.uproject", "{}");
    let launch = ["--profile", "unreal", "--clients", "2", "--", "true"];
    let finished = bench.finish(bench.launch(launch)).expect(0);
    let clients = finished.events_of("client_started");
    let records = clients.iter().map(|client| {
        let name = format!("arguments-{}.json", client["port"]);
        serde_json::from_slice(&std::fs::read(bench.root().join(name)).unwrap()).unwrap()
    });
    let records = records.collect();
    (finished, records)
}

#[test]
fn the_editor_gets_exactly_the_arguments_of_the_workflow() {
    let bench = Bench::with_config(
        r#"[profile.unreal]
program = "Engine/Binaries/Linux/UnrealEditor"
project = "MyGame.uproject"
args = ["{project}", "Map?game=/Script/MyGame.AutomationGameMode", "-game", "-windowed",
        "-ResX=800", "-ResY=600", "-HTTPPort={port}", "-nohmd", "-log"]
"#,
    );
    let (finished, records) = launch_stand_in(&bench);
    bench.assert_nothing_left();
    for (client, record) in finished.events_of("client_started").iter().zip(records) {
        let expected = json!([
            bench.root().join("MyGame.uproject"),
            "Map?game=/Script/MyGame.AutomationGameMode",
            "-game",
            "-windowed",
            "-ResX=800",
            "-ResY=600",
            format!("-HTTPPort={}", client["port"]),
            "-nohmd",
            "-log",
        ]);
        assert_eq!(record["arguments"], expected);
        assert_eq!(
            record["folder"],
            json!(bench.root().canonicalize().unwrap())
        );
        let log = std::fs::read_to_string(client["log"].as_str().unwrap()).unwrap();
        assert_eq!(log, "LogInit: ready\n");
    }
}

#[test]
fn the_editor_finds_the_only_project_by_itself() {
    let bench =
        Bench::with_config("[profile.unreal]\nprogram = 'Engine/Binaries/Linux/UnrealEditor'\n");
    let (finished, records) = launch_stand_in(&bench);
    bench.assert_nothing_left();
    for (client, record) in finished.events_of("client_started").iter().zip(records) {
        let expected = json!([
            bench.root().join("MyGame.uproject"),
            "-game",
            "-windowed",
            "-ResX=800",
            "-ResY=600",
            format!("-HTTPPort={}", client["port"]),
            "-nohmd",
            "-log",
        ]);
        assert_eq!(record["arguments"], expected);
    }
}
