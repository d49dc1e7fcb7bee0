//! What the body of an answer says that is not a success, and whose words these are.

use serde_json::Value;

/// How many characters of a body that is not understood are shown.
pub(super) const SNIPPET: usize = 120;

/// How many characters of what the service says are shown.
const LONGEST_MESSAGE: usize = 1000;

/// What the body says, in any of the forms that the service and its storage use.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Detail {
    pub(crate) code: Option<String>,
    /// The innermost code, if that is another one.
    pub(crate) inner_error_code: Option<String>,
    pub(crate) message: String,
    pub(crate) target: Option<String>,
}

/// Who answered, by what the body is.
#[derive(Debug, PartialEq)]
pub(super) enum Answerer {
    /// The service, in a form of its own.
    Service,
    /// The storage front end as a rule: its refusals have no body.
    Nobody,
    /// Something on the way, which said this.
    Other(String),
}

impl Detail {
    pub(super) fn read(body: &[u8]) -> (Self, Answerer) {
        let other = || {
            let said = String::from_utf8_lossy(body).trim().to_owned();
            let nobody = said.chars().all(char::is_control);
            let by_whom = if nobody {
                Answerer::Nobody
            } else {
                Answerer::Other(said)
            };
            (Self::default(), by_whom)
        };
        // Member by member: one that is missing or of another type takes no other with it.
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return other();
        };
        // The storage front end and old versions of the service have no `error` around it.
        let error = value.get("error").unwrap_or(&value);
        let code = member(error, "code");
        let message = member(error, "message").or_else(|| member(error, "title"));
        // API Management says it like this.
        let is_gateway = code.is_none() && error.get("statusCode").is_some();
        if is_gateway || code.is_none() && message.is_none() {
            return other();
        }
        let detail = Self {
            inner_error_code: innermost_code(error).filter(|inner| Some(inner) != code.as_ref()),
            code,
            message: one_line(&message.unwrap_or_default(), LONGEST_MESSAGE),
            target: member(error, "target").map(|target| one_line(&target, LONGEST_MESSAGE)),
        };
        (detail, Answerer::Service)
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

/// The beginning of a text as one line that is safe to print.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.filter(|word| !word.is_empty());
    // Enough words for the limit, however long the text is.
    let line = words.take(limit).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
