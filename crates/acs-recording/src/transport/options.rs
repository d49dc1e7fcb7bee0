//! Options of a single operation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::retry_policy::{NeverRetry, RetryPolicy};
use crate::error::{Error, ErrorKind, Result};

/// Longer than any id that anybody correlates requests by.
const MAX_REQUEST_ID: usize = 256;

/// Options for the requests of one operation. What is not set is as the client has it.
///
/// Every operation has these setters itself. Use this type to give several operations the same
/// options:
///
/// ```no_run
/// use std::time::Duration;
/// use acs_recording::{NeverRetry, Recording, RequestOptions};
///
/// # async fn run(recording: Recording) -> acs_recording::Result<()> {
/// let options = RequestOptions::new()
///     .timeout(Duration::from_secs(10))
///     .retry_policy(NeverRetry)
///     .header("x-correlation-id", "order-7");
/// recording.pause().request_options(options.clone()).await?;
/// recording.resume().request_options(options).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct RequestOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) retry_policy: Option<Arc<dyn RetryPolicy>>,
    pub(crate) extra: ExtraHeaders,
    /// What is wrong with the options; an operation with such options sends nothing.
    invalid: Option<String>,
}

/// What a request carries on behalf of the caller.
#[derive(Clone, Default)]
pub(crate) struct ExtraHeaders {
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
}

impl RequestOptions {
    /// Options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time limit for the whole operation, retries included (default: the client's
    /// [`operation_timeout`](crate::RecordingClientBuilder::operation_timeout)).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Time limit for each attempt (default: the client's
    /// [`attempt_timeout`](crate::RecordingClientBuilder::attempt_timeout)).
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Decides whether and when a failed request is sent again (default: the client's
    /// [`retry_policy`](crate::RecordingClientBuilder::retry_policy)).
    pub fn retry_policy(mut self, policy: impl RetryPolicy + 'static) -> Self {
        self.retry_policy = Some(Arc::new(policy));
        self
    }

    /// The `x-ms-client-request-id` of the requests, by which the service's logs know them
    /// (default: a new UUID for each request). It has 1 to 256 visible ASCII characters.
    ///
    /// All requests of the operation carry it, retries included.
    pub fn client_request_id(mut self, id: impl fmt::Display) -> Self {
        let id = id.to_string();
        let is_valid = !id.is_empty()
            && id.len() <= MAX_REQUEST_ID
            && id.bytes().all(|byte| byte.is_ascii_graphic());
        match HeaderValue::try_from(id) {
            Ok(id) if is_valid => self.extra.request_id = Some(id),
            _ => self.reject(format!(
                "a client request id has 1 to {MAX_REQUEST_ID} visible ASCII characters"
            )),
        }
        self
    }

    /// Sends a header with the requests. The last value of a name counts.
    ///
    /// Headers that authenticate, route or frame a request belong to the client and cannot be set,
    /// nor those that have a setter of their own. The operation then fails with
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) and sends nothing. Headers are
    /// not sent to hosts that get no credentials, which a redirect may lead to.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        let Ok(header) = HeaderName::try_from(name) else {
            self.reject(format!("{name:?} is not a valid header name"));
            return self;
        };
        if let Some(reason) = reserved(&header) {
            self.reject(format!("the header {header} cannot be set: {reason}"));
            return self;
        }
        match HeaderValue::try_from(value.as_ref()) {
            Ok(mut value) => {
                // It may be a secret of a gateway's.
                value.set_sensitive(true);
                self.extra.headers.insert(header, value);
            }
            Err(_) => self.reject(format!(
                "the value of the header {header} has a character that headers cannot have"
            )),
        }
        self
    }

    /// The options for the polls of a wait, which has a timeout of its own, and polls again anyway.
    pub(crate) fn for_polls(&self) -> Self {
        let mut options = self.clone();
        options.timeout = None;
        let never = || Arc::new(NeverRetry) as Arc<dyn RetryPolicy>;
        options.retry_policy.get_or_insert_with(never);
        options
    }

    /// Keeps the first reason, which the operation reports when it is awaited.
    fn reject(&mut self, reason: String) {
        self.invalid.get_or_insert(reason);
    }

    /// Fails if one of the options is invalid.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.invalid {
            Some(reason) => Err(Error::new(ErrorKind::InvalidInput, reason)),
            None => Ok(()),
        }
    }

    /// Whether all is as the client has it.
    pub(crate) fn is_default(&self) -> bool {
        self.timeout.is_none()
            && self.attempt_timeout.is_none()
            && self.retry_policy.is_none()
            && self.extra.request_id.is_none()
            && self.extra.headers.is_empty()
    }
}

/// Why a header is not the caller's to set, if it is not.
fn reserved(name: &HeaderName) -> Option<&'static str> {
    let name = name.as_str();
    if name.starts_with("repeatability-") {
        return Some("use `repeatability` of operations that have it");
    }
    match name {
        "authorization" | "proxy-authorization" | "date" | "x-ms-date" | "x-ms-content-sha256" => {
            Some("the client authenticates requests")
        }
        "host" | "x-ms-host" | "x-forwarded-host" => Some("the client routes requests"),
        "connection" | "content-encoding" | "content-length" | "content-type" | "expect"
        | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" => Some("the client frames requests"),
        "accept-encoding"
        | "if-match"
        | "if-modified-since"
        | "if-none-match"
        | "if-range"
        | "if-unmodified-since"
        | "range" => Some("the client decides what content it requests"),
        "user-agent" => Some("the client names itself"),
        "x-ms-client-request-id" => Some("use `client_request_id`"),
        _ => None,
    }
}

/// Shows the names of headers; their values may be secrets.
impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("retry_policy", &self.retry_policy)
            .field("extra", &self.extra)
            .field("invalid", &self.invalid)
            .finish()
    }
}

impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("ExtraHeaders")
            .field("client_request_id", &self.request_id)
            .field("headers", &names)
            .finish()
    }
}

/// The setters of [`RequestOptions`], for a builder that has them in a field `options`.
///
/// The timeout's documentation can be replaced, where the timeout is that of a wait.
macro_rules! request_options {
    ($builder:ident) => {
        $crate::transport::request_options! {
            $builder,
            /// Time limit for the whole operation, retries included (default: the client's
            /// [`operation_timeout`](crate::RecordingClientBuilder::operation_timeout)).
        }
    };
    ($builder:ident, $(#[$timeout:meta])+) => {
        impl $builder {
            $(#[$timeout])+
            pub fn timeout(mut self, limit: ::std::time::Duration) -> Self {
                self.options = self.options.timeout(limit);
                self
            }

            /// Time limit for each attempt (default: the client's
            /// [`attempt_timeout`](crate::RecordingClientBuilder::attempt_timeout)).
            pub fn attempt_timeout(mut self, limit: ::std::time::Duration) -> Self {
                self.options = self.options.attempt_timeout(limit);
                self
            }

            /// Decides whether and when a failed request is sent again; see
            /// [`RequestOptions::retry_policy`](crate::RequestOptions::retry_policy).
            pub fn retry_policy(mut self, policy: impl $crate::RetryPolicy + 'static) -> Self {
                self.options = self.options.retry_policy(policy);
                self
            }

            /// The `x-ms-client-request-id` of the requests; see
            /// [`RequestOptions::client_request_id`](crate::RequestOptions::client_request_id).
            pub fn client_request_id(mut self, id: impl ::std::fmt::Display) -> Self {
                self.options = self.options.client_request_id(id);
                self
            }

            /// Sends a header with the requests; see
            /// [`RequestOptions::header`](crate::RequestOptions::header) for those that cannot be
            /// set.
            pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
                self.options = self.options.header(name, value);
                self
            }

            /// Replaces all options for requests.
            pub fn request_options(mut self, options: $crate::RequestOptions) -> Self {
                self.options = options;
                self
            }
        }
    };
}

pub(crate) use request_options;

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(options: &RequestOptions) -> String {
        let error = options.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn headers_of_the_client_are_rejected_by_name() {
        for name in [
            "Authorization",
            "x-ms-date",
            "X-MS-Content-SHA256",
            "Host",
            "x-ms-host",
            "Content-Length",
            "Transfer-Encoding",
            "Repeatability-Request-ID",
            "repeatability-first-sent",
            "Range",
            "User-Agent",
            "x-ms-client-request-id",
        ] {
            let text = rejected(&RequestOptions::new().header(name, "x"));
            assert!(text.contains(&name.to_ascii_lowercase()), "{name}: {text}");
        }
    }

    #[test]
    fn what_no_header_can_be_is_rejected_without_its_value() {
        assert!(rejected(&RequestOptions::new().header("a b", "x")).contains("\"a b\""));
        assert!(rejected(&RequestOptions::new().header("", "x")).contains("header name"));
        let text = rejected(&RequestOptions::new().header("x-a", "s3cret\r\nHost: evil"));
        assert!(text.contains("x-a") && !text.contains("s3cret"), "{text}");
        for id in ["", "a b", "ä", "a\n", &"x".repeat(257)] {
            let text = rejected(&RequestOptions::new().client_request_id(id));
            assert!(text.contains("client request id"), "{text}");
        }
    }

    #[test]
    fn the_first_mistake_is_reported_and_the_last_value_counts() {
        let options = RequestOptions::new()
            .header("Host", "x")
            .header("Range", "x");
        assert!(rejected(&options).contains("host"));
        let options = RequestOptions::new().header("x-a", "1").header("X-A", "2");
        options.check().unwrap();
        assert_eq!(options.extra.headers.len(), 1);
        assert_eq!(options.extra.headers["x-a"], "2");
    }

    #[test]
    fn debug_shows_no_value_of_a_header() {
        let options = RequestOptions::new()
            .header("x-gateway-key", "s3cret")
            .client_request_id("order-7")
            .retry_policy(NeverRetry);
        let text = format!("{options:?}");
        for shown in ["x-gateway-key", "order-7", "NeverRetry"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("s3cret"), "{text}");
    }
}
