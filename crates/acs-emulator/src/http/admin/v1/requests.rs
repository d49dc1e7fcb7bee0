//! The latest requests to the service, with the verdict on their signature.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Parameters;
use super::list::{ListParameters, Page};
use super::problem::Problem;
use crate::activity::{self, Change, Denial, NumberedRequest, Scheme, Verdict};
use crate::auth::hmac::Denied;
use crate::auth::keys::AccessKey;
use crate::faults::Operation;
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::service::state::State as ServiceState;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/requests", get(list).delete(clear))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    id: u64,
    at: Timestamp,
    method: String,
    path: String,
    host: String,
    operation: Operation,
    status: Option<u16>,
    error_code: Option<String>,
    error_message: Option<String>,
    duration_ms: u64,
    client_request_id: Option<String>,
    user_agent: Option<String>,
    authentication: Authentication,
    fault_id: Option<u64>,
    repeated: bool,
    call_id: Option<Uuid>,
    recording_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    scheme: &'static str,
    verdict: &'static str,
    key: Option<&'static str>,
    reason: Option<&'static str>,
    message: Option<String>,
    hint: Option<&'static str>,
    string_to_sign: Option<String>,
    skew_ms: Option<i128>,
}

impl From<&activity::Authentication> for Authentication {
    fn from(authentication: &activity::Authentication) -> Self {
        let accepted = Self {
            scheme: match authentication.scheme {
                Scheme::Hmac => "hmac",
                Scheme::Bearer => "bearer",
                Scheme::None => "none",
            },
            verdict: "accepted",
            key: None,
            reason: None,
            message: None,
            hint: None,
            string_to_sign: None,
            skew_ms: None,
        };
        match &authentication.verdict {
            Verdict::NotRequired => Self {
                verdict: "notRequired",
                ..accepted
            },
            Verdict::Accepted(key) => Self {
                key: key.map(|key| match key {
                    AccessKey::Primary => "primary",
                    AccessKey::Secondary => "secondary",
                }),
                ..accepted
            },
            Verdict::Denied(denial) => Self {
                verdict: "denied",
                reason: Some(reason(denial.reason, authentication.scheme)),
                message: Some(message(denial)),
                hint: Some(hint(denial.reason, authentication.scheme)),
                string_to_sign: denial.string_to_sign.clone(),
                skew_ms: denial.skew.map(|skew| skew.as_millis()),
                ..accepted
            },
        }
    }
}

fn reason(denied: Denied, scheme: Scheme) -> &'static str {
    match (denied, scheme) {
        (Denied::Header("authorization"), Scheme::Hmac) => "invalidHeader",
        (Denied::Header(_), _) => "missingHeader",
        (Denied::ContentHash, _) => "contentHash",
        (Denied::Skew, _) => "skew",
        (Denied::Signature, _) => "signature",
        (Denied::Host, _) => "host",
        (Denied::Token, _) => "token",
    }
}

fn message(denial: &Denial) -> String {
    match denial.reason {
        Denied::Header(name) => format!("The header {name} is missing or cannot be used."),
        Denied::ContentHash => {
            "The header x-ms-content-sha256 is not the hash of the received body.".to_owned()
        }
        Denied::Skew => {
            let seconds = denial.skew.map_or(0, |skew| skew.as_secs());
            format!("The date in x-ms-date differs from the service's time by {seconds} s.")
        }
        Denied::Signature => "Neither access key gives the signature of this request.".to_owned(),
        Denied::Host => "The request does not name a host of the resource.".to_owned(),
        Denied::Token => "The token is not valid for this resource.".to_owned(),
    }
}

fn hint(denied: Denied, scheme: Scheme) -> &'static str {
    match (denied, scheme) {
        (Denied::Header(_), Scheme::None) => {
            "Sign the request with an access key, or send a bearer token."
        }
        (Denied::Header(_), _) => {
            "Send authorization, x-ms-date (an HTTP date) and x-ms-content-sha256, each once."
        }
        (Denied::ContentHash, _) => {
            "Hash the body exactly as it is sent, with SHA-256, and encode the hash in base64."
        }
        (Denied::Skew, _) => "Correct the clock of the client. Up to 5 minutes are allowed.",
        (Denied::Signature, _) => {
            "Compare the string to sign with that of the client, and check the access key."
        }
        (Denied::Host, _) => "Send the host of the resource in x-ms-host, and sign for it.",
        (Denied::Token, _) => "Get a new token from this emulator.",
    }
}

impl Request {
    fn new(request: &NumberedRequest, runtime: &Runtime, state: &ServiceState) -> Self {
        let record = &request.record;
        let (call_id, recording_id) = subject(&record.path, runtime, state);
        Self {
            id: request.id,
            at: record.at,
            method: record.method.to_string(),
            path: match &record.query {
                Some(query) => format!("{}?{query}", record.path),
                None => record.path.clone(),
            },
            host: record.host.clone(),
            operation: record.operation,
            status: record.status.map(|status| status.as_u16()),
            error_code: record.error.as_ref().map(|error| error.code.clone()),
            error_message: record.error.as_ref().map(|error| error.message.clone()),
            duration_ms: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            client_request_id: record.client_request_id.clone(),
            user_agent: record.user_agent.clone(),
            authentication: (&record.authentication).into(),
            fault_id: record.fault,
            repeated: record.repeated,
            call_id,
            recording_id,
        }
    }
}

/// The call and the recording that a path names, if they are known.
fn subject(path: &str, runtime: &Runtime, state: &ServiceState) -> (Option<Uuid>, Option<String>) {
    let id = |prefix: &str| {
        let rest = path.strip_prefix(prefix)?;
        let id = rest.split(['/', ':']).next()?;
        (!id.is_empty()).then_some(id)
    };
    if let Some(id) = id("/calling/callConnections/") {
        return (
            state
                .calls
                .of_connection(id)
                .map(|call| call.correlation_id),
            None,
        );
    }
    let catalog = &runtime.store.catalog;
    let entry = if let Some(id) = id("/calling/recordings/") {
        if let Ok(recording) = state.recordings.get(id) {
            let call = state.calls.get(recording.call).correlation_id;
            return (Some(call), Some(id.to_owned()));
        }
        catalog.get(id)
    } else {
        id("/v1/objects/").and_then(|id| catalog.of_document(id))
    };
    let call = entry.as_ref().filter(|entry| !entry.is_synthetic);
    (
        call.map(|entry| entry.recording.correlation_id),
        entry
            .as_ref()
            .map(|entry| entry.recording.recording_id.clone()),
    )
}

#[derive(Deserialize)]
struct RequestParameters {
    limit: Option<usize>,
    cursor: Option<String>,
    after: Option<u64>,
}

async fn list(
    State(runtime): State<Arc<Runtime>>,
    Parameters(parameters): Parameters<RequestParameters>,
) -> Result<Json<Page<Request>>, Problem> {
    let mut requests = runtime.activity.requests.list();
    let total = requests.len();
    requests.reverse();
    if let Some(after) = parameters.after {
        requests.retain(|request| request.id > after);
    }
    let state = runtime.service.state();
    let list = ListParameters::new(parameters.limit, parameters.cursor);
    let view = |request: &NumberedRequest| Request::new(request, &runtime, &state);
    list.page(&requests, total, |request| request.id.to_string(), view)
        .map(Json)
}

async fn clear(State(runtime): State<Arc<Runtime>>) -> StatusCode {
    runtime.activity.requests.clear();
    runtime.activity.changed(Change::Reset);
    StatusCode::NO_CONTENT
}
