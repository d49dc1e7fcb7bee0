//! Responses of a custom handler to the host of Azure Functions.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::{Value, json};

use crate::event::FunctionTrigger;

/// Wraps a response for the Functions host if the request was an invocation by it.
///
/// An error status is kept: the host counts the invocation as failed, and the trigger retries it.
/// The response to an HTTP trigger goes into the output `res`, and into the return value for an
/// output named `$return`.
pub(super) fn response(
    trigger: Option<FunctionTrigger>,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let Some(trigger) = trigger.filter(|_| response.status().is_success()) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let mut outputs = json!({});
    let mut value = Value::Null;
    if trigger == FunctionTrigger::Http {
        let content_type = parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|it| it.to_str().ok());
        let headers = content_type.map(|it| json!({"Content-Type": it}));
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
