//! Repeatable requests: requests with the same id get the same response, and the operation is
//! performed only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// How long a response is kept, in real time. Clients retry for a shorter time.
const RETENTION: Duration = Duration::from_secs(10 * 60);
/// The number of responses at which old ones are first removed.
const FIRST_SWEEP: usize = 256;

/// The successful responses to repeatable requests.
#[derive(Default)]
pub(crate) struct RepeatabilityStore(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_id: HashMap<Uuid, Entry>,
    /// The number of responses at which old ones are removed next.
    next_sweep: usize,
}

impl Entries {
    /// The entry with this id, a new one if there is none. Removes old entries now and then.
    fn entry(&mut self, id: Uuid, request: Fingerprint, now: Instant) -> Entry {
        if self.by_id.len() >= self.next_sweep.max(FIRST_SWEEP) {
            self.by_id.retain(|_, entry| !entry.has_expired(now));
            self.next_sweep = 2 * self.by_id.len();
        }
        let known = self.by_id.get(&id).filter(|entry| !entry.has_expired(now));
        if let Some(entry) = known {
            return entry.clone();
        }
        let entry = Entry {
            request,
            since: now,
            response: Arc::default(),
        };
        self.by_id.insert(id, entry.clone());
        entry
    }
}

#[derive(Clone)]
struct Entry {
    request: Fingerprint,
    since: Instant,
    response: Arc<OnceCell<StoredResponse>>,
}

impl Entry {
    /// A request that is in progress does not expire.
    fn has_expired(&self, now: Instant) -> bool {
        let is_old = now.saturating_duration_since(self.since) > RETENTION;
        is_old && Arc::strong_count(&self.response) == 1
    }
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
        entries.by_id.clear();
    }

    fn entry(&self, id: Uuid, request: Fingerprint) -> Entry {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.entry(id, request, Instant::now())
    }

    /// Returns the stored response for `id`, if there is one. Otherwise awaits `perform` and stores
    /// its response if it is successful. A concurrent second attempt waits for the first.
    pub(super) async fn once(
        &self,
        id: Uuid,
        request: Fingerprint,
        perform: impl Future<Output = Response> + Send,
    ) -> Response {
        let entry = self.entry(id, request);
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

    #[test]
    fn responses_expire() {
        let mut entries = Entries::default();
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let in_progress = entries.entry(Uuid::from_u128(0), [0; 32], begun);
        for id in 1..1_000 {
            entries.entry(Uuid::from_u128(id), [0; 32], begun);
        }
        // Another request may use the id then.
        let reused = entries.entry(Uuid::from_u128(1), [1; 32], after(599));
        assert_eq!(reused.request, [0; 32]);
        drop(reused);
        let reused = entries.entry(Uuid::from_u128(1), [1; 32], after(601));
        assert_eq!(reused.request, [1; 32]);
        for id in 1_000..2_000 {
            entries.entry(Uuid::from_u128(id), [0; 32], after(601));
        }
        assert!(entries.by_id.len() <= 1_002, "{}", entries.by_id.len());
        let same = entries.entry(Uuid::from_u128(0), [1; 32], after(9_999));
        assert!(Arc::ptr_eq(&same.response, &in_progress.response));
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
