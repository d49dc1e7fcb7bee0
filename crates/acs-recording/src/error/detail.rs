//! The body of an error response, and its sender.

use serde_json::Value;

use crate::format::one_line;

/// The maximum number of characters shown of an unknown body.
pub(super) const SNIPPET: usize = 120;

/// The maximum number of characters shown of a message of the service.
const MAX_MESSAGE: usize = 1000;

/// The error in a body, in any of the forms that the service and its storage use.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Detail {
    pub(crate) code: Option<String>,
    /// The innermost code, if it differs.
    pub(crate) inner_error_code: Option<String>,
    pub(crate) message: String,
    pub(crate) target: Option<String>,
}

/// The sender of a response, by its body.
#[derive(Debug, PartialEq)]
pub(super) enum Sender {
    /// The service, in a form of its own.
    Service,
    /// Probably the storage front end, whose errors have no body.
    Unknown,
    /// A gateway or proxy, with this text.
    Other(String),
}

impl Detail {
    pub(super) fn read(body: &[u8]) -> (Self, Sender) {
        let other = || {
            let said = String::from_utf8_lossy(body).trim().to_owned();
            let is_empty = said.chars().all(char::is_control);
            let sender = if is_empty {
                Sender::Unknown
            } else {
                Sender::Other(said)
            };
            (Self::default(), sender)
        };
        // Member by member, so that one that is missing or of another type does not affect the others.
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return other();
        };
        // The storage front end and old versions of the service have no `error` around it.
        let error = value.get("error").unwrap_or(&value);
        let code = member(error, "code");
        let message = member(error, "message").or_else(|| member(error, "title"));
        // This is the form of API Management.
        let is_gateway = code.is_none() && error.get("statusCode").is_some();
        if is_gateway || code.is_none() && message.is_none() {
            return other();
        }
        let detail = Self {
            inner_error_code: innermost_code(error).filter(|inner| Some(inner) != code.as_ref()),
            code,
            message: one_line(&message.unwrap_or_default(), MAX_MESSAGE),
            target: member(error, "target").map(|target| one_line(&target, MAX_MESSAGE)),
        };
        (detail, Sender::Service)
    }
}

/// A member that is text or a number, and not empty.
fn member(value: &Value, name: &str) -> Option<String> {
    let text = match value.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The code of the error that caused all others.
fn innermost_code(error: &Value) -> Option<String> {
    let mut code = None;
    let mut at = error;
    while let Some(inner) = at.get("innererror").or_else(|| at.get("innerError")) {
        code = member(inner, "code").or(code);
        at = inner;
    }
    code
}
