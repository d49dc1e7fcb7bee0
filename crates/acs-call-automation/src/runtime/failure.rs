//! The errors of generated operations.

use std::fmt;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use super::BoxError;

/// The reason why an operation failed.
///
/// An error of the [`Transport`](crate::Transport) is kept unchanged. The messages contain neither
/// headers nor URLs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There is no response. Contains the error of the [`Transport`](crate::Transport).
    Transport(BoxError),
    /// The status of the response is not a success. The body is usually a
    /// [`CommunicationErrorResponse`](crate::types::CommunicationErrorResponse), but gateways send
    /// HTML, and some error responses have no body.
    Status(Box<Response<Bytes>>),
    /// The status is a success, but the body is not a valid result of the operation.
    Body {
        /// The response.
        response: Box<Response<Bytes>>,
        /// The parse error.
        source: serde_json::Error,
    },
    /// The request could not be built from its arguments.
    Request(BoxError),
}

impl Failure {
    /// The failure for a response with an unexpected status.
    #[doc(hidden)]
    pub fn status(response: Response<Bytes>) -> Self {
        Self::Status(Box::new(response))
    }

    /// The body of a response that is not a success, if it is JSON of this type.
    ///
    /// The documentation of each operation names the type, such as
    /// [`CommunicationErrorResponse`](crate::types::CommunicationErrorResponse).
    pub fn error_body<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Status(response) => serde_json::from_slice(response.body()).ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(_) => write!(f, "there is no response from the service"),
            Self::Status(response) => write!(f, "the service responded with {}", response.status()),
            Self::Body { .. } => write!(f, "the response of the service has an unexpected body"),
            Self::Request(_) => write!(f, "the request could not be built"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) | Self::Request(error) => Some(error.as_ref()),
            Self::Body { source, .. } => Some(source),
            Self::Status(_) => None,
        }
    }
}
