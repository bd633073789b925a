//! What a run adds to starting its clients, waiting until they are ready, and ending them.
//!
//! `cargo build --release && cargo run --release -p proc-core --example launch_cost`, on a machine that has nothing else to
//! do: each hand-over from one process to another waits for a processor.
//!
//! The clients are this program, which listens at once. They are started directly and by runs in turn, and waited for
//! in the same way, so that what differs is the guardian, the containment and the ledger.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints its figures, and cannot hand errors on"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "what starts programs directly is what runs are compared with"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use proc_core::contain::mechanisms;
use proc_core::guarantee::{Choice, Mechanism};
use proc_core::mark::MemberNumber;
use proc_core::port::choose;
use proc_core::readiness::{ClientProcesses, Readiness, Target, Watcher};
use proc_core::report::Event;
use proc_core::run::{Client, Ready, Run};
use proc_core::scope::Scope;

const CLIENTS: MemberNumber = 3;
const ROUNDS: usize = 100;

/// How long a client lives that is not ended.
const LIFE: Duration = Duration::from_secs(20);

/// What one launch took, in ms.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Until the first client was about to be started.
    open: f64,
    /// Until all clients were started.
    start: f64,
    /// Until all were ready.
    ready: f64,
    /// From the request to end until all were gone.
    end: f64,
}

impl Cost {
    fn launch(&self) -> f64 {
        self.open + self.start + self.ready
    }
}

fn main() {
    if let [_, port] = std::env::args().collect::<Vec<_>>().as_slice() {
        serve(port.parse().unwrap());
        return;
    }
    let own = std::env::current_exe().unwrap();
    let guardian = own.ancestors().nth(2).unwrap().join("proc-guardian");
    let folder = tempfile::tempdir().unwrap();
    let scope = Scope::open_in(folder.path(), &folder.path().join("state")).unwrap();
    let program = median((0..ROUNDS).map(|_| nothing(&guardian)).collect());
    println!("{CLIENTS} clients, {ROUNDS} launches each, medians in ms");
    println!("  {:<28}{program:>8.1}", "the guardian's program alone");
    for mechanism in Choice::Auto.candidates(mechanisms()) {
        let choice = Choice::Only(mechanism);
        if let Err(why) = through_run(&own, &scope, &guardian, choice) {
            println!("{mechanism}: not here ({why})");
            continue;
        }
        let costs: Vec<(Cost, Cost)> = (0..ROUNDS)
            .map(|_| {
                let run = through_run(&own, &scope, &guardian, choice).unwrap();
                (directly(&own), run)
            })
            .collect();
        print(mechanism, &costs);
    }
}

fn print(mechanism: Mechanism, costs: &[(Cost, Cost)]) {
    println!(
        "{mechanism:<30}{:>8}{:>8}{:>8}{:>8}",
        "direct", "run", "added", "ratio"
    );
    let row = |what: &str, part: fn(&Cost) -> f64| {
        let direct = median(costs.iter().map(|(direct, _)| part(direct)).collect());
        let run = median(costs.iter().map(|(_, run)| part(run)).collect());
        let added = costs.iter().map(|(direct, run)| part(run) - part(direct));
        let added = median(added.collect());
        let ratio = if direct > 0.0 { run / direct } else { f64::NAN };
        println!("  {what:<28}{direct:>8.1}{run:>8.1}{added:>8.1}{ratio:>8.2}");
    };
    row("ports, guardian, containment", |cost| cost.open);
    row("starts", |cost| cost.start);
    row("readiness", |cost| cost.ready);
    row("launch in all", Cost::launch);
    row("end", |cost| cost.end);
}

/// The shortest way through a program: it starts, finds that it was asked nothing, and leaves.
fn nothing(program: &Path) -> f64 {
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.stderr(Stdio::null()).status().unwrap();
    lap(&mut begun.clone())
}

struct Children(Vec<u32>);

impl ClientProcesses for Children {
    fn is_member(&self, _: MemberNumber, pid: u32) -> bool {
        self.0.contains(&pid)
    }

    fn candidates(&self, client: MemberNumber) -> Vec<u32> {
        vec![self.0[usize::from(client)]]
    }
}

fn directly(own: &Path) -> Cost {
    let ports = choose(usize::from(CLIENTS), &BTreeSet::new()).unwrap();
    let mut cost = Cost::default();
    let mut last = Instant::now();
    let start = |port: u16| {
        let mut command = Command::new(own);
        command.arg(port.to_string()).stdin(Stdio::null());
        command.spawn().unwrap()
    };
    let mut children: Vec<Child> = ports.iter().map(|(port, _)| start(*port)).collect();
    cost.start = lap(&mut last);
    let pids = children.iter().map(Child::id).collect();
    let (sender, outcomes) = channel();
    let watcher = Watcher::start(Arc::new(Children(pids)), move |outcome| {
        let _ = sender.send(outcome);
    });
    let watcher = watcher.unwrap();
    let ready = Ready::default();
    for (client, (port, _)) in (0..).zip(&ports) {
        watcher.add(Target {
            client,
            port: *port,
            ready: ready.clone(),
        });
    }
    for _ in 0..CLIENTS {
        assert!(matches!(outcomes.recv().unwrap(), Readiness::Ready { .. }));
    }
    cost.ready = lap(&mut last);
    for child in &children {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
    for child in &mut children {
        child.wait().unwrap();
    }
    cost.end = lap(&mut last);
    cost
}

fn through_run(
    own: &Path,
    scope: &Scope,
    guardian: &Path,
    choice: Choice,
) -> Result<Cost, proc_core::run::RunError> {
    let (ports, leases): (Vec<u16>, Vec<_>) = choose(usize::from(CLIENTS), &BTreeSet::new())
        .unwrap()
        .into_iter()
        .unzip();
    let mut cost = Cost::default();
    let mut last = Instant::now();
    let mut builder = Run::builder(scope, guardian)?;
    builder.leases(leases).contain(choice);
    for port in ports {
        let program = PathBuf::from(own);
        builder.client(
            Client::new("client", program)
                .args([port.to_string()])
                .port(port),
        );
    }
    let mut run = builder.launch(&mut |event| match event {
        Event::RunStarted { .. } => cost.open = lap(&mut last),
        Event::ClientStarted { .. } => cost.start += lap(&mut last),
        _ => {}
    })?;
    cost.ready = lap(&mut last);
    let summary = run.finish("it has been measured", &mut |_| {});
    assert_eq!((summary.survivors, summary.guardian_lost), (0, false));
    cost.end = lap(&mut last);
    Ok(cost)
}

/// The ms since `last`, which becomes now.
fn lap(last: &mut Instant) -> f64 {
    let now = Instant::now();
    let since = now.duration_since(std::mem::replace(last, now));
    since.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn serve(port: u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 -\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (_keep, nothing) = channel::<()>();
    let _ = nothing.recv_timeout(LIFE);
}
