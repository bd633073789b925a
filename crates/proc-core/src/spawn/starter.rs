//! Who starts members: the guardian's acting thread, or a thread whose children are in a PID namespace.
//!
//! The kernel puts the children of the thread that has made a PID namespace into it, but not the thread. From then on
//! that thread can start no other thread, and what it starts is killed when it ends. So it does nothing else, for as
//! long as the guardian lives.
//!
//! Members are the guardian's own children all the same: it collects them, and knows them by the PIDs that they have
//! outside.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use super::INIT;
use crate::contain::Init;
use crate::identity::{Boot, Identity};
use crate::sys::{self, Link};

/// How long a process may take to be started, or the first one of a namespace to do its work.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts members.
#[derive(Debug)]
pub(crate) enum Starter {
    /// Whoever asks starts them itself.
    Here,
    /// A thread starts them in its PID namespace.
    Inside(Sender<Order>),
}

/// A command to start, and to whom to say which PID it has.
#[derive(Debug)]
pub(crate) struct Order {
    command: Command,
    answer: Sender<io::Result<u32>>,
}

impl Starter {
    /// Makes a PID namespace, and starts its first process.
    pub(crate) fn in_new_namespace(boot: Boot) -> io::Result<(Self, Init)> {
        // Not from the thread, whose `/proc` will be that of the namespace.
        let program = std::env::current_exe()?;
        let (link, far) = sys::link()?;
        let (orders, inbox) = mpsc::channel::<Order>();
        let (begun, beginning) = mpsc::channel();
        let near = link.try_clone()?;
        thread::Builder::new()
            .name("starter".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                let init = start_init(&program, &near, far);
                drop(near);
                let has_begun = init.is_ok();
                let _ = begun.send(init);
                if has_begun {
                    for Order { command, answer } in inbox {
                        let _ = answer.send(spawn(command).map(|child| child.id()));
                    }
                }
            })?;
        let pid = beginning.recv_timeout(PATIENCE).map_err(|_| lost())??;
        sys::await_init(&link, PATIENCE)?;
        let stat = sys::stat(pid, boot).ok_or_else(unseen)?;
        let identity = stat.identity;
        Ok((Self::Inside(orders), Init { identity, link }))
    }

    /// Starts a command. It is not waited for: whoever asks collects all of this process's children.
    pub(super) fn start(
        &self,
        command: Command,
        at_start: sys::AtStart<'_>,
        boot: Boot,
    ) -> io::Result<Identity> {
        let pid = match self {
            Self::Here => sys::take_charge(spawn(command)?, at_start)?,
            Self::Inside(orders) => {
                let (answer, answered) = mpsc::channel();
                orders.send(Order { command, answer }).map_err(|_| lost())?;
                answered.recv_timeout(PATIENCE).map_err(|_| lost())??
            }
        };
        sys::stat(pid, boot)
            .map(|stat| stat.identity)
            .ok_or_else(unseen)
    }
}

/// Makes the namespace of the calling thread's children, and starts the first of them.
fn start_init(program: &Path, near: &Link, far: Link) -> io::Result<u32> {
    sys::make_pid_namespace()?;
    let mut command = Command::new(program);
    command
        .arg(INIT)
        .current_dir(sys::root_folder())
        .stdin(sys::link_to_stdio(far))
        .stdout(Stdio::null());
    sys::start_as_init(&mut command);
    spawn(command)
        .map(|child| child.id())
        .map_err(|error| sys::explain_init(near, &error))
}

fn spawn(mut command: Command) -> io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
    command.spawn()
}

fn lost() -> io::Error {
    io::Error::other("the thread that starts members in the PID namespace does not answer")
}

fn unseen() -> io::Error {
    io::Error::other("the process table does not show the new process")
}
