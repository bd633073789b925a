//! HTTP/1.1 on one connection: requests in, answers out, one after the other. Anything that reads and writes will do.
//!
//! Only what the clients of this program send is understood: bodies have a `Content-Length`. What is larger than a
//! request can sensibly be is refused, so that a connection costs a bounded amount of memory.

use std::io::{self, Read, Write};

use thiserror::Error;

use crate::api::Answer;

/// The largest request line with headers, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The most headers of one request.
const MAX_HEADERS: usize = 64;
/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A request, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    /// Whether another one may follow on the same connection.
    pub(crate) keep_alive: bool,
}

/// Why no request could be read. Nothing that follows on the connection can be understood after that.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not an HTTP request: {0}")]
    Syntax(#[from] httparse::Error),
    #[error("the headers are over {MAX_HEAD} bytes")]
    LongHead,
    #[error("the body has no usable Content-Length")]
    NoLength,
    #[error("the body is over {MAX_BODY} bytes")]
    LongBody,
}

impl ReadError {
    /// What the sender is told; nothing when the connection itself has failed.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let status = match self {
            Self::Io(_) => return None,
            Self::Syntax(_) => 400,
            Self::NoLength => 411,
            Self::LongBody => 413,
            Self::LongHead => 431,
        };
        Some(Answer::refused(status, self.to_string()))
    }
}

/// A connection, with what has been read of the next request.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Waits for the next request; there is none when the other side has closed the connection between two of them.
    pub(crate) fn read(&mut self) -> Result<Option<Request>, ReadError> {
        let head = loop {
            if let Some(head) = Head::parse(&self.unread)? {
                break head;
            }
            if self.unread.len() > MAX_HEAD {
                return Err(ReadError::LongHead);
            }
            if !self.read_more()? {
                if self.unread.is_empty() {
                    return Ok(None);
                }
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        };
        self.unread.drain(..head.length);

        if head.expects_continue && self.unread.len() < head.body_length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.unread.len() < head.body_length {
            if !self.read_more()? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(Some(Request {
            method: head.method,
            target: head.target,
            body: self.unread.drain(..head.body_length).collect(),
            keep_alive: head.keep_alive,
        }))
    }

    /// Sends an answer, as one piece: two small ones would wait for each other's acknowledgement.
    pub(crate) fn write(&mut self, answer: &Answer, keep_alive: bool) -> io::Result<()> {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let mut message = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            answer.status,
            reason(answer.status),
            answer.body.len()
        )
        .into_bytes();
        message.extend_from_slice(&answer.body);
        self.stream.write_all(&message)?;
        self.stream.flush()
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Takes what is there, and waits when nothing is; says whether there was something before the end.
    fn read_more(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        let length = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.unread.extend_from_slice(&piece[..length]);
        Ok(length > 0)
    }
}

/// The request line, and what matters of the headers.
#[derive(Debug)]
struct Head {
    /// In bytes, up to where the body begins.
    length: usize,
    method: String,
    target: String,
    body_length: usize,
    keep_alive: bool,
    expects_continue: bool,
}

impl Head {
    /// Reads a head from the beginning of what has arrived, if it is there to its end.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, ReadError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = request.parse(bytes)? else {
            return Ok(None);
        };
        let mut head = Self {
            length,
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            body_length: 0,
            keep_alive: request.version == Some(1),
            expects_continue: false,
        };
        for header in request.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let value = str::from_utf8(header.value).unwrap_or_default().trim();
            if is("content-length") {
                head.body_length = value.parse().map_err(|_| ReadError::NoLength)?;
            } else if is("transfer-encoding") {
                return Err(ReadError::NoLength);
            } else if is("connection") && value.eq_ignore_ascii_case("close") {
                head.keep_alive = false;
            } else if is("expect") && value.eq_ignore_ascii_case("100-continue") {
                head.expects_continue = true;
            }
        }
        if head.body_length > MAX_BODY {
            return Err(ReadError::LongBody);
        }
        Ok(Some(head))
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A connection whose other side sends these pieces, and no more.
    #[derive(Default)]
    struct Pieces {
        arriving: VecDeque<Vec<u8>>,
        sent: Vec<u8>,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.arriving.pop_front() else {
                return Ok(0);
            };
            let length = piece.len().min(buffer.len());
            buffer[..length].copy_from_slice(&piece[..length]);
            if length < piece.len() {
                self.arriving.push_front(piece.split_off(length));
            }
            Ok(length)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn connection<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Connection<Pieces> {
        Connection::new(Pieces {
            arriving: pieces.into_iter().map(<[u8]>::to_vec).collect(),
            sent: Vec::new(),
        })
    }

    const TWO: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b?c HTTP/1.1\r\n\r\n";

    #[test]
    fn requests_are_told_apart_however_they_arrive() {
        let request = |method: &str, target: &str, body: &[u8]| Request {
            method: method.to_owned(),
            target: target.to_owned(),
            body: body.to_vec(),
            keep_alive: true,
        };
        for size in [1, 2, 7, TWO.len()] {
            let mut connection = connection(TWO.chunks(size));
            let mut next = || connection.read().expect("well formed");
            assert_eq!(next(), Some(request("POST", "/a", b"xyz")));
            assert_eq!(next(), Some(request("GET", "/b?c", b"")));
            assert_eq!(next(), None);
        }
    }

    #[test]
    fn a_connection_is_kept_unless_the_sender_will_not() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
        ] {
            let request = connection([head.as_bytes()]).read().expect("well formed");
            assert_eq!(request.map(|request| request.keep_alive), Some(expected));
        }
    }

    #[test]
    fn a_sender_that_waits_is_asked_to_go_on() {
        let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        let mut connection = connection([head.as_slice(), b"hi"]);
        let request = connection.read().expect("well formed").expect("a request");
        assert_eq!(request.body, b"hi");
        assert_eq!(
            connection.into_stream().sent,
            b"HTTP/1.1 100 Continue\r\n\r\n"
        );
    }

    #[test]
    fn what_is_malformed_or_too_large_is_refused() {
        let long_head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        for (bytes, status) in [
            ("\u{1}\u{2}\u{3} nonsense\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 411),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            ("POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
            (&long_head, 431),
        ] {
            let error = connection([bytes.as_bytes()]).read().expect_err("refused");
            let answer = error.answer().expect("the connection is fine");
            assert_eq!(answer.status, status, "{bytes}");
        }
    }

    #[test]
    fn a_connection_that_ends_within_a_request_is_an_error_without_an_answer() {
        for end in 1..TWO.len() - 1 {
            let mut connection = connection([&TWO[..end]]);
            let failed = loop {
                match connection.read() {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            let is_between_requests = TWO[..end].ends_with(b"xyz");
            assert_eq!(failed.is_none(), is_between_requests, "cut at {end}");
            assert!(failed.is_none_or(|error| error.answer().is_none()));
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let mut connection = connection([]);
        let answer = Answer::refused(404, "no".to_owned());
        connection.write(&answer, false).expect("a vector takes it");
        let sent = String::from_utf8(connection.into_stream().sent).expect("text");
        assert_eq!(
            sent,
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\
             Connection: close\r\n\r\n{\"error\":\"no\"}"
        );
    }
}
