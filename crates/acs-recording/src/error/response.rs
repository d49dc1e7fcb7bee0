//! The one place where an answer of the service becomes an error.

use std::time::{Duration, SystemTime};

use acs_call_automation::{Failure, types::CommunicationErrorResponse};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{Error, ErrorKind, ServiceCode};
use crate::transport::Trace;

/// How much of an error's body is read; the service's own are below a kilobyte.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an error's body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How much of a body that is not understood is shown.
const SNIPPET: usize = 120;

/// Beyond this difference the service refuses a signature for its date.
const CLOCK_MARGIN: Duration = Duration::from_mins(5);

/// The error for a failed generated operation.
pub(crate) fn from_failure(failure: Failure) -> Error {
    match failure {
        Failure::Transport(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                Error::new(ErrorKind::Connection, "the service gave no answer").with_source(error)
            }
        },
        Failure::Status(response) => {
            let (head, body) = response.into_parts();
            from_answer(head.status, &head.headers, head.extensions.get(), &body)
        }
        Failure::Body { body, source } => Error::new(
            ErrorKind::UnexpectedAnswer,
            format!(
                "the service's answer is not what this operation returns ({source}): {}",
                snippet(&body)
            ),
        )
        .with_source(source),
        Failure::Request(source) => Error::new(
            ErrorKind::InvalidInput,
            format!("the request cannot be built: {source}"),
        )
        .with_source(source),
        other => Error::new(ErrorKind::UnexpectedAnswer, other.to_string()),
    }
}

/// The error for an answer that is not a success, of which the body is still to be read.
pub(crate) async fn from_response(response: reqwest::Response) -> Error {
    let status = response.status();
    let headers = response.headers().clone();
    let trace = response.extensions().get().cloned();
    let body = read_limited(response).await;
    from_answer(status, &headers, trace.as_ref(), &body)
}

/// The error for an answer that is not a success, whatever its body holds.
fn from_answer(
    status: StatusCode,
    headers: &HeaderMap,
    trace: Option<&Trace>,
    body: &[u8],
) -> Error {
    let detail = Detail::read(body);

    let kind = kind(status, detail.code.as_deref());
    let mut said = status.to_string();
    if let Some(code) = &detail.code {
        said = format!("{}, code {code}", status.as_u16());
    }
    if !detail.message.is_empty() {
        said = format!("{said}: {}", detail.message.trim_end_matches('.'));
    }
    let mut message = format!("the service answered {said}");
    if let Some(advice) = advice(kind, detail.code.as_deref(), headers) {
        message = format!("{message}; {advice}");
    }

    let mut error = Error::new(kind, message).with_status(status.as_u16());
    if let Some(code) = detail.code {
        error = error.with_code(code);
    }
    if let Some(target) = detail.target {
        error = error.with_target(target);
    }
    if let Some(wait) = retry_after(headers, SystemTime::now()) {
        error = error.with_retry_after(wait);
    }
    if let Some(trace) = trace {
        error = error
            .with_request_id(trace.request_id.clone())
            .with_attempts(trace.attempts);
    }
    error
}

/// What the body says, in any of the forms that the service and its storage use.
#[derive(Debug, Default, PartialEq)]
struct Detail {
    code: Option<String>,
    message: String,
    target: Option<String>,
}

/// The body of the storage front end, and of old versions of the service.
#[derive(Deserialize)]
struct Flat {
    code: Option<String>,
    message: Option<String>,
    title: Option<String>,
    target: Option<String>,
}

impl Detail {
    fn read(body: &[u8]) -> Self {
        if let Ok(CommunicationErrorResponse { error }) = serde_json::from_slice(body) {
            return Self {
                code: Some(error.code).filter(|code| !code.is_empty()),
                message: error.message,
                target: error.target,
            };
        }
        if let Ok(flat) = serde_json::from_slice::<Flat>(body)
            && let Some(message) = flat.message.or(flat.title)
        {
            return Self {
                code: flat.code,
                message,
                target: flat.target,
            };
        }
        Self {
            message: snippet(body),
            ..Self::default()
        }
    }
}

fn kind(status: StatusCode, code: Option<&str>) -> ErrorKind {
    use ServiceCode as Code;
    // A second recording, a call that is over or not there yet, an operation at a wrong time.
    let contradicts = matches!(
        code.and_then(Code::find),
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
        400 if contradicts => ErrorKind::Conflict,
        401 => ErrorKind::Authentication,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        400..=499 => ErrorKind::InvalidRequest,
        500..=599 => ErrorKind::Service,
        _ => ErrorKind::UnexpectedAnswer,
    }
}

fn advice(kind: ErrorKind, code: Option<&str>, headers: &HeaderMap) -> Option<String> {
    if kind == ErrorKind::Authentication
        && let Some(skew) = clock_skew(headers, SystemTime::now())
    {
        return Some(format!(
            "this machine's clock differs from the service's by {} s, and it accepts 300 s: set \
             the clock",
            skew.as_secs()
        ));
    }
    let advice = match (code.and_then(ServiceCode::find), kind) {
        (Some(code), _) => code.advice(),
        (None, ErrorKind::Authentication) => ServiceCode::HmacValidationFailed.advice(),
        (None, ErrorKind::Throttled) => ServiceCode::RecordThrottled.advice(),
        _ => return None,
    };
    Some(advice.to_owned())
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

/// How long an answer asks to wait, in any of the three headers that Azure services use.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(wait) = text(headers, name).and_then(|text| text.trim().parse().ok()) {
            return Some(Duration::from_millis(wait));
        }
    }
    let value = text(headers, "retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn read_limited(response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    let limit = Instant::now() + BODY_TIME;
    // An error while an error is read changes nothing; what is there is shown.
    while let Ok(Some(Ok(part))) = timeout_at(limit, stream.next()).await {
        let room = BODY_LIMIT - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if body.len() == BODY_LIMIT {
            break;
        }
    }
    body
}

/// The beginning of a body as one line.
fn snippet(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SNIPPET)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SNIPPET) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(status: u16, headers: &[(&str, &str)], body: &'static str) -> Error {
        let mut response = http::Response::builder().status(status).extension(Trace {
            request_id: "r-1".to_owned(),
            attempts: 2,
        });
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        from_response(response.body(body).unwrap().into()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_shown_as_far_as_it_came() {
        let began = futures_util::stream::iter([Ok::<_, std::io::Error>("<html>Bad Gateway")]);
        let body = reqwest::Body::wrap_stream(began.chain(futures_util::stream::pending()));
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
            (418, "\u{0}\u{1}", None, ErrorKind::InvalidRequest),
        ] {
            let error = error(status, &[], body).await;
            assert_eq!(error.kind(), kind, "{body}");
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.code(), code);
            assert_eq!((error.request_id(), error.attempts()), (Some("r-1"), 2));
            assert!(!error.to_string().contains('\n'), "{error}");
        }
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
        for (name, value, wait) in [
            ("retry-after", "3", Some(3000)),
            ("retry-after", date.as_str(), Some(7000)),
            ("retry-after-ms", "250", Some(250)),
            ("x-ms-retry-after-ms", "1", Some(1)),
            ("retry-after", "soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let expected = wait.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, now), expected, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn a_long_body_is_cut() {
        let body: &'static str = "x".repeat(1_000_000).leak();
        assert!(error(500, &[], body).await.to_string().len() < 400);
    }
}
