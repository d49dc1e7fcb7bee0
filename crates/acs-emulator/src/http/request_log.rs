//! Records all requests to the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use crate::activity::{
    Activity, ActivityLog, Authentication, ErrorBody, RequestRecord, Scheme, Verdict,
};
use crate::faults::Operation;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const RESOURCE_HOST: HeaderName = HeaderName::from_static("x-ms-host");

/// What the inner layers know about a request. It is an extension of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestNotes(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) authentication: Option<Authentication>,
    pub(super) fault: Option<u64>,
    /// Whether a fault takes the response away.
    pub(super) is_lost: bool,
    pub(super) repeated: bool,
}

impl RequestNotes {
    /// The notes for this request.
    pub(super) fn of(extensions: &http::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// A panic in another thread leaves no inconsistent notes, so it is harmless.
    pub(super) fn edit(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the request when it is dropped, even if the client gives up before the response.
struct Recorder {
    activity: ActivityLog,
    notes: RequestNotes,
    started: Instant,
    record: Option<RequestRecord>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        let mut notes = self.notes.edit();
        record.duration = self.started.elapsed();
        if let Some(authentication) = notes.authentication.take() {
            record.authentication = authentication;
        }
        record.fault = notes.fault;
        record.repeated = notes.repeated;
        if notes.is_lost {
            record.status = None;
        }
        drop(notes);
        self.activity.record(Activity::Request(record));
    }
}

/// The outermost middleware of the service.
pub(super) async fn record(
    State(activity): State<ActivityLog>,
    mut request: Request,
    next: Next,
) -> Response {
    let notes = RequestNotes::default();
    let mut recorder = Recorder {
        activity,
        notes: notes.clone(),
        started: Instant::now(),
        record: Some(arrived(&request)),
    };
    request.extensions_mut().insert(notes);
    let response = next.run(request).await;
    if let Some(record) = &mut recorder.record {
        record.status = Some(response.status());
        record.error = response.extensions().get::<ErrorBody>().cloned();
    }
    response
}

/// What is known when a request arrives.
fn arrived(request: &Request) -> RequestRecord {
    let (uri, headers) = (request.uri(), request.headers());
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    let host = text(&RESOURCE_HOST).or_else(|| text(&HOST));
    RequestRecord {
        at: Timestamp::now(),
        method: request.method().clone(),
        path: uri.path().to_owned(),
        query: uri.query().map(without_values),
        host: host.unwrap_or_default(),
        operation: Operation::of(request.method(), uri.path()),
        status: None,
        error: None,
        duration: std::time::Duration::ZERO,
        client_request_id: text(&CLIENT_REQUEST_ID),
        user_agent: text(&USER_AGENT),
        authentication: Authentication {
            scheme: scheme(headers),
            verdict: Verdict::NotRequired,
        },
        fault: None,
        repeated: false,
    }
}

/// How the client of these headers authenticates.
pub(super) fn scheme(headers: &HeaderMap) -> Scheme {
    match headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes) {
        Some(value) if value.starts_with(b"Bearer ") => Scheme::Bearer,
        Some(_) => Scheme::Hmac,
        None => Scheme::None,
    }
}

/// Replaces the values in a query, except that of `api-version`.
fn without_values(query: &str) -> String {
    let parameters = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if name != "api-version" => format!("{name}=\u{2026}"),
            _ => parameter.to_owned(),
        });
    parameters.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_secret_are_not_recorded() {
        for (query, recorded) in [
            ("api-version=1", "api-version=1"),
            (
                "a=secret&api-version=1&b=",
                "a=\u{2026}&api-version=1&b=\u{2026}",
            ),
            ("flag", "flag"),
            ("", ""),
        ] {
            assert_eq!(without_values(query), recorded);
        }
    }
}
