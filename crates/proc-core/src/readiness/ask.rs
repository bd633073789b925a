//! One HTTP request, which may be interrupted.

use std::io::{self, Read};
use std::time::Duration;

use ureq::Agent;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status.
    Status(u16),
    /// No answer, for this reason; the next request may bring one.
    None(String),
    /// Not even a request, for this reason, nor will there ever be one.
    Impossible(String),
}

/// How much of an answer's body is read, for politeness: a server whose answer is not taken sees an error.
const LARGEST_BODY: u64 = 64 << 10;

/// The holder of the agent can interrupt its requests ([`Agent::shutdown`]).
///
/// No proxy, whatever the environment says; no redirects; and no connection that is kept, since it would occupy a
/// server that has only one thread.
pub(super) fn agent(host: &str, timeout: Duration) -> Agent {
    // Looking up a name takes a thread more; an address needs none.
    let is_name = host.parse::<std::net::Ipv4Addr>().is_err() && !host.starts_with('[');
    // The phases have a limit each rather than the whole, because a limit for the whole also counts as one for looking
    // up the host.
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent("clean-slate")
        .timeout_resolve(is_name.then_some(timeout))
        .timeout_connect(Some(timeout))
        .timeout_send_request(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_recv_body(Some(timeout))
        .build()
        .into()
}

/// Sends one request, tells the answer as soon as its status is known, and reads what is left of it.
pub(super) fn ask(agent: &Agent, url: &str, tell: impl FnOnce(Answer)) {
    match agent.get(url).header("connection", "close").call() {
        Ok(response) => {
            tell(Answer::Status(response.status().as_u16()));
            let mut body = response.into_body().into_reader().take(LARGEST_BODY);
            // The answer has been told. What happens to the rest of it does not matter.
            let _ = io::copy(&mut body, &mut io::sink());
        }
        Err(error) => tell(explain(error)),
    }
}

fn explain(error: ureq::Error) -> Answer {
    use ureq::Error;
    match error {
        Error::BadUri(_) | Error::Http(_) | Error::RequireHttpsOnly(_) | Error::TlsRequired => {
            Answer::Impossible(error.to_string())
        }
        Error::Timeout(_) => Answer::None("the request timed out".to_owned()),
        Error::Io(error) => Answer::None(error.to_string()),
        other => Answer::None(other.to_string()),
    }
}
