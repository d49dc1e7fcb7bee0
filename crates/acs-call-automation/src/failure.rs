//! What a generated operation can end in, other than success.

use std::fmt;

use bytes::Bytes;
use reqwest::Response;

use crate::Error;
use crate::transport::{BoxError, carried};

/// Why an operation gave no result.
///
/// `?` makes it from the [`Error`] of a generated method. Unlike that, it keeps an error of the
/// [`Transport`](crate::Transport) as it was, and prints neither headers nor URLs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There is no answer: the error of the [`Transport`](crate::Transport).
    Transport(BoxError),
    /// The service answered with a status that is not a success. The body is still to be read:
    /// as a rule a [`CommunicationErrorResponse`](crate::types::CommunicationErrorResponse), but
    /// gateways send HTML and some refusals have no body.
    Status(Box<Response>),
    /// The answer is a success, but its body is not what the operation returns.
    Body {
        /// The body as it came.
        body: Bytes,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The connection broke while the body of a success came in.
    Interrupted(reqwest::Error),
    /// The request could not be built from its arguments.
    Request(BoxError),
}

impl From<Error<()>> for Failure {
    fn from(error: Error<()>) -> Self {
        match error {
            Error::UnexpectedResponse(mut response) => match carried(&mut response) {
                Some(error) => Self::Transport(error),
                None => Self::Status(Box::new(response)),
            },
            Error::InvalidResponsePayload(body, source) => Self::Body { body, source },
            Error::ResponseBodyError(error) => Self::Interrupted(error),
            Error::CommunicationError(error) if error.is_builder() => Self::Request(error.into()),
            Error::InvalidRequest(message) | Error::Custom(message) => {
                Self::Request(message.into())
            }
            Error::CommunicationError(error) | Error::InvalidUpgrade(error) => {
                Self::Transport(error.into())
            }
            // The description is generated from without its error responses.
            Error::ErrorResponse(response) => Self::Request(
                format!(
                    "an error response of type () with status {}",
                    response.status()
                )
                .into(),
            ),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(_) => write!(f, "the service gave no answer"),
            Self::Status(response) => write!(f, "the service answered {}", response.status()),
            Self::Body { .. } => write!(f, "the service's answer has an unexpected body"),
            Self::Interrupted(_) => write!(f, "the service's answer broke off"),
            Self::Request(_) => write!(f, "the request could not be built"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) | Self::Request(error) => Some(error.as_ref()),
            Self::Body { source, .. } => Some(source),
            Self::Interrupted(error) => Some(error),
            Self::Status(_) => None,
        }
    }
}
