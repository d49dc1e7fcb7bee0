//! Why a connection failed.

use std::error::Error as StdError;

/// Whether the server's certificate is not trusted.
pub(crate) fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    // The type is that of another crate's dependency, and may be there in several versions.
    root_cause(error).contains("invalid peer certificate")
}

/// Why a connection failed, and what to do about it.
pub(crate) fn connection_failure(error: &(dyn StdError + 'static)) -> String {
    let hint = if is_untrusted(error) {
        "; add its root certificate"
    } else {
        ""
    };
    format!("{}{hint}", root_cause(error))
}

/// The innermost message. Those around it repeat the URL with its SAS, or a whole response.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let words = text.split(' ').map(|word| {
        let is_url = word.contains("://");
        let end = if is_url { word.find('?') } else { None };
        &word[..end.unwrap_or(word.len())]
    });
    words.collect::<Vec<_>>().join(" ")
}
