//! The species, one function each.
//!
//! A species first sets up what it is known for, and serves when all of it stands: a test that sees it ready need not
//! wait for anything more.

mod answers;
mod assaults;
mod crowds;
mod escapes;
mod fuse;
mod greed;
mod waits;

use std::io;
use std::net::TcpListener;

use clap::ValueEnum;

use crate::life;
use crate::serve::serve;

/// How to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Species {
    /// Behaves: ends when asked to
    Tame,

    // What does not take a hint, or gives the wrong answer.
    /// Ignores SIGTERM, SIGINT and SIGHUP
    IgnoresTerm,
    /// Takes 4 s to end when asked to
    SlowToEnd,
    /// Goes on as a daemon when asked to end
    DaemonisesOnTerm,
    /// Answers 503 for ever
    NeverReady,
    /// Answers once, and crashes
    ReadyThenCrash,
    /// Ends at once, and leaves a daemon that serves the port
    LeaderExits,

    // What leaves the group, the session, the tree.
    /// A child in the same process group that outlives it
    ChildSameGroup,
    /// A child in a new session
    ChildNewSession,
    /// A child in a new session that keeps the log open and writes to it
    HoldsLogPipe,
    /// A daemon by the book: new session, orphan, chdir /, closed descriptors, empty environment
    Daemon,
    /// The same, ignoring SIGTERM
    DaemonIgnoresTerm,
    /// A daemon that changes every resource limit that could mark it
    ClearsEverything,
    /// A daemon that lowers the soft one of its resource limits that could mark it
    LowersSoftLimit,
    /// A daemon that ends when asked to, with a child that nothing but its parent gives away
    UnmarkedChild,
    /// A child that renames itself and overwrites its arguments
    RenamedChild,
    /// `setsid nohup`
    Nohup,
    /// Moves to the process group of a child
    GroupChanger,
    /// A child of its own parent
    CloneParent,
    /// Becomes another user, with a child that does so too
    DropsPrivileges,
    /// Hides memory, descriptors and environment from its own user
    Undumpable,
    /// A shell that waits for the program that serves
    ShellWrapper,
    /// A chain of programs, each started by the one before
    VforkExec,
    /// A thread that starts a child and exits
    ThreadSpawner,
    /// Its first thread exits, another serves
    MainThreadExits,

    // What is many, or never stands still.
    /// 50 children with 2 grandchildren each
    Crowd,
    /// Two processes that start each other anew
    Respawner,
    /// Processes that fork until there are 300
    ForkStorm,
    /// Processes that fork and exit, so that each PID is gone when it is looked at
    Comet,
    /// Executes itself again and again
    ReExec,
    /// A child that lets all stopped processes of the session go on, again and again
    Continuer,

    // What takes more than its share.
    /// Writes to its log until the disk is full, 4 MiB at the most
    Flooder,
    /// Takes 400 MiB when asked to with GET /grow/400, 512 at the most, and has a daemon
    Hog,

    // What the kernel keeps in odd states.
    /// A stopped child
    StoppedChild,
    /// A child in state D, whose own child waits for a pipe that nothing opens
    Stuck,
    /// A child in a wait that not even SIGKILL ends, for a sibling that serves a file system and does not answer
    WaitsForFuse,
    /// A child that its sibling traces and that stands still
    Traced,
    /// A child that its sibling keeps from ever being stopped
    Unstoppable,
    /// A child subreaper with daemons of its own
    Subreaper,
    /// A PID namespace with processes of its own
    OwnPidNamespace,

    // What turns against its guardian. Most of it for the place of the test, which is told where the control socket is.
    /// Connects to the guardian's control socket several hundred times, and stays
    Besieger,
    /// Says something to the guardian that does not end
    Chatterbox,
    /// Tells the guardian to go on without its launcher, and to give everything an hour to end
    Lingerer,
    /// Keeps copies of all that its guardian and its launcher have open: the link between them, the lock of the run
    Thief,

    // What other species execute.
    #[value(hide = true)]
    Rest,
    #[value(hide = true)]
    RestIgnoringTerm,
    #[value(hide = true)]
    Chain,
    #[value(hide = true)]
    ReExecuted,
}

impl Species {
    pub(crate) fn live(self, listener: Option<TcpListener>) -> io::Result<()> {
        match self {
            Self::Tame => serve(listener.as_ref()),
            Self::IgnoresTerm => answers::ignores_term(listener.as_ref()),
            Self::SlowToEnd => answers::slow_to_end(listener),
            Self::DaemonisesOnTerm => answers::daemonises_on_term(listener),
            Self::NeverReady => answers::never_ready(listener.as_ref()),
            Self::ReadyThenCrash => answers::ready_then_crash(listener.as_ref()),
            Self::LeaderExits => answers::leader_exits(listener.as_ref()),
            Self::ChildSameGroup => escapes::child_same_group(listener.as_ref()),
            Self::ChildNewSession => escapes::child_new_session(listener.as_ref()),
            Self::HoldsLogPipe => escapes::holds_log_pipe(listener.as_ref()),
            Self::Daemon => escapes::daemon(listener.as_ref(), Self::Rest),
            Self::DaemonIgnoresTerm => escapes::daemon(listener.as_ref(), Self::RestIgnoringTerm),
            Self::ClearsEverything => escapes::clears_everything(listener.as_ref()),
            Self::LowersSoftLimit => escapes::lowers_soft_limit(listener.as_ref()),
            Self::UnmarkedChild => escapes::unmarked_child(listener.as_ref()),
            Self::RenamedChild => escapes::renamed_child(listener.as_ref()),
            Self::Nohup => escapes::nohup(listener.as_ref()),
            Self::GroupChanger => escapes::group_changer(listener.as_ref()),
            Self::CloneParent => escapes::clone_parent(listener.as_ref()),
            Self::DropsPrivileges => escapes::drops_privileges(listener.as_ref()),
            Self::Undumpable => escapes::undumpable(listener.as_ref()),
            Self::ShellWrapper => escapes::shell_wrapper(listener),
            Self::VforkExec => escapes::vfork_exec(listener.as_ref()),
            Self::ThreadSpawner => escapes::thread_spawner(listener.as_ref()),
            Self::MainThreadExits => escapes::main_thread_exits(listener),
            Self::Crowd => crowds::crowd(listener.as_ref()),
            Self::Respawner => crowds::respawner(listener.as_ref()),
            Self::ForkStorm => crowds::fork_storm(listener.as_ref()),
            Self::Comet => crowds::comet(listener.as_ref()),
            Self::ReExec => crowds::re_exec(listener.as_ref()),
            Self::Continuer => crowds::continuer(listener.as_ref()),
            Self::Flooder => greed::flooder(listener.as_ref()),
            Self::Hog => greed::hog(listener.as_ref()),
            Self::StoppedChild => waits::stopped_child(listener.as_ref()),
            Self::Stuck => waits::stuck(listener.as_ref()),
            Self::WaitsForFuse => fuse::waits_for_fuse(listener.as_ref()),
            Self::Traced => waits::traced(listener.as_ref()),
            Self::Unstoppable => waits::unstoppable(listener.as_ref()),
            Self::Subreaper => waits::subreaper(listener.as_ref()),
            Self::OwnPidNamespace => waits::own_pid_namespace(listener.as_ref()),
            Self::Besieger => assaults::besieger(listener.as_ref()),
            Self::Chatterbox => assaults::chatterbox(listener.as_ref()),
            Self::Lingerer => assaults::lingerer(listener.as_ref()),
            Self::Thief => assaults::thief(listener.as_ref()),
            Self::Rest => life::rest(),
            Self::RestIgnoringTerm => {
                ignore_requests();
                life::rest()
            }
            Self::Chain => escapes::chain(),
            Self::ReExecuted => crowds::re_executed(),
        }
    }
}

/// Takes no hint from now on.
fn ignore_requests() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        crate::sys::ignore(signal);
    }
}
