//! The observer's side: which probes are set up, which are left, and releasing them.

use std::io;
use std::path::Path;

use super::{LIFELINE, Probe, TEST_LIFELINE};
use crate::sys::{Lifeline, Witness};
use crate::wait::{Deadline, poll_until};

/// The probes of one run, by what shows that they are there and by their lifelines, in one folder. Dropping it releases
/// all of them.
#[derive(Debug)]
pub struct Probes {
    witnesses: Vec<(Probe, Witness)>,
    /// Released by being dropped, as the other one.
    of_test: Option<Lifeline>,
    of_others: Option<Lifeline>,
}

impl Probes {
    /// Prepares everything, in a folder that is there.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let witness = |probe: Probe| Ok((probe, Witness::prepare(&probe.witness(folder))?));
        Ok(Self {
            of_test: Some(Lifeline::make(&folder.join(TEST_LIFELINE))?),
            of_others: Some(Lifeline::make(&folder.join(LIFELINE))?),
            witnesses: Probe::all().map(witness).collect::<io::Result<_>>()?,
        })
    }

    /// Which probes have not said yet that they are set up.
    pub fn missing(&mut self) -> io::Result<Vec<Probe>> {
        self.probes(|witness| Ok(!witness.is_set_up()?))
    }

    /// Which probes are still there.
    pub fn left(&mut self) -> io::Result<Vec<Probe>> {
        self.probes(Witness::is_there)
    }

    /// Releases the test, which passes then.
    pub fn release_test(&mut self) {
        self.of_test = None;
    }

    /// Releases all of them, which end by themselves then. Returns what is still there at the deadline.
    pub fn release_all(&mut self, deadline: Deadline) -> io::Result<Vec<Probe>> {
        self.of_test = None;
        self.of_others = None;
        let gone = poll_until(deadline, || match self.left() {
            Ok(left) if !left.is_empty() => None,
            look => Some(look),
        });
        gone.unwrap_or_else(|| self.left())
    }

    fn probes(
        &mut self,
        mut which: impl FnMut(&mut Witness) -> io::Result<bool>,
    ) -> io::Result<Vec<Probe>> {
        let mut found = Vec::new();
        for (probe, witness) in &mut self.witnesses {
            if which(witness)? {
                found.push(*probe);
            }
        }
        Ok(found)
    }
}
