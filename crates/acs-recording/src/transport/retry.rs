//! Which failures may be retried, whatever the retry policy is.

use http::{HeaderMap, Method, StatusCode};

/// Whether sending the request twice does no harm, by its method, headers and path.
pub(crate) fn is_idempotent(method: &Method, headers: &HeaderMap, path: &str) -> bool {
    *method != Method::POST
        || headers.contains_key("repeatability-request-id")
        || path.ends_with(":pause")
        || path.ends_with(":resume")
}

/// Whether a request may be retried after a response with this status.
pub(crate) fn is_retryable_status(
    status: StatusCode,
    idempotent: bool,
    has_retry_after: bool,
) -> bool {
    match status.as_u16() {
        429 => true,
        503 => idempotent || has_retry_after,
        408 | 500 | 502 | 504 => idempotent,
        _ => false,
    }
}

/// Whether the service may have acted on the request in spite of this status.
pub(crate) fn may_have_acted(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_no_harm_is_retried() {
        let none = HeaderMap::new();
        let start = "/calling/recordings";
        assert!(!is_idempotent(&Method::POST, &none, start));
        let mut headers = HeaderMap::new();
        headers.insert("repeatability-request-id", "x".parse().unwrap());
        assert!(is_idempotent(&Method::POST, &headers, start));
        let pause = "/calling/recordings/r:pause";
        assert!(is_idempotent(&Method::POST, &none, pause));
        assert!(is_idempotent(&Method::DELETE, &none, "/"));
        for (status, idempotent, asked, retryable) in [
            (429, false, false, true),
            (503, false, false, false),
            (503, false, true, true),
            (503, true, false, true),
            (500, false, true, false),
            (500, true, false, true),
            (504, true, false, true),
            (501, true, true, false),
            (404, true, true, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                is_retryable_status(status, idempotent, asked),
                retryable,
                "{status} {idempotent} {asked}"
            );
        }
    }
}
