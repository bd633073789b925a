//! An HTTP server that gives one answer to everything.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::life;

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ready,
    NotYet,
}

/// Serves until the end, or only rests where there is nothing to serve.
pub(crate) fn serve(listener: Option<&TcpListener>) -> ! {
    match listener {
        Some(listener) => loop {
            answer_one(listener, Answer::Ready);
        },
        None => life::rest(),
    }
}

/// Serves in a thread of its own.
pub(crate) fn serve_beside(listener: Option<TcpListener>) {
    thread::spawn(move || serve(listener.as_ref()));
}

/// Answers one request, and returns how it began. A connection that says nothing for a while is not waited for.
pub(crate) fn answer_one(listener: &TcpListener, answer: Answer) -> Vec<u8> {
    let Ok((mut stream, _)) = listener.accept() else {
        // Only for want of descriptors, which others may give back.
        thread::sleep(Duration::from_millis(10));
        return Vec::new();
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).unwrap_or(0);
    request.truncate(length);
    let (status, body) = match answer {
        Answer::Ready => ("200 OK", "ready"),
        Answer::NotYet => ("503 Service Unavailable", "not yet"),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    request
}
