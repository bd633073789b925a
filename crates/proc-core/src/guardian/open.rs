//! Opening a run: nothing is started before all that it needs is had and written down.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Guardian;
use super::events::Connections;
use super::members::Members;
use super::obtain::contain;
use crate::contain::{Containment, Root};
use crate::ledger::{Entry, Ledger, Opened, VERSION as LEDGER_VERSION, take_lock};
use crate::membership::RunSigns;
use crate::port::{self, Lease};
use crate::protocol::{self, AfterTest, CONTROL_SOCKET, Open, Refusal};
use crate::sys::{self, StdStreams};
use crate::table::Process;
use crate::wait::{Deadline, poll_until};

/// How long a guardian waits for its run's lock: a reader that asks whether the run lives holds it for an instant.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

impl Guardian {
    /// Claims what a run needs: its lock, its ports, a ledger, and the containment that is asked for.
    pub(super) fn open(
        open: &Open,
        prepared: io::Result<()>,
        streams: Option<StdStreams>,
        mut leases: Vec<Lease>,
        connections: Connections,
    ) -> Result<Self, Refusal> {
        if open.version != protocol::VERSION {
            return Err(Refusal::Version {
                guardian: protocol::VERSION.into(),
            });
        }
        let folder = PathBuf::from(&open.folder);
        let lock = poll_until(Deadline::after(LOCK_TIMEOUT), || {
            take_lock(&folder).transpose()
        });
        let lock = unable(
            "lock the run's folder",
            lock.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())),
        )?;
        for port in &open.ports {
            if leases.iter().any(|lease| lease.port() == *port) {
                continue;
            }
            match unable("lease a port", port::lease(*port))? {
                Some(lease) => leases.push(lease),
                None => return Err(Refusal::PortLeased { port: *port }),
            }
        }
        let root = unable("contain the run", Root::begin())?;
        let own = unable(
            "look at itself",
            Process::read(std::process::id()).ok_or("the process table does not show it"),
        )?;
        let opened = Opened {
            version: LEDGER_VERSION,
            run: open.run.clone(),
            root: open.root.clone(),
            time: open.time.clone(),
            boot: root.boot(),
            pid_namespace: unable("tell its PID namespace", sys::pid_namespace())?,
            guardian: own.identity(),
            guardian_number: own.origin().map(|origin| origin.number),
            launcher: open.launcher,
            owner: open.owner,
            mark: root.mark(),
            ports: open.ports.clone(),
            grace: Some(open.grace),
        };
        let mut ledger = unable("write the ledger", Ledger::create(&folder, opened))?;
        let close = |ledger: &mut Ledger| {
            let _ = ledger.append(&Entry::Closed { exempt: Vec::new() });
        };
        let (containment, unavailable) = contain(root, open, prepared, &mut ledger)
            // Nothing is held by then, and nothing was started.
            .inspect_err(|_| close(&mut ledger))?;
        let mechanism = containment.mechanism();
        let contained = ledger.append(&Entry::Contained { mechanism });
        unable("write the ledger", contained)
            .and_then(|()| watch(&containment, open, &folder, &connections))
            .inspect_err(|_| {
                // Nothing was started, so nothing is left but what the kernel keeps for the run.
                if containment.remove().is_ok() {
                    close(&mut ledger);
                }
            })?;
        Ok(Self {
            signs: RunSigns {
                is_live: true,
                guardian: Some(own.identity()),
                keeps_pids: true,
                mark: root.mark(),
                ..RunSigns::new(open.run.clone())
            },
            folder,
            containment,
            ledger,
            lock: Some(lock),
            leases,
            connections,
            streams,
            members: Members::default(),
            grace: open.grace,
            detached: false,
            after_test: AfterTest::Wait,
            own: own.identity(),
            unavailable,
            leaked: Vec::new(),
            is_ending: false,
            released: BTreeSet::new(),
        })
    }
}

/// Listens to all that a run may be ended for.
fn watch(
    containment: &Containment,
    open: &Open,
    folder: &Path,
    connections: &Connections,
) -> Result<(), Refusal> {
    if let Some(watch) = unable("watch the run", containment.watch())? {
        unable("watch the run", connections.listen_to(watch))?;
    }
    unable(
        "open the control socket",
        connections.open_control_socket(folder, CONTROL_SOCKET),
    )?;
    if let Some(owner) = open.owner {
        unable("watch the owner", connections.watch_owner(&owner))?;
    }
    Ok(())
}

fn unable<T>(operation: &str, result: Result<T, impl std::fmt::Display>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::Unable {
        operation: operation.into(),
        error: error.to_string(),
    })
}
