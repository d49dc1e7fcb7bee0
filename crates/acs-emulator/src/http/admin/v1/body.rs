//! Bodies and queries of requests.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The maximum size of a body. A WAV file in base64 may be in it.
const MAX_BODY: usize = 32 << 20;

/// A JSON body, which must be sent as `application/json`, so that web pages of others cannot send it.
/// An empty body is like `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
            Problem::new(
                Code::TooLarge,
                format!("The body exceeds {MAX_BODY} bytes."),
            )
        })?;
        if body.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !is_json(&parts) {
            let detail = "The content type of the body is not application/json.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail)
                .hint("Send the header Content-Type: application/json."));
        }
        parse(&body).map(Self)
    }
}

fn is_json(parts: &Parts) -> bool {
    let value = parts.headers.get(CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let invalid = |error| Problem::invalid(format!("The body is invalid: {error}."));
    serde_json::from_slice(body).map_err(invalid)
}

/// The parameters in the query.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(Problem::invalid(format!(
                "The query is invalid: {}.",
                error.body_text()
            ))),
        }
    }
}
