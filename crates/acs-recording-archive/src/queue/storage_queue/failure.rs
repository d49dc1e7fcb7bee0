//! From errors of `azure_core` to this crate's, without the XML and the SAS in them.

use std::time::Duration;

use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::StatusCode;
use azure_core::http::headers::{Headers, RETRY_AFTER};

use super::address::QueueAddress;
use crate::error::{Error, ErrorKind, connection_failure, is_untrusted, root_cause};

/// Why an attempt at an operation failed.
#[derive(Debug)]
pub(super) enum Failure {
    Azure(azure_core::Error),
    /// No response came within this time.
    TimedOut(Duration),
}

impl Failure {
    fn code(&self) -> Option<&str> {
        match self {
            Self::Azure(error) => match error.kind() {
                AzureErrorKind::HttpResponse { error_code, .. } => error_code.as_deref(),
                _ => None,
            },
            Self::TimedOut(_) => None,
        }
    }

    fn headers(&self) -> Option<&Headers> {
        let Self::Azure(error) = self else {
            return None;
        };
        match error.kind() {
            AzureErrorKind::HttpResponse { raw_response, .. } => {
                raw_response.as_ref().map(|response| response.headers())
            }
            _ => None,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Azure(error) => match error.kind() {
                AzureErrorKind::HttpResponse { status, .. } => {
                    let status = u16::from(*status);
                    status >= 500 && status != 501 || matches!(status, 408 | 429)
                }
                AzureErrorKind::Connection => !is_untrusted(error),
                AzureErrorKind::Io => true,
                _ => false,
            },
        }
    }

    /// Whether the service may have done what it was asked, although no response says so.
    pub(super) fn may_have_been_done(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Azure(error) => match error.kind() {
                AzureErrorKind::HttpResponse { status, .. } => u16::from(*status) >= 500,
                AzureErrorKind::Io => true,
                _ => false,
            },
        }
    }

    /// How long the service asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers()?.get_optional_str(&RETRY_AFTER)?;
        seconds.parse().ok().map(Duration::from_secs)
    }

    pub(super) fn is_queue_not_found(&self) -> bool {
        self.code() == Some("QueueNotFound")
    }

    /// Whether another receiver holds the message, or it no longer exists.
    pub(super) fn is_lease_lost(&self) -> bool {
        self.is_message_not_found() || self.code() == Some("PopReceiptMismatch")
    }

    pub(super) fn is_message_not_found(&self) -> bool {
        self.code() == Some("MessageNotFound")
    }

    /// The error of an operation, such as "receive messages", on a queue.
    pub(super) fn into_error(self, operation: &str, queue: &QueueAddress) -> Error {
        let (kind, reason) = self.describe(queue);
        let message = format!("cannot {operation} (queue {}): {reason}", queue.url());
        let error = Error::new(kind, message);
        match self.retry_after() {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    fn describe(&self, queue: &QueueAddress) -> (ErrorKind, String) {
        let error = match self {
            Self::Azure(error) => error,
            Self::TimedOut(timeout) => {
                let text = format!("no response within {} s", timeout.as_secs_f32());
                return (ErrorKind::Unavailable, text);
            }
        };
        match error.kind() {
            AzureErrorKind::HttpResponse { status, .. } => self.describe_status(*status, queue),
            AzureErrorKind::Connection | AzureErrorKind::Io => {
                (ErrorKind::Unavailable, connection_failure(error))
            }
            AzureErrorKind::Credential => {
                let cause = root_cause(error);
                (ErrorKind::Authentication, format!("no token: {cause}"))
            }
            AzureErrorKind::DataConversion => {
                let text = "the response cannot be understood".to_owned();
                (ErrorKind::InvalidResponse, text)
            }
            AzureErrorKind::Other => (ErrorKind::InvalidResponse, root_cause(error)),
        }
    }

    fn describe_status(&self, status: StatusCode, queue: &QueueAddress) -> (ErrorKind, String) {
        let code = self.code().unwrap_or_default();
        let (kind, reason) = match (u16::from(status), code) {
            (_, "QueueNotFound") => {
                let name = queue.name();
                let text = format!("the queue {name} does not exist; create it or check its name");
                (ErrorKind::NotFound, text)
            }
            (_, "PopReceiptMismatch") => (
                ErrorKind::LeaseLost,
                "another receiver holds the message".to_owned(),
            ),
            (_, "MessageNotFound") => (
                ErrorKind::LeaseLost,
                "the message no longer exists".to_owned(),
            ),
            (401, _) | (403, "AuthenticationFailed" | "InvalidAuthenticationInfo") => (
                ErrorKind::Authentication,
                "the storage account rejects the credential; check the key, the SAS and when it \
                 expires, or the token's tenant, and this machine's clock"
                    .to_owned(),
            ),
            (403, _) => (
                ErrorKind::PermissionDenied,
                "the credential lacks a permission; a worker needs the role \"Storage Queue Data \
                 Contributor\", or a SAS with `rup` on the queue and `a` on its poison queue"
                    .to_owned(),
            ),
            (404, _) => (
                ErrorKind::NotFound,
                "the storage account or queue does not exist; check the address".to_owned(),
            ),
            (413, _) => (
                ErrorKind::InvalidInput,
                "the message is larger than 64 KiB".to_owned(),
            ),
            (429 | 503, _) => (ErrorKind::Throttled, "the queue is busy".to_owned()),
            (408 | 500.., _) => (ErrorKind::Unavailable, "the queue has a problem".to_owned()),
            _ => (
                ErrorKind::InvalidResponse,
                "the queue rejected the request".to_owned(),
            ),
        };
        let status = u16::from(status);
        let code = if code.is_empty() || code.contains(' ') {
            format!("status {status}")
        } else {
            format!("status {status}, {code}")
        };
        (kind, format!("{reason} ({code})"))
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::RawResponse;

    use super::*;

    const SECRET: &str = "<Error><Message>secret</Message></Error>";

    fn queue() -> QueueAddress {
        QueueAddress::from_url("https://a.queue.example/recordings?sig=secret").unwrap()
    }

    fn response(status: u16, code: &str) -> Failure {
        let mut headers = Headers::new();
        headers.insert(RETRY_AFTER, "7");
        let raw = RawResponse::from_bytes(status.into(), headers, SECRET);
        let kind = AzureErrorKind::HttpResponse {
            status: status.into(),
            error_code: Some(code.to_owned()),
            raw_response: Some(Box::new(raw)),
        };
        Failure::Azure(azure_core::Error::with_message(kind, SECRET))
    }

    #[test]
    fn statuses_become_kinds() {
        for (status, code, kind, is_transient) in [
            (400, "PopReceiptMismatch", ErrorKind::LeaseLost, false),
            (404, "MessageNotFound", ErrorKind::LeaseLost, false),
            (404, "QueueNotFound", ErrorKind::NotFound, false),
            (404, "Not Found", ErrorKind::NotFound, false),
            (
                401,
                "NoAuthenticationInformation",
                ErrorKind::Authentication,
                false,
            ),
            (
                403,
                "AuthenticationFailed",
                ErrorKind::Authentication,
                false,
            ),
            (
                403,
                "AuthorizationPermissionMismatch",
                ErrorKind::PermissionDenied,
                false,
            ),
            (413, "RequestBodyTooLarge", ErrorKind::InvalidInput, false),
            (400, "InvalidHeaderValue", ErrorKind::InvalidResponse, false),
            (408, "", ErrorKind::Unavailable, true),
            (429, "", ErrorKind::Throttled, true),
            (500, "OperationTimedOut", ErrorKind::Unavailable, true),
            (501, "", ErrorKind::Unavailable, false),
            (503, "ServerBusy", ErrorKind::Throttled, true),
        ] {
            let failure = response(status, code);
            assert_eq!(failure.is_transient(), is_transient, "{status} {code}");
            let error = failure.into_error("receive messages", &queue());
            assert_eq!(error.kind(), kind, "{status} {code}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            let text = error.to_string();
            assert!(text.contains("recordings"), "{text}");
            assert!(text.contains(&format!("status {status}")), "{text}");
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn causes_show_no_sas() {
        let inner = std::io::Error::other("sending to https://a.example/b?sig=secret failed");
        let error = azure_core::Error::with_error(AzureErrorKind::Io, inner, SECRET);
        let error = Failure::Azure(error).into_error("receive messages", &queue());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(
            text.contains("sending to https://a.example/b failed"),
            "{text}"
        );
        assert!(!format!("{text} {error:?}").contains("secret"), "{error:?}");
    }
}
