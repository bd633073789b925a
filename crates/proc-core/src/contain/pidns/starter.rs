//! The thread that starts the members of a run in a PID namespace.
//!
//! The kernel puts the children of the thread that has made a PID namespace into it, but not the thread. From then on
//! that thread can start no other thread, and what it starts is killed when it ends. So it does nothing else, for as
//! long as the guardian lives.
//!
//! Members are the guardian's own children all the same: it collects them, and knows them by the PIDs that they have
//! outside.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::contain::hold::spawn;
use crate::sys::{self, Link};

/// How long a process may take to be started, or the first one of a namespace to do its work.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command to start, and where to say which PID it has.
type Order = (Command, Sender<io::Result<u32>>);

/// Starts processes in the namespace.
#[derive(Debug)]
pub(super) struct Starter(Sender<Order>);

impl Starter {
    /// Makes a PID namespace, and starts its first process. Returns that one's PID, and the link to it.
    pub(super) fn begin() -> io::Result<(Self, u32, Link)> {
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
                    for (command, answer) in inbox {
                        let _ = answer.send(spawn(command).map(|child| child.id()));
                    }
                }
            })?;
        let pid = beginning.recv_timeout(PATIENCE).map_err(|_| lost())??;
        sys::await_init(&link, PATIENCE)?;
        Ok((Self(orders), pid, link))
    }

    /// Starts a command.
    pub(super) fn start(&self, command: Command) -> io::Result<u32> {
        let (answer, answered) = mpsc::channel();
        self.0.send((command, answer)).map_err(|_| lost())?;
        answered.recv_timeout(PATIENCE).map_err(|_| lost())?
    }
}

/// Makes the namespace of the calling thread's children, and starts the first of them.
fn start_init(program: &Path, near: &Link, far: Link) -> io::Result<u32> {
    sys::make_pid_namespace()?;
    let mut command = Command::new(program);
    command
        .arg(sys::INIT)
        .current_dir(sys::root_folder())
        .stdin(sys::link_to_stdio(far))
        .stdout(Stdio::null());
    sys::start_as_init(&mut command);
    spawn(command)
        .map(|child| child.id())
        .map_err(|error| sys::explain_init(near, &error))
}

fn lost() -> io::Error {
    io::Error::other("the thread that starts members in the PID namespace does not answer")
}
