//! The token of the admin interface.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A token that requests to the admin interface must have. It is never shown by accident.
#[derive(Clone)]
pub(crate) struct AdminToken(String);

impl AdminToken {
    /// A random token.
    pub(crate) fn generate() -> Self {
        let bytes = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
    }

    /// A chosen token, which must be valid in a header, a cookie and a URL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_valid)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Compares in constant time, whatever the length of `text`.
    pub(crate) fn is(&self, text: &str) -> bool {
        let [own, given] = [&*self.0, text].map(Sha256::digest);
        verify_slices_are_equal(&own, &given).is_ok()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_and_never_shown() {
        let token = AdminToken::generate();
        assert_ne!(token.text(), AdminToken::generate().text());
        assert_eq!(token.text().len(), 43);
        let text = token.text().to_owned();
        assert!(AdminToken::parse(&text).unwrap().is(&text));
        for other in ["", "x", &text[1..], &format!("{text}x")] {
            assert!(!token.is(other));
        }
        assert!(!format!("{token:?}").contains(&text));
        for invalid in ["", "a b", "a;b", "a,b", "ä", "a\n", "\"a\""] {
            assert!(AdminToken::parse(invalid).is_none(), "{invalid:?}");
        }
    }
}
