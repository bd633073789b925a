//! What leaves the process group, the session, the tree.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getpid, setpgid, setrlimit, setsid};

use super::answers::orphan;
use super::{Species, ignore_requests};
use crate::cli::cli;
use crate::life::{self, program};
use crate::serve::serve;
use crate::{sys, witness};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

pub(super) fn child_same_group(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

pub(super) fn child_new_session(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        let _ = setsid();
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

pub(super) fn holds_log_pipe(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        let _ = setsid();
        ignore_requests();
        drop(set_up);
        loop {
            let _ = writeln!(io::stderr(), "still here");
            thread::sleep(Duration::from_millis(200));
        }
    })?;
    serve(listener)
}

pub(super) fn daemon(listener: Option<&TcpListener>, rest: Species) -> io::Result<()> {
    orphan_without_anything(rest, || {})?;
    serve(listener)
}

pub(super) fn clears_everything(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan_without_anything(Species::RestIgnoringTerm, || {
        replace_mark();
        for resource in [Resource::Core, Resource::Memlock, Resource::Msgqueue] {
            let _ = setrlimit(
                resource,
                Rlimit {
                    current: Some(0),
                    maximum: Some(0),
                },
            );
        }
    })?;
    serve(listener)
}

fn replace_mark() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let lower = Rlimit {
        current: Some(1 << 40),
        maximum: Some(1 << 40),
    };
    // Only a privileged process may raise a limit; any may lower it.
    if setrlimit(Resource::Rttime, unlimited).is_err() {
        let _ = setrlimit(Resource::Rttime, lower);
    }
}

/// As programs do that play sound, before they ask for a real-time priority.
pub(super) fn lowers_soft_limit(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan_without_anything(Species::Rest, || {
        let hard = rustix::process::getrlimit(Resource::Rttime).maximum;
        let lower = Rlimit {
            current: Some(200_000),
            maximum: hard,
        };
        let _ = setrlimit(Resource::Rttime, lower);
    })?;
    serve(listener)
}

pub(super) fn unmarked_child(listener: Option<&TcpListener>) -> io::Result<()> {
    let mut command = program(Species::RestIgnoringTerm)?;
    command.env_clear().current_dir("/");
    orphan(|set_up| {
        let _ = life::fork(|_until_the_exec| {
            let _ = setsid();
            replace_mark();
            witness::close_all_others();
            let _ = command.exec();
            sys::exit_now(96);
        });
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

/// A daemon in another program's shape: nothing of what it was started with is left to it.
fn orphan_without_anything(rest: Species, prepare: impl FnOnce()) -> io::Result<()> {
    // Before descriptors are closed: the path of this program is read from one.
    let mut command = program(rest)?;
    command.env_clear().current_dir("/");
    orphan(|_until_the_exec| {
        prepare();
        witness::close_all_others();
        let _ = command.exec();
        sys::exit_now(96);
    })
}

pub(super) fn renamed_child(listener: Option<&TcpListener>) -> io::Result<()> {
    life::fork(|set_up| {
        let _ = setsid();
        let _ = rustix::thread::set_name(c"kworker/0:1");
        let _ = overwrite_arguments("[kworker/0:1]");
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

/// Fields 48 and 49 of `/proc/self/stat` say where the arguments lie.
fn overwrite_arguments(name: &str) -> io::Result<()> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let (Some(first), Some(end)) = (fields.get(48 - 3), fields.get(49 - 3)) else {
        return Ok(());
    };
    let mut memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    memory.seek(SeekFrom::Start(*first))?;
    let length = usize::try_from(end.saturating_sub(*first)).unwrap_or(0);
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(length, 0);
    memory.write_all(&bytes)
}

pub(super) fn nohup(listener: Option<&TcpListener>) -> io::Result<()> {
    let seconds = life::remaining().as_secs().max(1).to_string();
    Command::new("setsid")
        .args(["nohup", "sleep", &seconds])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    serve(listener)
}

pub(super) fn group_changer(listener: Option<&TcpListener>) -> io::Result<()> {
    let child = life::fork(|set_up| {
        let _ = setpgid(None, None);
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    setpgid(None, rustix::process::Pid::from_raw(child))?;
    serve(listener)
}

pub(super) fn clone_parent(listener: Option<&TcpListener>) -> io::Result<()> {
    if sys::fork_sibling()? == 0 {
        life::arm();
        let _ = setsid();
        ignore_requests();
        life::rest();
    }
    serve(listener)
}

pub(super) fn drops_privileges(listener: Option<&TcpListener>) -> io::Result<()> {
    let drop_them = || {
        if rustix::process::geteuid().is_root() {
            let _ = sys::become_user(NOBODY);
        }
    };
    life::fork(|set_up| {
        let _ = setsid();
        drop_them();
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    drop_them();
    serve(listener)
}

pub(super) fn undumpable(listener: Option<&TcpListener>) -> io::Result<()> {
    sys::become_undumpable();
    orphan(|set_up| {
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    serve(listener)
}

pub(super) fn shell_wrapper(listener: Option<TcpListener>) -> io::Result<()> {
    // The program that serves takes the port itself.
    drop(listener);
    let mut serving = program(Species::Tame)?;
    if let Some(port) = cli().port {
        serving.arg("--port").arg(port.to_string());
    }
    Err(Command::new("sh")
        .args(["-c", "\"$@\"; exit 0", "sh"])
        .arg(serving.get_program())
        .args(serving.get_args())
        .exec())
}

pub(super) fn vfork_exec(listener: Option<&TcpListener>) -> io::Result<()> {
    start_chain(5)?;
    serve(listener)
}

pub(super) fn chain() -> ! {
    let depth = cli().depth;
    if depth > 0 {
        let _ = start_chain(depth - 1);
    }
    if depth == 1 {
        let _ = setsid();
    }
    life::rest()
}

/// std starts a program by `posix_spawn` where nothing is to be done in between, which forks as `vfork` does: the parent
/// stands still, and shares its memory, until the child executes the program.
fn start_chain(depth: u32) -> io::Result<()> {
    let mut command = program(Species::Chain)?;
    command.arg("--depth").arg(depth.to_string());
    command.spawn().map(drop)
}

pub(super) fn thread_spawner(listener: Option<&TcpListener>) -> io::Result<()> {
    let start = || program(Species::RestIgnoringTerm)?.spawn().map(drop);
    thread::spawn(start)
        .join()
        .map_err(|_| io::Error::other("the thread has panicked"))??;
    serve(listener)
}

pub(super) fn main_thread_exits(listener: Option<TcpListener>) -> io::Result<()> {
    ignore_requests();
    // A child too, whose parent shows as a zombie from then on.
    life::fork(|set_up| {
        let _ = setsid();
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    // The port is to be served by a process that shows as a zombie already.
    let (exiting, exited) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = exited.recv();
        let own = getpid().as_raw_nonzero();
        let is_zombie = || {
            fs::read_to_string(format!("/proc/{own}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        };
        while !is_zombie() {
            thread::sleep(Duration::from_millis(1));
        }
        serve(listener.as_ref())
    });
    drop(exiting);
    sys::exit_thread()
}
