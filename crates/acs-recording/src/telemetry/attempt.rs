//! The span and the metrics of an attempt.

use std::time::Duration;

use http::Method;
use tracing::field::Empty;
use tracing::{Span, info_span};

#[cfg(feature = "metrics")]
use super::names::{REQUEST_DURATION, REQUESTS, RETRIES};
use crate::error::ErrorKind;

/// One attempt of a request.
pub(crate) struct Attempt<'a> {
    pub(crate) method: &'a Method,
    pub(crate) scheme: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: Option<u16>,
    /// The path with placeholders for ids, if it is known.
    pub(crate) template: Option<&'static str>,
    /// The number of earlier attempts.
    pub(crate) resend_count: u32,
}

/// How an attempt ended: with this status, or with an error.
pub(crate) type AttemptOutcome = Result<u16, ErrorKind>;

impl Attempt<'_> {
    /// The span of the attempt.
    pub(crate) fn span(&self) -> Span {
        let resend_count = Some(self.resend_count).filter(|count| *count > 0);
        info_span!(
            "acs.attempt",
            otel.name = self.method.as_str(),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = self.method.as_str(),
            http.request.resend_count = resend_count,
            http.response.status_code = Empty,
            server.address = self.address,
            server.port = self.port,
            url.scheme = self.scheme,
            url.template = self.template,
            error.r#type = Empty,
        )
    }

    /// Records how the attempt ended, in its span and in the metrics.
    pub(crate) fn finish(&self, span: &Span, outcome: AttemptOutcome, elapsed: Duration) {
        match outcome {
            Ok(status) => {
                span.record("http.response.status_code", status);
                if status >= 400 {
                    span.record("error.type", tracing::field::display(status));
                    span.record("otel.status_code", "ERROR");
                }
            }
            Err(kind) => {
                span.record("error.type", kind.name());
                span.record("otel.status_code", "ERROR");
            }
        }
        self.count(outcome, elapsed);
    }

    #[cfg(feature = "metrics")]
    fn count(&self, outcome: AttemptOutcome, elapsed: Duration) {
        use metrics::{Label, SharedString, counter, histogram};

        let mut labels = vec![Label::new(
            "http.request.method",
            self.method.as_str().to_owned(),
        )];
        if let Some(template) = self.template {
            labels.push(Label::from_static_parts("url.template", template));
        }
        if self.resend_count > 0 {
            counter!(RETRIES, labels.clone()).increment(1);
        }
        match outcome {
            Ok(status) => {
                let status = SharedString::from(status.to_string());
                labels.push(Label::new("http.response.status_code", status.clone()));
                if matches!(outcome, Ok(400..)) {
                    labels.push(Label::new("error.type", status));
                }
            }
            Err(kind) => labels.push(Label::from_static_parts("error.type", kind.name())),
        }
        counter!(REQUESTS, labels.clone()).increment(1);
        histogram!(REQUEST_DURATION, labels).record(elapsed.as_secs_f64());
    }

    #[cfg(not(feature = "metrics"))]
    #[allow(
        clippy::unused_self,
        reason = "with the feature `metrics` it is counted"
    )]
    fn count(&self, _outcome: AttemptOutcome, _elapsed: Duration) {}
}
