//! Repeatable requests: requests with the same id get the same response, and the operation is
//! performed only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::service::error::ServiceError;

pub(super) const RESULT: HeaderName = HeaderName::from_static("repeatability-result");
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("accepted");

/// A hash of a request without the parts that differ between attempts.
type Fingerprint = [u8; 32];

/// The successful responses to repeatable requests.
#[derive(Default)]
pub(crate) struct RepeatabilityStore(Mutex<HashMap<Uuid, Entry>>);

#[derive(Clone)]
struct Entry {
    request: Fingerprint,
    response: Arc<OnceCell<StoredResponse>>,
}

#[derive(Clone)]
struct StoredResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl RepeatabilityStore {
    /// Forgets all responses.
    pub(super) fn clear(&self) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
    }

    /// Returns the stored response for `id`, if there is one. Otherwise awaits `perform` and stores
    /// its response if it is successful. A concurrent second attempt waits for the first.
    pub(super) async fn once(
        &self,
        id: Uuid,
        request: Fingerprint,
        perform: impl Future<Output = Response> + Send,
    ) -> Response {
        let entry = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(id)
            .or_insert_with(|| Entry {
                request,
                response: Arc::default(),
            })
            .clone();
        if entry.request != request {
            return ServiceError::argument("Repeatability-Request-ID belongs to another request.")
                .into_response();
        }
        let stored = entry
            .response
            .get_or_try_init(|| async {
                let mut response = perform.await;
                if !response.status().is_success() {
                    return Err(response);
                }
                response.headers_mut().insert(RESULT, ACCEPTED);
                let (parts, body) = response.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
                Ok(StoredResponse {
                    status: parts.status,
                    headers: parts.headers,
                    body,
                })
            })
            .await;
        match stored.cloned() {
            Ok(stored) => {
                let mut response = Response::new(Body::from(stored.body));
                *response.status_mut() = stored.status;
                *response.headers_mut() = stored.headers;
                response
            }
            Err(response) => response,
        }
    }
}

/// The request id of a repeatable request; `None` for other requests.
pub(super) fn request_id(headers: &HeaderMap) -> Result<Option<Uuid>, ServiceError> {
    let text = |name: &str| match headers.get(name) {
        Some(value) => value.to_str().map(Some).map_err(|_| malformed()),
        None => Ok(None),
    };
    match (
        text("repeatability-request-id")?,
        text("repeatability-first-sent")?,
    ) {
        (None, None) => Ok(None),
        (Some(id), Some(sent)) => {
            httpdate::parse_http_date(sent).map_err(|_| malformed())?;
            Uuid::parse_str(id).map(Some).map_err(|_| malformed())
        }
        _ => Err(malformed()),
    }
}

fn malformed() -> ServiceError {
    ServiceError::argument(
        "Repeatability-Request-ID (a UUID) and Repeatability-First-Sent (an HTTP date) must be sent together.",
    )
}

pub(super) fn fingerprint(parts: &Parts, body: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(format!("{} {}\n", parts.method, parts.uri.path()));
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::oneshot;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn both_headers_or_neither_must_be_sent() {
        const ID: (&str, &str) = (
            "repeatability-request-id",
            "6a0d7b4e-0c62-4a3a-8a44-6a9f1a8e3c0b",
        );
        const SENT: (&str, &str) = ("repeatability-first-sent", "Tue, 01 Jul 2025 12:34:56 GMT");
        assert_eq!(request_id(&headers(&[])), Ok(None));
        assert!(matches!(request_id(&headers(&[ID, SENT])), Ok(Some(_))));
        for wrong in [
            vec![ID],
            vec![SENT],
            vec![("repeatability-request-id", "7"), SENT],
            vec![ID, ("repeatability-first-sent", "yesterday")],
        ] {
            assert!(request_id(&headers(&wrong)).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn an_attempt_waits_for_one_in_progress() {
        for (first_status, performed) in [(StatusCode::CREATED, 0), (StatusCode::BAD_REQUEST, 1)] {
            let store = RepeatabilityStore::default();
            let id = Uuid::new_v4();
            let (finish, finished) = oneshot::channel();
            let mut first = Box::pin(store.once(id, [0; 32], async move {
                finished.await.unwrap();
                first_status.into_response()
            }));
            let count = AtomicU32::new(0);
            let mut second = Box::pin(store.once(id, [0; 32], async {
                count.fetch_add(1, Ordering::Relaxed);
                StatusCode::CREATED.into_response()
            }));
            assert!((&mut first).now_or_never().is_none());
            assert!(
                (&mut second).now_or_never().is_none(),
                "the second attempt did not wait"
            );
            finish.send(()).unwrap();
            assert_eq!(first.await.status(), first_status);
            assert_eq!(second.await.status(), StatusCode::CREATED);
            assert_eq!(count.load(Ordering::Relaxed), performed);
        }
    }

    #[tokio::test]
    async fn failures_are_not_stored() {
        let store = RepeatabilityStore::default();
        let perform = |status: StatusCode| async move { status.into_response() };
        let id = Uuid::new_v4();
        for (status, expected) in [
            (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
            (StatusCode::ACCEPTED, StatusCode::ACCEPTED),
            (StatusCode::OK, StatusCode::ACCEPTED),
        ] {
            let got = store.once(id, [0; 32], perform(status)).await;
            assert_eq!(got.status(), expected);
        }
        let other = store.once(id, [1; 32], perform(StatusCode::OK)).await;
        assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    }
}
