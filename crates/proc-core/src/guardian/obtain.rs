//! Obtaining the containment that a launcher asks for, or refusing the run.

use std::io;

use crate::contain::Containment;
use crate::guarantee::{Mechanism, Unavailable};
use crate::ledger::{Entry, Ledger};
use crate::protocol::{Open, Refusal};

/// Obtains the first of the containments that may be tried, and says which were tried in vain.
pub(super) fn contain(
    containment: &mut Containment,
    open: &Open,
    ledger: &mut Ledger,
) -> Result<Vec<Unavailable>, Refusal> {
    let mut unavailable = Vec::new();
    for mechanism in open.contain.candidates() {
        let result = if open.require.is_some_and(|level| mechanism.level() < level) {
            Err(format!("it promises no more than {}", mechanism.level()))
        } else {
            obtain(containment, mechanism, &open.run, ledger).map_err(|error| error.to_string())
        };
        match result {
            Ok(()) => return Ok(unavailable),
            Err(why) => unavailable.push(Unavailable { mechanism, why }),
        }
    }
    // Nothing was started, so nothing is left.
    let _ = ledger.append(&Entry::Closed);
    Err(Refusal::Guarantee { unavailable })
}

fn obtain(
    containment: &mut Containment,
    mechanism: Mechanism,
    run: &str,
    ledger: &mut Ledger,
) -> io::Result<()> {
    let mut record = |entry| ledger.append(&entry).map_err(io::Error::other);
    match mechanism {
        Mechanism::Subreaper => {}
        Mechanism::Cgroup => containment.make_cgroup(run, |folder| {
            record(Entry::Containing {
                cgroup: folder.to_owned(),
            })
        })?,
        Mechanism::Pidns => return Err(io::ErrorKind::Unsupported.into()),
    }
    record(Entry::Contained { mechanism })
}
