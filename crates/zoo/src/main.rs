//! A program that serves `/status` and misbehaves. See the library.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    zoo::main()
}

/// What is bred here are the tricks of Linux.
#[cfg(not(target_os = "linux"))]
fn main() {}
