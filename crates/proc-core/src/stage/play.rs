//! A staged process at work.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt;

use super::{Escape, LIFE, Origin, Part};
use crate::spawn;
use crate::sys;
use crate::wait::{Deadline, Pauses, poll_with};

/// What makes a process start the one that is meant, and leave: that one is an orphan then.
const ORPHAN: &str = "orphan";

/// Between two looks at the leash, where it cannot be waited for. There are many who look.
const PAUSES: Pauses = Pauses {
    first: Duration::from_millis(100),
    longest: Duration::from_millis(250),
};

/// How long whoever asks a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

/// Is one staged process, from its start to its end. The words are `client member FOLDER PORT` or `test member FOLDER`,
/// or what such a process gives to one that it starts itself; `verb` comes before them.
pub fn play(verb: &str, words: &[OsString]) -> io::Result<()> {
    match words {
        [first, rest @ ..] if first == ORPHAN => {
            spawn::start_bare(&[&[verb.into()], rest].concat())
        }
        [origin, escape, folder, rest @ ..] => {
            let player = Player {
                verb,
                part: Part {
                    origin: find(&Origin::ALL, Origin::word, origin)?,
                    escape: find(&Escape::ALL, Escape::word, escape)?,
                },
                // Some leave the working directory.
                folder: std::path::absolute(Path::new(folder))?,
            };
            player.get_away(rest.first())?;
            player.live()
        }
        _ => Err(invalid("a part, and the folder of a stage")),
    }
}

/// A staged process.
struct Player<'a> {
    verb: &'a str,
    part: Part,
    folder: PathBuf,
}

impl Player<'_> {
    fn get_away(&self, port: Option<&OsString>) -> io::Result<()> {
        match self.part.escape {
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

    /// What makes a process be another part of the same origin.
    fn words(&self, how: Option<&str>, escape: Escape) -> Vec<OsString> {
        let words = [self.part.origin.word(), escape.word()];
        let words = [self.verb].into_iter().chain(how).chain(words);
        let folder = self.folder.clone().into_os_string();
        words.map(OsString::from).chain([folder]).collect()
    }

    /// Says that it is set up, and stays until the leash is let go.
    fn live(&self) -> io::Result<()> {
        let end = Deadline::after(LIFE);
        let mut held = sys::Held::by(&self.part.leash(&self.folder))?;
        let _witness = sys::be_witnessed(&self.part.witness(&self.folder))?;
        let let_go = poll_with(end, PAUSES, || match held.is_let_go(end.remaining()) {
            Ok(false) => None,
            result => Some(result),
        });
        let_go.transpose().map(drop)
    }
}

/// Answers every request with 200, for as long as this process lives.
fn serve(port: &OsString) -> io::Result<()> {
    let port = port.to_str().and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| invalid("a port"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let answer = |mut stream: TcpStream| -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        // What is asked does not matter, but who hangs up on a question unheard is not listened to.
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
    found.copied().ok_or_else(|| invalid("a part of a stage"))
}

fn invalid(what: &str) -> io::Error {
    let text = format!("expected {what}; this is how `doctor` starts what it stages");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
