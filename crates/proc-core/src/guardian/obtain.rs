//! Obtaining the containment that a launcher asks for, or refusing the run.

use std::io;
use std::path::Path;

use crate::contain::{Containment, Root, mechanisms};
use crate::guarantee::{Mechanism, Unavailable};
use crate::ledger::{Entry, Ledger};
use crate::protocol::{Open, Refusal};
use crate::sys;

/// Does what has to be done before this process has a second thread, for the containment that is asked for.
pub(super) fn prepare(open: &Open) -> io::Result<()> {
    let candidates = open.contain.candidates(mechanisms());
    if candidates.contains(&Mechanism::Pidns) && mechanisms().contains(&Mechanism::Pidns) {
        sys::become_able_to_make_namespaces()
    } else {
        Ok(())
    }
}

/// Obtains the first of the containments that may be tried, and says which were tried in vain. `prepared` is what came
/// of [`prepare`].
pub(super) fn contain(
    root: Root,
    open: &Open,
    prepared: io::Result<()>,
    ledger: &mut Ledger,
) -> Result<(Containment, Vec<Unavailable>), Refusal> {
    let mut unavailable = Vec::new();
    // What cannot be written down says nothing about what is available.
    let mut unwritten = None;
    let prepared = prepared.map_err(|error| error.to_string());
    for mechanism in open.contain.candidates(mechanisms()) {
        let mut record = |entry: &Entry| {
            ledger.append(entry).map_err(|error| {
                unwritten = Some(error.to_string());
                io::Error::other(error)
            })
        };
        let result = if open.require.is_some_and(|level| mechanism.level() < level) {
            Err(format!("it promises no more than {}", mechanism.level()))
        } else if !mechanisms().contains(&mechanism) {
            Err("this operating system has none".into())
        } else if let (Mechanism::Pidns, Err(why)) = (mechanism, &prepared) {
            Err(why.clone())
        } else {
            obtain(root, mechanism, open, &mut record).map_err(|error| error.to_string())
        };
        match result {
            Ok(containment) => return Ok((containment, unavailable)),
            Err(why) => unavailable.push(Unavailable { mechanism, why }),
        }
        if let Some(error) = unwritten {
            return Err(Refusal::Unable {
                operation: "write the ledger".into(),
                error,
            });
        }
    }
    Err(Refusal::Guarantee { unavailable })
}

fn obtain(
    root: Root,
    mechanism: Mechanism,
    open: &Open,
    record: &mut dyn FnMut(&Entry) -> io::Result<()>,
) -> io::Result<Containment> {
    let mut intend = |folder: &Path| {
        record(&Entry::Containing {
            cgroup: folder.to_owned(),
        })
    };
    Containment::obtain(root, mechanism, &open.run, &mut intend)
}
