//! What turns against its guardian.

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::answers::orphan;
use super::ignore_requests;
use crate::life;
use crate::serve::serve;

/// How often to knock, and in how many processes, none of which runs out of descriptors itself.
const KNOCKS: usize = 150;
const KNOCKERS: usize = 4;

pub(super) fn besieger(listener: Option<&TcpListener>) -> io::Result<()> {
    for _ in 0..KNOCKERS {
        orphan(|set_up| {
            ignore_requests();
            let links: Vec<UnixStream> = (0..KNOCKS).map_while(|_| knock().ok()).collect();
            drop(set_up);
            let _links = links;
            life::rest()
        })?;
    }
    serve(listener)
}

pub(super) fn chatterbox(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        ignore_requests();
        if let Ok(mut link) = knock() {
            let words = vec![b'x'; 1 << 20];
            for _ in 0..200 {
                if link.write_all(&words).is_err() {
                    break;
                }
            }
            drop(set_up);
            life::rest();
        }
    })?;
    serve(listener)
}

pub(super) fn lingerer(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        ignore_requests();
        let words = [
            r#"{"request":"detach"}"#,
            r#"{"request":"end","reason":"none","grace_ms":3600000}"#,
        ];
        let mut links = Vec::new();
        for word in words {
            if let Ok(mut link) = knock() {
                let _ = writeln!(link, "{word}");
                links.push(link);
            }
        }
        drop(set_up);
        let _links = links;
        life::rest()
    })?;
    serve(listener)
}

fn knock() -> io::Result<UnixStream> {
    let folder = std::env::var_os("XTASK_RUN_DIR").ok_or(io::ErrorKind::NotFound)?;
    // The path of a socket is short; that of a run's folder need not be.
    std::env::set_current_dir(folder)?;
    let link = UnixStream::connect("door")?;
    link.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(link)
}
