//! A program that serves `/status` and misbehaves. See the library.

#[cfg(any(target_os = "linux", windows))]
fn main() -> std::process::ExitCode {
    zoo::main()
}

/// Nothing is bred for other systems.
#[cfg(not(any(target_os = "linux", windows)))]
fn main() {}
