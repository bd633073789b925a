//! HTTP requests to other clients. Each of them has a deadline, and none goes through a proxy.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use ureq::Agent;
use ureq::http::Response;

use crate::protocol::Refused;

/// Why a request brought nothing usable. The request is named as `GET http://…`.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error("{request} failed: {source}")]
    Failed {
        request: String,
        source: ureq::Error,
    },
    #[error("{request} was answered with {status}: {reason}")]
    Refused {
        request: String,
        status: u16,
        reason: String,
    },
    #[error("{request} has an unreadable body: {source}")]
    Body {
        request: String,
        source: serde_json::Error,
    },
}

/// Sends requests, each with the same time limit.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    agent: Agent,
}

impl Requests {
    pub(crate) fn new(timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
        }
    }

    pub(crate) fn get<A: DeserializeOwned>(&self, url: &str) -> Result<A, RequestError> {
        let request = format!("GET {url}");
        let response = self.agent.get(url).call();
        read(request, response)
    }

    pub(crate) fn post<A: DeserializeOwned>(
        &self,
        url: &str,
        body: &impl Serialize,
    ) -> Result<A, RequestError> {
        let request = format!("POST {url}");
        let body = match serde_json::to_vec(body) {
            Ok(body) => body,
            Err(source) => return Err(RequestError::Body { request, source }),
        };
        let response = self
            .agent
            .post(url)
            .content_type("application/json")
            .send(&body);
        read(request, response)
    }
}

fn read<A: DeserializeOwned>(
    request: String,
    response: Result<Response<ureq::Body>, ureq::Error>,
) -> Result<A, RequestError> {
    let read_all = |mut response: Response<ureq::Body>| {
        let body = response.body_mut().read_to_vec()?;
        Ok((response.status(), body))
    };
    let (status, body) = match response.and_then(read_all) {
        Ok(answer) => answer,
        Err(source) => return Err(RequestError::Failed { request, source }),
    };
    if !status.is_success() {
        let reason = match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => refused.error,
            Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
        };
        return Err(RequestError::Refused {
            request,
            status: status.as_u16(),
            reason,
        });
    }
    serde_json::from_slice(&body).map_err(|source| RequestError::Body { request, source })
}
