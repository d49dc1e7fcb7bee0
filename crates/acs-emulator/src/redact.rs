//! Texts for logs and errors, without the parts that may be secret.

use std::borrow::Cow;

/// Removes the parts of a URL that may contain secrets, for use in logs: the query, the fragment
/// and the user information. The text may be malformed: parsers of URLs accept one slash after the
/// scheme, or none, or backslashes, and ignore line breaks.
pub(crate) fn without_secrets(url: &str) -> Cow<'_, str> {
    if url.contains(['\t', '\n', '\r']) {
        let joined: String = url.chars().filter(|one| !one.is_ascii_control()).collect();
        return Cow::Owned(without_secrets(&joined).into_owned());
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = split_scheme(url);
    let end = rest.find(['/', '\\']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}{}", &rest[at + 1..])),
        None => Cow::Borrowed(url),
    }
}

/// Splits a URL after its scheme and the slashes that follow.
fn split_scheme(url: &str) -> (&str, &str) {
    let without_scheme = url.len() - url.trim_start_matches(['/', '\\']).len();
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.split_at(without_scheme);
    };
    let slashes = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    let is_web = ["http", "https"]
        .iter()
        .any(|known| scheme.trim().eq_ignore_ascii_case(known));
    if slashes > 0 || is_web {
        url.split_at(scheme.len() + 1 + slashes)
    } else {
        url.split_at(without_scheme)
    }
}

/// The innermost message of an error, which names the cause. The outer messages only repeat the URL.
pub(crate) fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Removes the parts of all URLs in a text that may contain secrets.
#[cfg(feature = "own-storage")]
pub(crate) fn urls_without_secrets(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.contains("://") {
            without_secrets(word)
        } else {
            word.into()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_urls_contain_no_secrets() {
        for (url, shown) in [
            ("https://a.example/b?code=x", "https://a.example/b"),
            ("https://a.example#x", "https://a.example"),
            ("https://u:p@a.example/b@c", "https://a.example/b@c"),
            ("https://u:p@x@a.example", "https://a.example"),
            ("https://a.example/b", "https://a.example/b"),
            ("https:/u:p@a.example/b", "https:/a.example/b"),
            ("https:u:p@a.example/b", "https:a.example/b"),
            ("HTTPS:u:p@a.example/b", "HTTPS:a.example/b"),
            ("https:\\\\u:p@a.example/b", "https:\\\\a.example/b"),
            ("u:p@a.example/b", "a.example/b"),
            ("//u:p@a.example/b", "//a.example/b"),
            (" ht\ntps://u:p@a.example/b", " https://a.example/b"),
            ("a?b", "a"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[cfg(feature = "own-storage")]
    #[test]
    fn urls_within_a_text_contain_no_secrets() {
        let text = "sending to (http://a.test/b?sig=secret) failed";
        let cleaned = urls_without_secrets(text);
        assert_eq!(cleaned, "sending to (http://a.test/b failed");
    }
}
