//! What behaves the same on every system, driven through the real binaries on each.

#![cfg(any(target_os = "linux", windows))]

mod side_by_side;

mod documents;
mod mistakes;
