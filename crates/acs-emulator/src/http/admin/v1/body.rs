//! Bodies and queries of requests.

use std::fmt::Display;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::problem::{Code, Problem};

/// The maximum size of a body. A WAV file in base64 may be in it.
const MAX_BODY: usize = 32 << 20;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// A JSON body, which must be sent as `application/json`, so that web pages of others cannot send it.
/// An empty body is like `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = read(body).await?;
        if body.is_empty() {
            return from_json(b"{}").map(Self);
        }
        if media_type(&parts) != JSON {
            let detail = "The content type of the body is not application/json.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail)
                .hint("Send the header Content-Type: application/json."));
        }
        from_json(&body).map(Self)
    }
}

/// A body in JSON or YAML.
pub(super) struct DocumentBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for DocumentBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = read(body).await?;
        match media_type(&parts).as_str() {
            JSON => from_json(&body).map(Self),
            YAML => from_yaml(&body).map(Self),
            _ => {
                let detail = "The content type of the body is neither JSON nor YAML.";
                Err(Problem::new(Code::UnsupportedMediaType, detail).hint(
                    "Send the header Content-Type: application/json or Content-Type: application/yaml.",
                ))
            }
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(
            Code::TooLarge,
            format!("The body exceeds {MAX_BODY} bytes."),
        )
    })
}

/// The media type of the body without its parameters, in lower case.
fn media_type(parts: &Parts) -> String {
    let value = parts.headers.get(CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let not_json = |error: serde_json::Error| {
        Problem::invalid(format!("The body is not valid JSON: {error}."))
            .hint("Check the body at this position.")
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        if error.inner().is_data() {
            invalid(&error)
        } else {
            not_json(error.into_inner())
        }
    })?;
    json.end().map_err(not_json)?;
    Ok(value)
}

fn from_yaml<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let not_yaml = |error: &dyn Display| {
        Problem::invalid(format!("The body is not valid YAML: {error}."))
            .hint("Check the body at this position.")
    };
    let text = std::str::from_utf8(body).map_err(|error| not_yaml(&error))?;
    let value: Value = serde_saphyr::from_str(text).map_err(|error| not_yaml(&error))?;
    serde_path_to_error::deserialize(value).map_err(|error| invalid(&error))
}

/// The body has valid syntax, but a member is wrong.
fn invalid(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer = error.path().iter().map(|segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    });
    Problem::invalid(format!("The body is invalid: {}.", error.inner()))
        .pointer(pointer.collect::<String>())
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
