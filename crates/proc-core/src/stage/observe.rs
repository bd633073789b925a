//! The observer's side: who is set up, who is left, and letting everybody go.

use std::io;
use std::path::Path;

use super::{CUE, LEASH, Part};
use crate::sys::{Leash, Witness};
use crate::wait::{Deadline, poll_until};

/// What shows who of one run's parts is there, and what they are held by, in one folder. Dropping it lets everything go
/// that is staged there.
#[derive(Debug)]
pub struct Stage {
    witnesses: Vec<(Part, Witness)>,
    /// What the test is held by.
    cue: Option<Leash>,
    /// What all others are held by.
    leash: Option<Leash>,
}

impl Stage {
    /// Prepares everything, in a folder that is there.
    pub fn set(folder: &Path) -> io::Result<Self> {
        let call = |part: Part| Ok((part, Witness::call(&part.witness(folder))?));
        Ok(Self {
            cue: Some(Leash::tie(&folder.join(CUE))?),
            leash: Some(Leash::tie(&folder.join(LEASH))?),
            witnesses: Part::all().map(call).collect::<io::Result<_>>()?,
        })
    }

    /// Which parts have not said yet that they are set up.
    pub fn missing(&mut self) -> io::Result<Vec<Part>> {
        self.parts(|witness| Ok(!witness.has_spoken()?))
    }

    /// Which parts are still there.
    pub fn left(&mut self) -> io::Result<Vec<Part>> {
        self.parts(Witness::is_there)
    }

    /// Lets the test pass.
    pub fn let_test_pass(&mut self) {
        self.cue = None;
    }

    /// Lets everything go, which ends by itself then. Returns what is still there at the deadline.
    pub fn clear(&mut self, deadline: Deadline) -> io::Result<Vec<Part>> {
        self.cue = None;
        self.leash = None;
        let gone = poll_until(deadline, || match self.left() {
            Ok(left) if !left.is_empty() => None,
            look => Some(look),
        });
        gone.unwrap_or_else(|| self.left())
    }

    fn parts(
        &mut self,
        mut which: impl FnMut(&mut Witness) -> io::Result<bool>,
    ) -> io::Result<Vec<Part>> {
        let mut found = Vec::new();
        for (part, witness) in &mut self.witnesses {
            if which(witness)? {
                found.push(*part);
            }
        }
        Ok(found)
    }
}
