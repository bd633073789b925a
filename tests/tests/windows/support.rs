//! Projects and launches as the tests for Windows need them.

use std::net::{Ipv4Addr, TcpListener};
use std::os::windows::process::CommandExt;
use std::path::Path;

use proc_core::escape_probes::KillTarget;
use proc_core::identity::Identity;
use proc_core::table::COOKIE;
use serde_json::Value;
use tests::{Bench, Finished, PATIENCE, Running, binary, living, poll};
use windows_sys::Win32::System::Threading::CREATE_NEW_CONSOLE;

/// How long a client lives at the most, whatever becomes of the test.
const LIFE: &str = "85s";

/// A test command that passes.
pub(crate) const PASS: [&str; 4] = ["--", "cmd", "/c", "exit 0"];

/// A test command that goes on until it is ended.
pub(crate) const STAY: [&str; 7] = ["--", "demo-client", "serve", "--port", "0", "--life", LIFE];

/// Whether this is Wine, which differs from Windows here and there.
pub(crate) fn is_wine() -> bool {
    Path::new(r"C:\windows\system32\winecfg.exe").exists()
}

/// A project with the built-in client.
pub(crate) fn project() -> Bench {
    project_with_demo(&[])
}

/// A project in which the built-in client has these further arguments.
pub(crate) fn project_with_demo(arguments: &[&str]) -> Bench {
    let serve = [
        "serve", "--port", "{port}", "--number", "{number}", "--life", LIFE,
    ];
    project_with_client(
        "demo-client",
        &[&serve[..], arguments].concat(),
        "log",
        "1s",
    )
}

/// A project with another client, another console or another grace.
pub(crate) fn project_with_client(
    program: &str,
    arguments: &[&str],
    console: &str,
    grace: &str,
) -> Bench {
    let program = binary(program);
    let program = program.to_str().unwrap();
    Bench::with_config(&format!(
        "[launch]\nprofile = \"demo\"\n[profile.demo]\nprogram = {program:?}\nargs = {arguments:?}\nconsole = \
         {console:?}\nready = {{ path = \"/status\", timeout = \"60s\" }}\nshutdown = {{ grace = {grace:?} }}\n",
    ))
}

/// Starts a launch with these flags, and with a test or none. It prints events, and the system chooses the ports.
pub(crate) fn launch(bench: &Bench, flags: &str, test: &[&str]) -> Running {
    bench.start(bench.launch(flags.split(' ').chain(test.iter().copied())))
}

/// The same in a console of its own.
pub(crate) fn launch_in_console(bench: &Bench, flags: &str, test: &[&str]) -> Running {
    let mut command = bench.launch(flags.split(' ').chain(test.iter().copied()));
    command.creation_flags(CREATE_NEW_CONSOLE);
    bench.start(command)
}

/// The same without a test, on a desktop of its own.
pub(crate) fn launch_on_desktop(bench: &Bench, desktop: &str, flags: &str) -> Running {
    let mut command = bench.command(binary("desktop"));
    command
        .arg(desktop)
        .arg(binary("xtask"))
        .args("launch --base-port auto --format json".split(' '))
        .args(flags.split(' '));
    bench.start(command)
}

/// Starts a command whose environment names a run, as that of a shell may.
pub(crate) fn start_naming(bench: &Bench, run: &str, arguments: &[&str]) -> Running {
    let mut command = bench.xtask(arguments);
    command.env(COOKIE, run);
    bench.start(command)
}

/// Fails unless so many clients have ended, each in this way and with this code.
#[track_caller]
pub(crate) fn assert_ends(finished: &Finished, count: usize, way: &str, code: i32) {
    let exits = finished.events_of("client_exited");
    assert_eq!(exits.len(), count, "{}", finished.stdout);
    for exit in exits {
        let seen = [&exit["ended"], &exit["status"]["code"]];
        let expected = [&Value::from(way), &code.into()];
        assert_eq!(seen, expected, "{}", finished.stdout);
    }
}

/// Holds a port of the loopback address. Wine tells the owner of a socket only of one that its process has worked with
/// itself.
pub(crate) fn hold(port: u16) -> TcpListener {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    holder.set_ttl(64).unwrap();
    holder
}

/// Ends a process at once, as another program would. One that has ended in the meantime is gone all the same.
#[track_caller]
pub(crate) fn kill(identity: &Identity) {
    KillTarget(*identity).kill();
    let is_gone = poll(PATIENCE, || living(&[*identity]).is_empty().then_some(()));
    assert!(is_gone.is_some(), "cannot kill {identity}");
}
