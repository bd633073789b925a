//! Handing the inputs of the own ship on to the other clients.

use std::time::Duration;

use crate::protocol::{Done, Replicate};
use crate::requests::Requests;

/// How long one peer may take. All are told side by side, so a slow one costs this much once.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The other clients, as this one was told.
#[derive(Clone, Debug)]
pub(crate) struct PeerList {
    urls: Vec<String>,
    requests: Requests,
}

/// How a replication went.
#[derive(Debug, Default)]
pub(crate) struct Replication {
    pub(crate) replicated: usize,
    pub(crate) failed: Vec<String>,
}

impl PeerList {
    pub(crate) fn none() -> Self {
        Self {
            urls: Vec::new(),
            requests: Requests::new(TIMEOUT),
        }
    }

    pub(crate) fn set(&mut self, urls: Vec<String>) {
        self.urls = urls;
    }

    /// Tells every peer, and waits for all of their answers.
    pub(crate) fn replicate(&self, input: &Replicate) -> Replication {
        let tell = |url: &String| {
            self.requests
                .post::<Done>(&format!("{url}/replicate"), input)
                .map_err(|error| error.to_string())
        };
        let mut replication = Replication::default();
        std::thread::scope(|scope| {
            let told: Vec<_> = self
                .urls
                .iter()
                .map(|url| scope.spawn(move || tell(url)))
                .collect();
            for (url, thread) in self.urls.iter().zip(told) {
                match thread.join() {
                    Ok(Ok(_)) => replication.replicated += 1,
                    Ok(Err(message)) => replication.failed.push(message),
                    Err(_) => replication.failed.push(format!("telling {url} panicked")),
                }
            }
        });
        replication
    }
}
