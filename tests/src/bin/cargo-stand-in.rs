//! `cargo`, as far as `cargo xtask …` goes: runs the `xtask` that is found in `PATH`. A copy of it is called `cargo`.

use std::io;
use std::process::{Command, ExitCode};

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is to be contained: it stands for what calls the tool"
)]
fn main() -> io::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|verb| verb != "xtask") {
        return Err(io::Error::other("this stands in for `cargo xtask` only"));
    }
    let status = Command::new("xtask").args(arguments).status()?;
    // No code of the tool's is larger.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(u8::MAX)))
}
