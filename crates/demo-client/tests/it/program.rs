//! Starting the program under test, and being sure that it ends.
//!
//! Every wait has a deadline, which is there to end a test that hangs and is no expectation of speed. Every client is
//! killed and reaped when its guard is dropped, and ends by itself should even that not happen.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A started program, with its output line by line.
pub(crate) struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with_urls(arguments, None)
    }

    /// Starts the program with what it is to find in `XTASK_CLIENT_URLS`.
    pub(crate) fn start_with_urls(arguments: &[&str], urls: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-client"));
        command
            .args(arguments)
            .env_remove("XTASK_CLIENT_URLS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(urls) = urls {
            command.env("XTASK_CLIENT_URLS", urls);
        }
        let mut child = command.spawn().expect("the program starts");
        let stdout: ChildStdout = child.stdout.take().expect("stdout is piped");
        let stderr: ChildStderr = child.stderr.take().expect("stderr is piped");
        Self {
            child,
            stdout: lines_of(stdout),
            stderr: lines_of(stderr),
        }
    }

    /// The PID; it stays that of this program, since only the guard reaps it.
    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[cfg(unix)]
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Waits for a line on stdout that contains something.
    pub(crate) fn wait_for_line(&self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stdout.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!(
                    "no line with `{part}`: {error}; stderr: {:?}",
                    self.stderr.try_iter().collect::<Vec<_>>()
                ),
            }
        }
    }

    /// Waits for the end, and returns the exit code with all that is left of stdout and stderr.
    pub(crate) fn wait(mut self) -> Ended {
        let status = wait_until("the end of the program", || {
            self.child.try_wait().expect("a child of ours")
        });
        Ended {
            status,
            stdout: self.stdout.iter().collect::<Vec<_>>().join("\n"),
            stderr: self.stderr.iter().collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both do nothing to a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code, with everything that was printed in the message when it is another one.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A client that listens on a port that the system has chosen.
pub(crate) struct Client {
    pub(crate) program: Program,
    pub(crate) url: String,
}

impl Client {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let always = ["serve", "--port", "0", "--life", "60s"];
        let program = Program::start(&[&always, arguments].concat());
        let line = program.wait_for_line("listening on http://");
        let url_at = line.find("http://").expect("the line has it");
        let url = line[url_at..].to_owned();
        Self { program, url }
    }

    pub(crate) fn get(&self, target: &str) -> (u16, Value) {
        let url = format!("{}{target}", self.url);
        let response = agent().get(&url).call().expect("an answer");
        read(response)
    }

    /// The answer, if the connection is taken.
    pub(crate) fn try_get(&self, target: &str) -> Option<(u16, Value)> {
        let url = format!("{}{target}", self.url);
        agent().get(&url).call().ok().map(read)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let response = agent().post(&url).send(body).expect("an answer");
        read(response)
    }
}

/// Asks until there is something, for as long as the deadline allows.
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        thread::sleep(PAUSE);
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> (u16, Value) {
    let body = response.body_mut().read_to_vec().expect("a body");
    let json = serde_json::from_slice(&body).expect("every answer is JSON");
    (response.status().as_u16(), json)
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // When nothing asks any more the pipe is emptied all the same, so that the program does not block on it.
            let _ = give.send(line);
        }
    });
    take
}
