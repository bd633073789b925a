//! The built-in client; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_client::run()
}
