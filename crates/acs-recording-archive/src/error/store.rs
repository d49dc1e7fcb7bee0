//! Errors of object stores.

use std::fmt;

use object_store::Error as StoreError;

use super::cause::connection_failure;
use super::{Error, ErrorKind};

/// Longer explanations of a store are cut.
const MAX_TEXT: usize = 300;

/// What Azure, S3 and Google Cloud Storage call it when the container is missing.
const MISSING_CONTAINER: &[&str] = &["ContainerNotFound", "NoSuchBucket"];
/// What they call a credential that is none, among what has the status 403.
const BAD_CREDENTIAL: &[&str] = &[
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "InvalidToken",
];

/// Whether an object does not exist, and the container does as far as the store tells.
pub(crate) fn is_missing_object(error: &StoreError) -> bool {
    let text = error.to_string();
    let is_container = code_in(&text).is_some_and(|code| MISSING_CONTAINER.contains(&code));
    matches!(error, StoreError::NotFound { .. }) && !is_container
}

/// The error for an operation of the store. What the store says goes into the message in one short
/// line: it may be a whole document, and no secret.
pub(crate) fn from_store(error: &StoreError, doing: impl fmt::Display) -> Error {
    let text = error.to_string();
    let status = status_in(&text);
    let is_rejected = code_in(&text).is_some_and(|code| BAD_CREDENTIAL.contains(&code));
    let (kind, what) = match error {
        _ if is_rejected => (
            ErrorKind::Authentication,
            "the store rejected the credential",
        ),
        StoreError::NotFound { .. } => (
            ErrorKind::NotFound,
            "the container, bucket or object does not exist",
        ),
        StoreError::PermissionDenied { .. } => (
            ErrorKind::PermissionDenied,
            "the store denied access; check the credential and its permissions",
        ),
        StoreError::Unauthenticated { .. } => (
            ErrorKind::Authentication,
            "the store rejected the credential",
        ),
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
            (ErrorKind::Conflict, "an object of this name exists")
        }
        StoreError::InvalidPath { .. }
        | StoreError::UnknownConfigurationKey { .. }
        | StoreError::NotSupported { .. }
        | StoreError::NotImplemented { .. } => {
            (ErrorKind::InvalidInput, "the store does not support this")
        }
        StoreError::Generic { store, .. } if *store == "LocalFileSystem" => {
            (ErrorKind::Io, "the file system failed")
        }
        _ => match status {
            Some(429 | 503) => (ErrorKind::Throttled, "the store is busy"),
            Some(401) => (
                ErrorKind::Authentication,
                "the store rejected the credential",
            ),
            Some(403) => (
                ErrorKind::PermissionDenied,
                "the store denied access; check the credential and its permissions",
            ),
            Some(400..=499) if status != Some(408) => {
                (ErrorKind::InvalidResponse, "the store rejected the request")
            }
            _ => (ErrorKind::Unavailable, "the store failed"),
        },
    };
    let detail = match (status, code_in(&text)) {
        (Some(status), Some(code)) => format!("status {status}, {code}"),
        (None, None) if kind == ErrorKind::Unavailable => one_line(&connection_failure(error)),
        _ => one_line(&text),
    };
    Error::new(kind, format!("{doing}: {what} ({detail})"))
}

/// The HTTP status in an error's text: the error that has it is not public.
fn status_in(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The error code in an XML document of Azure or S3.
fn code_in(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    let is_code = |code: &str| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    Some(code).filter(|code| is_code(code))
}

fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > MAX_TEXT {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(store: &'static str, text: &str) -> StoreError {
        StoreError::Generic {
            store,
            source: text.into(),
        }
    }

    #[test]
    fn the_status_decides_where_the_store_gives_no_kind() {
        let azure = |status: &str| {
            let body = "<?xml version=\"1.0\"?>\n<Error><Code>InvalidBlockList</Code><Message>long\n</Message></Error>";
            generic(
                "MicrosoftAzure",
                &format!(
                    "Error performing PUT … - Server returned non-2xx status code: {status}: {body}"
                ),
            )
        };
        for (error, kind) in [
            (azure("503 Service Unavailable"), ErrorKind::Throttled),
            (azure("429 Too Many Requests"), ErrorKind::Throttled),
            (azure("500 Internal Server Error"), ErrorKind::Unavailable),
            (azure("400 Bad Request"), ErrorKind::InvalidResponse),
            (azure("403 Forbidden"), ErrorKind::PermissionDenied),
            (
                generic(
                    "S3",
                    "status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>",
                ),
                ErrorKind::Authentication,
            ),
            (generic("S3", "connection refused"), ErrorKind::Unavailable),
            (generic("LocalFileSystem", "No space left"), ErrorKind::Io),
        ] {
            let error = from_store(&error, "write a.wav");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        let error = from_store(&azure("400 Bad Request"), "write a.wav").to_string();
        assert!(error.ends_with("(status 400, InvalidBlockList)"), "{error}");
    }

    #[test]
    fn a_missing_container_is_not_a_missing_object() {
        for (code, is_object) in [
            ("ContainerNotFound", false),
            ("NoSuchBucket", false),
            ("BlobNotFound", true),
            ("NoSuchKey", true),
        ] {
            let error = StoreError::NotFound {
                path: "a".to_owned(),
                source: format!("status code: 404 Not Found: <Code>{code}</Code>").into(),
            };
            assert_eq!(is_missing_object(&error), is_object, "{code}");
        }
    }
}
