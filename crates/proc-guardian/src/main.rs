//! The guardian of one run; everything that it does is in [`proc_core::guardian`].

use std::process::ExitCode;

fn main() -> ExitCode {
    proc_core::guardian::main(std::env::args().skip(1))
}
