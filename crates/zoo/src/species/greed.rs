//! What takes more than its share.

use std::io::{self, Write};
use std::net::TcpListener;

use super::answers::orphan;
use super::ignore_requests;
use crate::life;
use crate::serve::{Answer, answer_one, serve};

const MIB: usize = 1 << 20;

/// What a disk may lose: more than a small one has, and nothing to a usual one.
const FLOOD: usize = 4;

/// What a machine may lose, in MiB: more than a memory limit of a test allows, and less than a machine has.
const MEAL: usize = 512;

pub(super) fn flooder(listener: Option<&TcpListener>) -> ! {
    let line = vec![b'.'; MIB];
    for _ in 0..FLOOD {
        // A full disk is what it is after.
        let _ = io::stderr().write_all(&line);
    }
    serve(listener)
}

pub(super) fn hog(listener: Option<&TcpListener>) -> io::Result<()> {
    orphan(|set_up| {
        ignore_requests();
        drop(set_up);
        life::rest()
    })?;
    let Some(listener) = listener else {
        life::rest()
    };
    while !answer_one(listener, Answer::Ready).starts_with(b"GET /grow") {}
    // Not zeros, which the kernel would not give a page for before they are written to.
    std::hint::black_box(vec![1_u8; MEAL * MIB]);
    serve(Some(listener))
}
