//! The observer's side: who is set up, who is left, and letting everybody go.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::Part;
use crate::sys;
use crate::wait::{Deadline, poll_until};

/// A folder with the pipes of one run's parts. Dropping it lets everything go that is staged in it.
#[derive(Debug)]
pub struct Stage {
    witnesses: Vec<Witness>,
    /// Both are held for as long as the parts are to stay.
    leashes: Option<Leashes>,
}

/// The pipes that the parts watch.
#[derive(Debug)]
struct Leashes {
    cue: File,
    /// Never written to.
    _leash: File,
}

/// The pipe of one part.
#[derive(Debug)]
struct Witness {
    part: Part,
    pipe: File,
    has_spoken: bool,
    is_held: bool,
}

impl Stage {
    /// Makes the pipes, in a folder that is there.
    pub fn set(folder: &Path) -> io::Result<Self> {
        let hold = |name: &str| {
            let path = folder.join(name);
            sys::make_pipe(&path)?;
            sys::open_pipe_to_hold(&path)
        };
        let witness = |part: Part| {
            let path = part.witness(folder);
            sys::make_pipe(&path)?;
            Ok(Witness {
                part,
                pipe: sys::open_pipe_to_read(&path)?,
                has_spoken: false,
                is_held: false,
            })
        };
        Ok(Self {
            leashes: Some(Leashes {
                cue: hold("cue")?,
                _leash: hold("leash")?,
            }),
            witnesses: Part::all().map(witness).collect::<io::Result<_>>()?,
        })
    }

    /// Which parts have not said yet that they are set up.
    pub fn missing(&mut self) -> io::Result<Vec<Part>> {
        self.look()?;
        Ok(self.parts(|witness| !witness.has_spoken))
    }

    /// Which parts are still there.
    pub fn left(&mut self) -> io::Result<Vec<Part>> {
        self.look()?;
        Ok(self.parts(|witness| witness.is_held))
    }

    /// Lets the test pass.
    pub fn let_test_pass(&mut self) -> io::Result<()> {
        match &mut self.leashes {
            Some(leashes) => leashes.cue.write_all(b"."),
            None => Ok(()),
        }
    }

    /// Lets everything go, which ends by itself then. Returns what is still there at the deadline.
    pub fn clear(&mut self, deadline: Deadline) -> io::Result<Vec<Part>> {
        self.leashes = None;
        let gone = poll_until(deadline, || match self.left() {
            Ok(left) if !left.is_empty() => None,
            look => Some(look),
        });
        gone.unwrap_or_else(|| self.left())
    }

    fn parts(&self, which: impl Fn(&Witness) -> bool) -> Vec<Part> {
        let found = self.witnesses.iter().filter(|witness| which(witness));
        found.map(|witness| witness.part).collect()
    }

    fn look(&mut self) -> io::Result<()> {
        self.witnesses.iter_mut().try_for_each(Witness::look)
    }
}

impl Witness {
    fn look(&mut self) -> io::Result<()> {
        loop {
            match self.pipe.read(&mut [0; 16]) {
                // Nobody has it open for writing.
                Ok(0) => self.is_held = false,
                Ok(_) => {
                    self.has_spoken = true;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_held = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}
