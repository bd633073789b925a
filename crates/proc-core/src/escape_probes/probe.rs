//! A probe at work.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt;

use super::{Escape, LIFE, Origin, Probe};
use crate::spawn;
use crate::sys;
use crate::wait::{Deadline, Pauses, poll_with};

/// What makes a process start the one that is meant, and leave: that one is an orphan then.
const ORPHAN: &str = "orphan";

/// Between two looks at the lifeline, where it cannot be waited for. There are many that look.
const PAUSES: Pauses = Pauses {
    first: Duration::from_millis(100),
    longest: Duration::from_millis(250),
};

/// How long a request to a client may take to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is one probe, from its start to its end. The words are `client member FOLDER PORT` or `test member FOLDER`,
/// or what such a process gives to one that it starts itself; `verb` comes before them.
pub fn run_probe(verb: &str, words: &[OsString]) -> io::Result<()> {
    match words {
        [first, rest @ ..] if first == ORPHAN => {
            spawn::start_bare(&[&[verb.into()], rest].concat())
        }
        [origin, escape, folder, rest @ ..] => {
            let process = ProbeProcess {
                verb,
                probe: Probe {
                    origin: find(&Origin::ALL, Origin::word, origin)?,
                    escape: find(&Escape::ALL, Escape::word, escape)?,
                },
                // Some leave the working directory.
                folder: std::path::absolute(Path::new(folder))?,
            };
            process.get_away(rest.first())?;
            process.live()
        }
        _ => Err(invalid("a probe, and the folder of its run")),
    }
}

/// A probe, and what makes it that one.
struct ProbeProcess<'a> {
    verb: &'a str,
    probe: Probe,
    folder: PathBuf,
}

impl ProbeProcess<'_> {
    fn get_away(&self, port: Option<&OsString>) -> io::Result<()> {
        match self.probe.escape {
            Escape::Member => {
                spawn::start_beside(&self.words(None, Escape::Child))?;
                for escape in [Escape::Daemon, Escape::Unmarked] {
                    // An orphan when this is over: what has started it has left.
                    spawn::start_beside(&self.words(Some(ORPHAN), escape))?.wait_timeout(LIFE)?;
                }
                port.map_or(Ok(()), serve)
            }
            Escape::Child => Ok(()),
            Escape::Daemon => sys::leave_everything(),
            Escape::Unmarked => {
                sys::leave_everything()?;
                sys::take_off_mark()
            }
        }
    }

    /// What makes a process be another probe of the same origin.
    fn words(&self, how: Option<&str>, escape: Escape) -> Vec<OsString> {
        let words = [self.probe.origin.word(), escape.word()];
        let words = [self.verb].into_iter().chain(how).chain(words);
        let folder = self.folder.clone().into_os_string();
        words.map(OsString::from).chain([folder]).collect()
    }

    /// Says that it is set up, and stays until it is released.
    fn live(&self) -> io::Result<()> {
        let end = Deadline::after(LIFE);
        let mut lifeline = sys::LifelineWatch::open(&self.probe.lifeline(&self.folder))?;
        let _witness = sys::hold_witness(&self.probe.witness(&self.folder))?;
        let released = poll_with(end, PAUSES, || {
            match lifeline.is_released(end.remaining()) {
                Ok(false) => None,
                result => Some(result),
            }
        });
        released.transpose().map(drop)
    }
}

/// Answers every request with 200, for as long as this process lives.
fn serve(port: &OsString) -> io::Result<()> {
    let port = port.to_str().and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| invalid("a port"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let answer = |mut stream: TcpStream| -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        // What is asked does not matter, but an answer to a request that was not read is lost.
        let _ = stream.read(&mut [0; 4096])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    thread::Builder::new().name("http".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream);
        }
    })?;
    Ok(())
}

fn find<T: Copy>(all: &[T], word: fn(T) -> &'static str, given: &OsString) -> io::Result<T> {
    let found = all.iter().find(|one| given == word(**one));
    found.copied().ok_or_else(|| invalid("a probe"))
}

fn invalid(what: &str) -> io::Error {
    let text = format!("expected {what}; this is how `doctor` starts its escape probes");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
