//! What a generated operation can end in, other than success.

use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::transport::BoxError;

/// Why an operation gave no result.
///
/// It keeps an error of the [`Transport`](crate::Transport) as it was, and prints neither headers
/// nor URLs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// There is no answer: the error of the [`Transport`](crate::Transport).
    Transport(BoxError),
    /// The service answered with a status that is not a success. The body is as a rule a
    /// [`CommunicationErrorResponse`](crate::types::CommunicationErrorResponse), but gateways send
    /// HTML and some refusals have no body.
    Status(Box<Response<Bytes>>),
    /// The answer is a success, but its body is not what the operation returns.
    Body {
        /// The answer as it came.
        answer: Box<Response<Bytes>>,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The request could not be built from its arguments.
    Request(BoxError),
}

impl Failure {
    /// The failure that an answer with an unexpected status is.
    pub(crate) fn status(answer: Response<Bytes>) -> Self {
        Self::Status(Box::new(answer))
    }
}

/// For generated code, where nothing but building requests ends in one.
impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Request(error.without_url().into())
    }
}

impl From<http::header::InvalidHeaderValue> for Failure {
    fn from(error: http::header::InvalidHeaderValue) -> Self {
        Self::Request(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(_) => write!(f, "the service gave no answer"),
            Self::Status(answer) => write!(f, "the service answered {}", answer.status()),
            Self::Body { .. } => write!(f, "the service's answer has an unexpected body"),
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
