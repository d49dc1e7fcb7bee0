//! What the host of Azure Functions wants to hear from a custom handler.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::{Value, json};

use crate::event::Invocation;

/// Makes a response one to the Functions host, if the request was an invocation by it.
///
/// A status that is no success stays: the host counts the invocation as failed, and what triggered
/// it tries again. The answer to an HTTP request goes into the output `res`, and into the return
/// value for an output that is called `$return`.
pub(super) fn response(
    invocation: Option<Invocation>,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let Some(invocation) = invocation.filter(|_| response.status().is_success()) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let mut outputs = json!({});
    let mut value = Value::Null;
    if invocation == Invocation::Http {
        let kind = parts.headers.get(CONTENT_TYPE);
        let headers = kind.and_then(|kind| Some(json!({"Content-Type": kind.to_str().ok()?})));
        value = json!({
            "statusCode": parts.status.as_u16(),
            "headers": headers.unwrap_or_else(|| json!({})),
            "body": String::from_utf8_lossy(&body),
        });
        outputs = json!({"res": value});
    }
    let body = json!({"Outputs": outputs, "Logs": [], "ReturnValue": value});
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Bytes::from(body.to_string()))
}
