//! The species, and the parts that they start.
//!
//! A species first sets up what it is known for, and serves when all of it stands: a test that sees it ready need not
//! wait for anything more.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, SetKernelObjectSecurity};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::core::BOOL;
use windows_sys::w;

use super::start::{How, arguments, await_holder, start};
use super::{cli, life, witness};

/// How to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Species {
    /// Behaves: ends when asked to
    Tame,
    /// Takes no notice of Ctrl+C, Ctrl+Break and the end of its console, and has no window to be closed
    Deaf,
    /// A detached process whose parent has left
    Orphan,
    /// The same, without environment, streams and working directory
    Scrubbed,
    /// A detached process that was to leave the job of its parent
    BreaksAway,
    /// A process started by a command interpreter that has left
    CmdStart,
    /// A detached process whose parent has left serves the port
    HoldsPort,
    /// A process that starts another one whenever that ends
    Respawner,
    /// A process that starts its successor and leaves, and so on
    Relay,
    /// Lets no process do more with it than see that it is there, and end it
    Shy,

    /// Serves, if there is a port, and otherwise is only there
    #[value(hide = true)]
    Stays,
    /// Is only there, whatever ports there are
    #[value(hide = true)]
    Rests,
    /// Is there for a moment
    #[value(hide = true)]
    Passes,
    /// Starts an orphan that is only there, and leaves
    #[value(hide = true)]
    Leaves,
    /// Starts one without anything that is only there, and leaves
    #[value(hide = true)]
    LeavesBare,
    /// Starts an orphan that serves, and leaves
    #[value(hide = true)]
    LeavesServer,
    /// Starts its successor, and leaves
    #[value(hide = true)]
    Runs,
}

/// How long a process lives that is there for a moment.
const MOMENT: Duration = Duration::from_millis(50);

impl Species {
    pub(super) fn live(self) -> io::Result<()> {
        match self {
            Self::Tame | Self::Stays => {}
            Self::Deaf => take_no_notice()?,
            Self::Orphan => beget(Self::Leaves)?,
            Self::Scrubbed => beget(Self::LeavesBare)?,
            Self::BreaksAway => break_away()?,
            Self::CmdStart => start_by_interpreter()?,
            Self::HoldsPort => {
                beget(Self::LeavesServer)?;
                life::rest();
            }
            Self::Respawner => {
                thread::spawn(respawn);
                await_holder(&witness::own("0"));
            }
            Self::Relay => {
                let name = witness::own("runner");
                start(How::Detached, Self::Runs, &name)?;
                await_holder(&name);
            }
            Self::Shy => hide()?,
            Self::Rests => life::rest(),
            Self::Passes => {
                thread::sleep(MOMENT);
                return Ok(());
            }
            Self::Leaves => return leave(How::Detached, Self::Rests),
            Self::LeavesBare => return leave(How::Bare, Self::Rests),
            Self::LeavesServer => return leave(How::Detached, Self::Stays),
            Self::Runs => {
                // The moment comes first: there are never more than a few of them.
                thread::sleep(MOMENT);
                if cli().depth > 0 {
                    start(How::Detached, Self::Runs, &witness::own("runner"))?;
                }
                return Ok(());
            }
        }
        serve()
    }
}

/// Starts one that starts another and leaves, and waits until both have done so.
fn beget(parent: Species) -> io::Result<()> {
    let name = witness::own("parent");
    start(How::Plain, parent, &name)?.wait()?;
    await_holder(&format!("{name}-child"));
    Ok(())
}

/// Starts the one that is meant. What has started this process waits for its file, whose name it knows.
fn leave(how: How, species: Species) -> io::Result<()> {
    let own = cli().name.clone().unwrap_or_default();
    start(how, species, &format!("{own}-child")).map(drop)
}

/// Starts one outside of the job, and inside where that is refused. The name of its file tells which.
fn break_away() -> io::Result<()> {
    let mut name = witness::own("away");
    match start(How::Away, Species::Rests, &name) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            name = witness::own("kept");
            start(How::Detached, Species::Rests, &name)?;
        }
        Err(error) => return Err(error),
    }
    await_holder(&name);
    Ok(())
}

fn start_by_interpreter() -> io::Result<()> {
    let name = witness::own("started");
    Command::new("cmd")
        .args(["/c", "start", "/b"])
        .arg(std::env::current_exe()?)
        .args(arguments(Species::Rests, &name)?)
        .stdin(Stdio::null())
        .status()?;
    await_holder(&name);
    Ok(())
}

/// As often as the length of a chain allows.
fn respawn() {
    for number in 0..cli().depth {
        let child = start(
            How::Plain,
            Species::Passes,
            &witness::own(&number.to_string()),
        );
        let Ok(mut child) = child else { return };
        let _ = child.wait();
    }
}

#[expect(
    unsafe_code,
    reason = "the function that is told of Ctrl+C is set by a function of Windows' C interface"
)]
fn take_no_notice() -> io::Result<()> {
    // SAFETY: the function lives as long as the program.
    match unsafe { SetConsoleCtrlHandler(Some(hear_nothing), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[expect(
    unsafe_code,
    reason = "the right to open a process is set by functions of Windows' C interface"
)]
fn hide() -> io::Result<()> {
    // PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_TERMINATE and SYNCHRONIZE, for every user.
    let rules = w!("D:P(A;;0x101001;;;WD)");
    let mut descriptor = std::ptr::null_mut();
    // SAFETY: the text ends with a zero, and the result goes to live memory.
    let is_read = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            rules,
            SDDL_REVISION_1,
            &raw mut descriptor,
            std::ptr::null_mut(),
        )
    };
    if is_read == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it answers a constant that stands for this process and needs no closing.
    let this = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is always open, and the descriptor is the system's own; it is kept until this process ends.
    match unsafe { SetKernelObjectSecurity(this, DACL_SECURITY_INFORMATION, descriptor) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

extern "system" fn hear_nothing(_how: u32) -> BOOL {
    // A process that returns from the end of a console is ended.
    life::rest();
    1
}

/// Answers everything with 200 until the end, or only rests where there is nothing to serve.
fn serve() -> io::Result<()> {
    let Some(port) = cli().port else {
        life::rest();
        return Ok(());
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        // A connection that says nothing for a while is not waited for, and gets the same answer.
        let _ = stream.read(&mut [0; 4096]);
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    Ok(())
}
