//! Converts responses of the service into errors.

use std::time::SystemTime;

use acs_call_automation::Failure;
use http::{Extensions, HeaderMap, StatusCode};

use super::detail::{Detail, SNIPPET, Sender};
use super::headers::{CHAIN_ID, CORRELATION_VECTOR, clock_skew, retry_after, text};
use super::hint::advice;
use super::request::{RequestInfo, RetryAfterTooLong};
use super::{Error, ErrorKind, Hint, ServiceCode};
use crate::format::one_line;

/// Converts a failure of the low-level client into an error of this crate.
// Not a conversion, which would make the low-level client part of the public interface.
pub(crate) fn from_failure(failure: Failure) -> Error {
    match failure {
        Failure::Transport(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                Error::new(ErrorKind::Connection, "the service did not respond").with_source(error)
            }
        },
        Failure::Status(response) => {
            let (head, body) = response.into_parts();
            from_response(head.status, &head.headers, &head.extensions, &body)
        }
        Failure::Body { response, source } => {
            let text = format!(
                "the service's response is not what this operation returns ({source}): {}",
                one_line(&String::from_utf8_lossy(response.body()), SNIPPET)
            );
            let error = Error::new(ErrorKind::InvalidResponse, text)
                .with_status(response.status().as_u16())
                .with_source(source);
            with_request(error, response.headers(), response.extensions())
        }
        Failure::Request(source) => Error::new(
            ErrorKind::InvalidInput,
            format!("the request cannot be built: {source}"),
        )
        .with_source(source),
        other => Error::new(ErrorKind::InvalidResponse, other.to_string()).with_source(other),
    }
}

#[cfg(feature = "unstable-low-level")]
impl Error {
    /// Converts a failure of the low-level client, with its kind, code and hint. Needs the feature `unstable-low-level`.
    ///
    /// ```no_run
    /// # use acs_recording::{Error, RecordingClient, Result};
    /// # async fn run(client: &RecordingClient) -> Result<()> {
    /// client
    ///     .call_automation()
    ///     .call_media_cancel_all_media_operations("call connection id", None)
    ///     .await
    ///     .map_err(Error::from_low_level)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_low_level(failure: Failure) -> Self {
        from_failure(failure)
    }
}

/// The error for a response that is not a success, whatever its body contains.
pub(crate) fn from_response(
    status: StatusCode,
    headers: &HeaderMap,
    extensions: &Extensions,
    body: &[u8],
) -> Error {
    let (detail, sender) = Detail::read(body);
    let kind = kind(status, detail.code.as_deref());
    let mut message = if let Sender::Other(said) = &sender {
        let said = one_line(said, SNIPPET);
        format!("a gateway or proxy responded with {status} instead of the service: {said}")
    } else if let Some(code) = &detail.code {
        format!(
            "the service responded with {}, code {code}",
            status.as_u16()
        )
    } else {
        format!("the service responded with {status}")
    };
    if !detail.message.is_empty() {
        message = format!("{message}: {}", detail.message.trim_end_matches('.'));
    }
    let hint = hint(status, kind, &detail, &sender, headers);

    let mut error = Error::new(kind, message)
        .with_status(status.as_u16())
        .with_detail(detail);
    if let Some(hint) = hint {
        error = error.with_hint(hint);
    }
    // Zero says nothing about when it is worth trying again.
    if let Some(wait) = retry_after(headers, SystemTime::now()).filter(|wait| !wait.is_zero()) {
        error = error.with_retry_after(wait);
    }
    if let Some(wait) = extensions.get::<RetryAfterTooLong>() {
        error = error.with_note(&wait.to_string());
    }
    with_request(error, headers, extensions)
}

/// Adds what identifies the request to the service, and how often it was sent.
fn with_request(error: Error, headers: &HeaderMap, extensions: &Extensions) -> Error {
    let error = error
        .with_chain_id(text(headers, CHAIN_ID))
        .with_correlation_vector(text(headers, CORRELATION_VECTOR));
    match extensions.get::<RequestInfo>() {
        Some(info) => error.with_request_info(info),
        None => error,
    }
}

/// The kind of a response whose body was not read.
pub(crate) fn kind_of_status(status: StatusCode) -> ErrorKind {
    kind(status, None)
}

fn kind(status: StatusCode, code: Option<&str>) -> ErrorKind {
    use ServiceCode as Code;
    // A second recording, a call that is over or not connected yet, an operation at the wrong time.
    let is_conflict = matches!(
        code.and_then(|code| Code::find(status.as_u16(), code)),
        Some(
            Code::CallNotEstablished
                | Code::CallTerminated
                | Code::DuplicateRecording
                | Code::RecordingInProgress
                | Code::RecordingOperationConflict
                | Code::PauseResumeNotAllowed
                | Code::InvalidCallState
        )
    );
    match status.as_u16() {
        401 => ErrorKind::Authentication,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        400..=499 if is_conflict => ErrorKind::Conflict,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Service,
        _ => ErrorKind::InvalidResponse,
    }
}

fn hint(
    status: StatusCode,
    kind: ErrorKind,
    detail: &Detail,
    sender: &Sender,
    headers: &HeaderMap,
) -> Option<Hint> {
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Some(Hint::AuthenticateToProxy);
    }
    if matches!(sender, Sender::Other(_)) {
        return Some(Hint::CheckGateway);
    }
    if kind == ErrorKind::Authentication
        && let Some(skew) = clock_skew(headers, SystemTime::now())
    {
        return Some(Hint::SetClock(skew));
    }
    let codes = [&detail.code, &detail.inner_error_code];
    let codes = codes.into_iter().flatten();
    let mut codes = codes.filter_map(|code| ServiceCode::find(status.as_u16(), code));
    advice(status.as_u16(), codes.next(), kind)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::error::Attempts;

    fn error(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(RequestInfo {
            client_request_id: HeaderValue::from_static("request-1"),
            attempts: Attempts {
                count: 2,
                may_have_acted: false,
            },
            recording_id: Some("r1".to_owned()),
        });
        let status = StatusCode::from_u16(status).unwrap();
        from_response(status, &map, &extensions, body.as_bytes())
    }

    #[test]
    fn what_support_asks_for_is_kept() {
        let headers = [
            ("X-Microsoft-Skype-Chain-ID", "c4ec6c0b"),
            ("MS-CV", "aB3.0"),
        ];
        let error = error(500, &headers, "");
        assert_eq!(error.request_id(), Some("request-1"));
        assert_eq!(error.chain_id(), Some("c4ec6c0b"));
        assert_eq!(error.correlation_vector(), Some("aB3.0"));
        assert_eq!(error.recording_id(), Some("r1"));
        let text = format!("{error:?}");
        assert!(
            text.contains("c4ec6c0b") && text.contains("aB3.0"),
            "{text}"
        );
    }

    #[test]
    fn every_form_of_body_keeps_status_and_request_id() {
        let id = "request-1";
        for (status, body, code, kind) in [
            (
                404,
                r#"{"error":{"code":"8522","message":"Gone.","target":"/x"}}"#,
                Some("8522"),
                ErrorKind::NotFound,
            ),
            (
                400,
                r#"{"error":{"code":"8559","message":""}}"#,
                Some("8559"),
                ErrorKind::Conflict,
            ),
            (
                403,
                r#"{"code":"7504","message":"No."}"#,
                Some("7504"),
                ErrorKind::PermissionDenied,
            ),
            (
                503,
                r#"{"title":"Busy","status":503,"traceId":"t"}"#,
                None,
                ErrorKind::Service,
            ),
            (
                502,
                "<!DOCTYPE html><html>\n Bad   gateway</html>",
                None,
                ErrorKind::Service,
            ),
            (401, "", None, ErrorKind::Authentication),
            (
                405,
                r#"{"error":{"code":"8573","message":null}}"#,
                Some("8573"),
                ErrorKind::Conflict,
            ),
            (
                400,
                r#"{"error":{"code":8559}}"#,
                Some("8559"),
                ErrorKind::Conflict,
            ),
            (
                500,
                r#"{"error":{"message":"Two\nlines\u0007."}}"#,
                None,
                ErrorKind::Service,
            ),
            (418, "\u{0}\u{1}", None, ErrorKind::InvalidRequest),
        ] {
            let error = error(status, &[], body);
            assert_eq!(error.kind(), kind, "{body}");
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.code(), code);
            assert_eq!((error.request_id(), error.attempts()), (Some(id), 2));
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }

    #[test]
    fn the_innermost_code_and_the_words_of_the_service_are_kept() {
        let body = r#"{"error": {"code": "BadRequest", "message": "No.", "target": "/x",
            "innererror": {"code": "8500", "innererror": {"code": "8501", "message": "m"}}}}"#;
        let error = error(400, &[], body);
        assert_eq!(
            (error.code(), error.inner_error_code()),
            (Some("BadRequest"), Some("8501"))
        );
        assert_eq!(error.service_message(), Some("No."));
        assert_eq!(error.service_code(), Some(ServiceCode::CallNotEstablished));
        assert_eq!(error.hint(), Some(Hint::WaitUntilConnected));
        assert_eq!(error.target(), Some("/x"));
    }

    #[test]
    fn a_missing_configuration_is_no_recording_that_is_over() {
        let body = r#"{"error": {"code": "8522", "message": "Missing configuration."}}"#;
        let missing = error(405, &[], body);
        assert_eq!(missing.kind(), ErrorKind::InvalidRequest);
        assert_eq!(
            missing.service_code(),
            Some(ServiceCode::MissingConfiguration)
        );
        assert_eq!(missing.hint(), Some(Hint::CheckConfiguration));
        let text = missing.to_string();
        assert!(
            !text.contains("over") && !text.contains("stopped"),
            "{text}"
        );
        let over = error(404, &[], body);
        assert_eq!(over.hint(), Some(Hint::MayBeOver));
    }

    #[test]
    fn what_a_gateway_says_is_not_the_services_word() {
        let html = "<html><title>404 Not Found</title></html>";
        let api_management = r#"{"statusCode": 401, "message": "Access denied"}"#;
        for (status, body, kind) in [
            (404, html, ErrorKind::NotFound),
            (401, html, ErrorKind::Authentication),
            (401, api_management, ErrorKind::Authentication),
            (403, "Blocked by policy", ErrorKind::PermissionDenied),
            (429, "slow down", ErrorKind::Throttled),
            (502, "upstream connect error", ErrorKind::Service),
        ] {
            let error = error(status, &[], body);
            assert_eq!(error.kind(), kind, "{body}");
            assert_eq!(error.hint(), Some(Hint::CheckGateway), "{body}");
            assert_eq!((error.code(), error.service_message()), (None, None));
            let text = error.to_string();
            assert!(text.contains("a gateway or proxy responded"), "{text}");
            assert!(
                !text.contains("access key") && !text.contains("the service responded"),
                "{text}"
            );
        }
        let proxy = error(407, &[], "<html>");
        assert_eq!(proxy.hint(), Some(Hint::AuthenticateToProxy));
    }

    #[test]
    fn a_skewed_clock_is_named() {
        let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(1000));
        let error = error(401, &[("date", &date)], "").to_string();
        assert!(
            error.contains("clock differs") && error.contains("100"),
            "{error}"
        );
    }

    #[test]
    fn a_wait_of_zero_is_none() {
        for header in ["retry-after", "retry-after-ms"] {
            assert_eq!(error(503, &[(header, "0")], "").retry_after(), None);
        }
    }

    #[test]
    fn a_long_body_is_cut() {
        let body = "x".repeat(1_000_000);
        assert!(error(500, &[], &body).to_string().len() < 400);
        let json = format!(r#"{{"error":{{"message":"{body}"}}}}"#);
        assert!(error(500, &[], &json).to_string().len() < 1_200);
    }
}
