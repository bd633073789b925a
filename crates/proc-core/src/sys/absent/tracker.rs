//! Systems that keep a tree together do not need it followed.

use std::io;

use crate::identity::Identity;

/// Follows a tree from fork to fork.
#[derive(Debug)]
pub(crate) enum Tracker {}

impl Tracker {
    pub(crate) fn begin(
        _guardian: &Identity,
        _variable: &'static str,
        _run: &str,
    ) -> io::Result<Self> {
        super::absent()
    }

    pub(crate) fn look(&self) -> io::Result<Vec<Identity>> {
        match *self {}
    }

    pub(crate) fn wait(&self) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn root_of(&self, _identity: &Identity) -> Option<Identity> {
        match *self {}
    }
}
