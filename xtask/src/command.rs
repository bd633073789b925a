//! One command, one file.

pub(crate) mod cleanup;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod launch;
pub(crate) mod postflight;
pub(crate) mod preflight;
pub(crate) mod schema;
pub(crate) mod stage;
pub(crate) mod status;
