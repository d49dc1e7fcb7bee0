//! Which failures are safe to repeat, whatever a retry policy says.

use http::{Method, StatusCode};

/// Whether sending the request twice does no harm, by its method, headers and path.
pub(crate) fn is_idempotent(request: &reqwest::Request) -> bool {
    *request.method() != Method::POST
        || request.headers().contains_key("repeatability-request-id")
        || request.url().path().ends_with(":pause")
        || request.url().path().ends_with(":resume")
}

/// Whether a response with this status may be followed by another attempt; `asked` if it asks for
/// one with `Retry-After`.
pub(crate) fn is_retryable_status(status: StatusCode, idempotent: bool, asked: bool) -> bool {
    match status.as_u16() {
        429 => true,
        503 => idempotent || asked,
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
        let client = reqwest::Client::new();
        let post = |path: &str| client.post(format!("http://h.example{path}"));
        let start = post("/calling/recordings");
        assert!(!is_idempotent(&start.try_clone().unwrap().build().unwrap()));
        let start = start.header("Repeatability-Request-ID", "x");
        assert!(is_idempotent(&start.build().unwrap()));
        assert!(is_idempotent(
            &post("/calling/recordings/r:pause").build().unwrap()
        ));
        assert!(is_idempotent(
            &client.delete("http://h.example/").build().unwrap()
        ));
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
