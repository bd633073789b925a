//! A program that does nothing for a while, whatever it is called and given: a copy of it stands in for an editor, an
//! agent, an engine.
//!
//! Of its arguments it reads those that begin with `--stand-in-`:
//!
//! - `--stand-in-life=SECONDS`: how long it lives, instead of 85 s;
//! - `--stand-in-name=NAME`: the name that it gives itself with `prctl`;
//! - `--stand-in-arguments=FILE`: where it writes all of its arguments, as JSON;
//! - `--stand-in-child=PROGRAM`: what it starts, which lives as long as it would;
//! - `--stand-in-copy=FILE`: where it puts all that it reads from its standard input, at the end of which it ends;
//! - `--stand-in-until=FILE`: it ends when this file is there;
//! - `--stand-in-port=PORT`: the port at which it answers every request with 200;
//! - `--stand-in-roll=FOLDER`: where it leaves a file with its own name and PID, when it is up.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Less than 90 s, so that nothing outlives a test that failed to end it by much.
const LIFE: Duration = Duration::from_secs(85);

#[expect(
    clippy::disallowed_methods,
    reason = "it waits for nothing, it only has to be there"
)]
fn main() -> io::Result<()> {
    let mut life = LIFE;
    let mut roll = None;
    let mut copy = None;
    let mut until = None;
    for argument in std::env::args().skip(1) {
        let Some((key, value)) = argument
            .strip_prefix("--stand-in-")
            .and_then(|argument| argument.split_once('='))
        else {
            continue;
        };
        match key {
            "life" => life = Duration::from_secs(value.parse().map_err(io::Error::other)?),
            "name" => name(value)?,
            "arguments" => std::fs::write(value, arguments()?)?,
            "child" => drop(Command::new(value).spawn()?),
            "copy" => copy = Some(value.to_owned()),
            "until" => until = Some(value.to_owned()),
            "port" => serve(value.parse().map_err(io::Error::other)?)?,
            "roll" => roll = Some(value.to_owned()),
            _ => return Err(io::Error::other(format!("what is {key}?"))),
        }
    }
    // Last: a process that finds the file may rely on the rest.
    if let Some(roll) = roll {
        enter(Path::new(&roll))?;
    }
    if let Some(copy) = copy {
        io::copy(&mut io::stdin(), &mut File::create(copy)?)?;
        return Ok(());
    }
    let end = Instant::now() + life;
    match until {
        Some(until) => {
            while Instant::now() < end && !Path::new(&until).exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        None => std::thread::sleep(life),
    }
    Ok(())
}

fn arguments() -> io::Result<Vec<u8>> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    Ok(serde_json::to_vec(&all)?)
}

fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    // Wine tells the owner of a socket only of one that its process has worked with itself.
    listener.set_ttl(64)?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that has left already needs no answer.
            let _ = stream.and_then(|mut stream| {
                let _request = stream.read(&mut [0; 4096])?;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            });
        }
    });
    Ok(())
}

/// Gives this process another name, as far as the kernel's own short one goes.
fn name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    #[cfg(target_os = "linux")]
    rustix::thread::set_name(&name)?;
    #[cfg(not(target_os = "linux"))]
    let _ = name;
    Ok(())
}

fn enter(roll: &Path) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    std::fs::write(roll.join(format!("{name}.{}", std::process::id())), "")
}
