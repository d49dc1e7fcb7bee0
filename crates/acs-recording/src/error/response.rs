//! The one place where an answer of the service becomes an error.

use std::time::{Duration, SystemTime};

use acs_call_automation::{Failure, read_body};
use http::{Extensions, HeaderMap, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::detail::{Answerer, Detail, SNIPPET, one_line};
use super::hint::advice;
use super::{Error, ErrorKind, Hint, ServiceCode};
use crate::transport::WaitTooLong;

/// How much of an error's body is read; the service's own are below a kilobyte.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an error's body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Beyond this difference the service refuses a signature for its date.
const CLOCK_MARGIN: Duration = Duration::from_secs(5 * 60);

/// What the low-level client could not do, as an error of this crate.
// Not a conversion, which would make the low-level client part of the public interface.
pub(crate) fn from_failure(failure: Failure) -> Error {
    match failure {
        Failure::Transport(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                Error::new(ErrorKind::Connection, "the service gave no answer").with_source(error)
            }
        },
        Failure::Status(answer) => {
            let (head, body) = answer.into_parts();
            from_answer(head.status, &head.headers, &head.extensions, &body)
        }
        Failure::Body { answer, source } => {
            let text = format!(
                "the service's answer is not what this operation returns ({source}): {}",
                one_line(&String::from_utf8_lossy(answer.body()), SNIPPET)
            );
            let error = Error::new(ErrorKind::InvalidResponse, text)
                .with_status(answer.status().as_u16())
                .with_source(source);
            match answer.extensions().get() {
                Some(trace) => error.with_trace(trace),
                None => error,
            }
        }
        Failure::Request(source) => Error::new(
            ErrorKind::InvalidInput,
            format!("the request cannot be built: {source}"),
        )
        .with_source(source),
        other => Error::new(ErrorKind::InvalidResponse, other.to_string()),
    }
}

#[cfg(feature = "unstable-low-level")]
impl Error {
    /// The error that a failure of the low-level client stands for, with its kind, code and hint.
    /// Needs the feature `unstable-low-level`.
    ///
    /// ```no_run
    /// # use acs_recording::{Error, RecordingClient, Result};
    /// # async fn run(client: &RecordingClient) -> Result<()> {
    /// client
    ///     .call_automation()
    ///     .call_media_cancel_all_media_operations("call connection id")
    ///     .await
    ///     .map_err(Error::from_low_level)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_low_level(failure: Failure) -> Self {
        from_failure(failure)
    }
}

/// The error for an answer that is not a success, of which the body is still to be read.
pub(crate) async fn from_response(mut response: reqwest::Response) -> Error {
    let until = Instant::now() + BODY_TIME;
    let body = read_error_body(&mut response, until).await;
    let status = response.status();
    let headers = response.headers();
    from_answer(status, headers, response.extensions(), &body)
}

/// The error for an answer that is not a success, whatever its body holds.
fn from_answer(
    status: StatusCode,
    headers: &HeaderMap,
    extensions: &Extensions,
    body: &[u8],
) -> Error {
    let (detail, by_whom) = Detail::read(body);
    let kind = kind(status, detail.code.as_deref());
    let mut message = if let Answerer::Other(said) = &by_whom {
        let said = one_line(said, SNIPPET);
        format!("a gateway or proxy answered {status} in place of the service: {said}")
    } else if let Some(code) = &detail.code {
        format!("the service answered {}, code {code}", status.as_u16())
    } else {
        format!("the service answered {status}")
    };
    if !detail.message.is_empty() {
        message = format!("{message}: {}", detail.message.trim_end_matches('.'));
    }
    let hint = hint(status, kind, &detail, &by_whom, headers);

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
    if let Some(wait) = extensions.get::<WaitTooLong>() {
        error = error.with_note(&wait.to_string());
    }
    match extensions.get() {
        Some(trace) => error.with_trace(trace),
        None => error,
    }
}

/// The kind of a response whose body was not read.
pub(crate) fn kind_of_status(status: StatusCode) -> ErrorKind {
    kind(status, None)
}

fn kind(status: StatusCode, code: Option<&str>) -> ErrorKind {
    use ServiceCode as Code;
    // A second recording, a call that is over or not there yet, an operation at a wrong time.
    let contradicts = matches!(
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
        400..=499 if contradicts => ErrorKind::Conflict,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Service,
        _ => ErrorKind::InvalidResponse,
    }
}

fn hint(
    status: StatusCode,
    kind: ErrorKind,
    detail: &Detail,
    by_whom: &Answerer,
    headers: &HeaderMap,
) -> Option<Hint> {
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Some(Hint::AuthenticateToProxy);
    }
    if matches!(by_whom, Answerer::Other(_)) {
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

/// The difference to the service's clock, when it is too large for a signature.
fn clock_skew(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let theirs = httpdate::parse_http_date(text(headers, "date")?).ok()?;
    let skew = match theirs.duration_since(now) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    (skew > CLOCK_MARGIN).then_some(skew)
}

/// How long an answer asks to wait: the longest wait in the three headers that Azure services use.
/// Zero if it asks to try again and names no time, or one that is over.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str, unit: f64| {
        let number: f64 = text(headers, name)?.trim().parse().ok()?;
        let is_wait = number.is_finite() && number >= 0.0;
        is_wait.then(|| Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
    };
    let date = || {
        let at = httpdate::parse_http_date(text(headers, "retry-after")?.trim()).ok()?;
        Some(at.duration_since(now).unwrap_or_default())
    };
    let waits = [
        number("retry-after-ms", 0.001),
        number("x-ms-retry-after-ms", 0.001),
        number("retry-after", 1.0),
        date(),
    ];
    waits.into_iter().flatten().max()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The beginning of an error's body, as far as it has come by `until`.
///
/// An error while an error is read changes nothing: the status is known, and what is there is shown.
pub(crate) async fn read_error_body(response: &mut reqwest::Response, until: Instant) -> Vec<u8> {
    let until = until.min(Instant::now() + BODY_TIME);
    let mut body = Vec::new();
    let _ = timeout_at(until, read_body(response, BODY_LIMIT, &mut body)).await;
    body
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::transport::{Trace, Tries};

    const REQUEST_ID: &str = "7d0f1e9c-1f0e-4d35-9a37-0f4b8d9a2c11";

    async fn error(status: u16, headers: &[(&str, &str)], body: &'static str) -> Error {
        let mut response = http::Response::builder().status(status).extension(Trace {
            request_id: REQUEST_ID.parse().unwrap(),
            tries: Tries {
                attempts: 2,
                may_have_acted: false,
            },
        });
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        from_response(response.body(body).unwrap().into()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_shown_as_far_as_it_came() {
        let began = futures_util::stream::iter([Ok::<_, std::io::Error>("<html>Bad Gateway")]);
        let body = began.chain(futures_util::stream::pending());
        let body = reqwest::Body::wrap_stream(body);
        let response = http::Response::builder().status(502).body(body).unwrap();
        let error = from_response(response.into()).await;
        assert_eq!(error.status(), Some(502));
        assert!(error.to_string().contains("Bad Gateway"), "{error}");
    }

    #[tokio::test]
    async fn every_form_of_body_keeps_status_and_request_id() {
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
            let error = error(status, &[], body).await;
            assert_eq!(error.kind(), kind, "{body}");
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.code(), code);
            assert_eq!(
                (error.request_id(), error.attempts()),
                (Some(REQUEST_ID), 2)
            );
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }

    #[tokio::test]
    async fn the_innermost_code_and_the_words_of_the_service_are_kept() {
        let body = r#"{"error": {"code": "BadRequest", "message": "No.", "target": "/x",
            "innererror": {"code": "8500", "innererror": {"code": "8501", "message": "m"}}}}"#;
        let error = error(400, &[], body).await;
        assert_eq!(
            (error.code(), error.inner_error_code()),
            (Some("BadRequest"), Some("8501"))
        );
        assert_eq!(error.service_message(), Some("No."));
        assert_eq!(error.service_code(), Some(ServiceCode::CallNotEstablished));
        assert_eq!(error.hint(), Some(Hint::WaitUntilConnected));
        assert_eq!(error.target(), Some("/x"));
    }

    #[tokio::test]
    async fn a_missing_configuration_is_no_recording_that_is_over() {
        let body = r#"{"error": {"code": "8522", "message": "Missing configuration."}}"#;
        let missing = error(405, &[], body).await;
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
        let over = error(404, &[], body).await;
        assert_eq!(over.hint(), Some(Hint::MayBeOver));
    }

    #[tokio::test]
    async fn what_a_gateway_says_is_not_the_services_word() {
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
            let error = error(status, &[], body).await;
            assert_eq!(error.kind(), kind, "{body}");
            assert_eq!(error.hint(), Some(Hint::CheckGateway), "{body}");
            assert_eq!((error.code(), error.service_message()), (None, None));
            let text = error.to_string();
            assert!(text.contains("a gateway or proxy answered"), "{text}");
            assert!(
                !text.contains("access key") && !text.contains("the service answered"),
                "{text}"
            );
        }
        let proxy = error(407, &[], "<html>").await;
        assert_eq!(proxy.hint(), Some(Hint::AuthenticateToProxy));
    }

    #[tokio::test]
    async fn a_skewed_clock_is_named() {
        let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(1000));
        let error = error(401, &[("date", &date)], "").await.to_string();
        assert!(
            error.contains("clock differs") && error.contains("100"),
            "{error}"
        );
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        let past = httpdate::fmt_http_date(now - Duration::from_secs(7));
        for (name, value, wait) in [
            ("retry-after", "3", Some(3000)),
            ("retry-after", date.as_str(), Some(7000)),
            ("retry-after-ms", "250", Some(250)),
            ("x-ms-retry-after-ms", "1", Some(1)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "0", Some(0)),
            ("retry-after", past.as_str(), Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let expected = wait.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, now), expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_longest_wait_counts() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after-ms", "0".parse().unwrap());
        headers.insert("retry-after", "3".parse().unwrap());
        let wait = retry_after(&headers, SystemTime::now());
        assert_eq!(wait, Some(Duration::from_secs(3)));
        headers.insert("retry-after", "1e300".parse().unwrap());
        assert_eq!(
            retry_after(&headers, SystemTime::now()),
            Some(Duration::MAX)
        );
    }

    #[tokio::test]
    async fn a_wait_of_zero_is_none() {
        for header in ["retry-after", "retry-after-ms"] {
            assert_eq!(error(503, &[(header, "0")], "").await.retry_after(), None);
        }
    }

    #[tokio::test]
    async fn a_long_body_is_cut() {
        let body: &'static str = "x".repeat(1_000_000).leak();
        assert!(error(500, &[], body).await.to_string().len() < 400);
        let json: &'static str = format!(r#"{{"error":{{"message":"{body}"}}}}"#).leak();
        assert!(error(500, &[], json).await.to_string().len() < 1_200);
    }
}
