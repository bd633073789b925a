//! A bound on how many processes a species ever starts: each start takes a token, and none are put back.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};

/// Tokens that a process shares with everything that it forks.
#[derive(Debug)]
pub(crate) struct Purse {
    tokens: OwnedFd,
    _keep_open: OwnedFd,
}

impl Purse {
    /// So many tokens: 60,000 at most, which fit into a pipe.
    pub(crate) fn with(count: usize) -> io::Result<Self> {
        let (tokens, fill) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        rustix::io::write(&fill, &vec![0; count.min(60_000)])?;
        Ok(Self {
            tokens,
            _keep_open: fill,
        })
    }

    /// Takes a token. `false`: there are none left.
    pub(crate) fn take(&self) -> bool {
        rustix::io::read(&self.tokens, &mut [0; 1]) == Ok(1)
    }
}
