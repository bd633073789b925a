//! One command, one file, in the order in which they build on each other: each imports only from those above it.

pub(crate) mod init;

pub(crate) mod launch;

pub(crate) mod preflight;

pub(crate) mod cleanup;

pub(crate) mod postflight;

pub(crate) mod status;

pub(crate) mod escape_probe;

pub(crate) mod doctor;

pub(crate) mod schema;
