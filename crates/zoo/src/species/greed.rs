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

/// How a request begins that asks a hog to take so many MiB.
const GROW: &[u8] = b"GET /grow/";

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
    let request = loop {
        let request = answer_one(listener, Answer::Ready);
        if request.starts_with(GROW) {
            break request;
        }
    };
    let digits = request[GROW.len()..].iter();
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    let meal = digits.fold(0, |meal, byte| {
        (meal * 10 + usize::from(byte - b'0')).min(MEAL)
    });
    // Not zeros, which the kernel would not give a page for before they are written to.
    let kept = vec![1_u8; meal * MIB];
    std::hint::black_box(&kept);
    serve(Some(listener))
}
