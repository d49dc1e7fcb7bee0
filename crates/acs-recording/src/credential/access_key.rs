//! An access key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::value_kind::{ValueKind, detect_kind};

/// One of the two access keys of a Communication Services resource.
///
/// It parses from the base64 text that the portal shows, and never shows itself again.
///
/// ```
/// let key: acs_recording::AccessKey = "c2VjcmV0IG9mIGEgdGVzdA==".parse()?;
/// assert_eq!(format!("{key:?}"), "AccessKey(…)");
/// # Ok::<(), acs_recording::InvalidAccessKey>(())
/// ```
#[derive(Clone)]
pub struct AccessKey(Hmac<Sha256>);

impl AccessKey {
    /// The base64 of the HMAC-SHA256 of a text in parts.
    pub(crate) fn sign(&self, parts: &[&str]) -> String {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part.as_bytes());
        }
        base64_of_hash(&mac.finalize().into_bytes())
    }
}

/// The base64 of a hash, as `encode` returns it; that asks for zeroed memory, for which threads wait
/// for each other at a high rate.
pub(super) fn base64_of_hash(hash: &[u8]) -> String {
    let mut text = String::with_capacity(44);
    BASE64_STANDARD.encode_string(hash, &mut text);
    text
}

/// Why text is not an access key. The error does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAccessKey {
    /// It is not base64.
    #[error(
        "the access key is not base64: copy it from the resource's page \"Keys\", with its `=`"
    )]
    NotBase64,
    /// It has a space in it, which base64 never has.
    #[error(
        "the access key has a space in it: probably a `+` that became one in a URL or a form; copy \
         the key from the resource's page \"Keys\""
    )]
    Space,
    /// It is percent-encoded.
    #[error(
        "the access key is percent-encoded: give it with `+`, `/` and `=`, as on the resource's page \
         \"Keys\""
    )]
    PercentEncoded,
    /// It is something else.
    #[error("the access key {0}: copy the key from the resource's page \"Keys\"")]
    OtherValue(&'static str),
}

impl FromStr for AccessKey {
    type Err = InvalidAccessKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match BASE64_STANDARD.decode(text) {
            // A server call id would be a key by its form.
            Ok(_) if let Some(is) = detect_kind(text) => {
                Err(InvalidAccessKey::OtherValue(is.description()))
            }
            Ok(key) if !key.is_empty() => Hmac::new_from_slice(&key)
                .map(Self)
                .map_err(|_| InvalidAccessKey::NotBase64),
            // The source would show a part of the key.
            _ => Err(match detect_kind(text) {
                Some(ValueKind::ConnectionString) => InvalidAccessKey::OtherValue(
                    "is a whole connection string, of which it is the part behind `accesskey=`",
                ),
                Some(ValueKind::Token) => {
                    InvalidAccessKey::OtherValue("is a token, which takes an Entra ID credential")
                }
                Some(ValueKind::PercentEncoded) => InvalidAccessKey::PercentEncoded,
                Some(is) => InvalidAccessKey::OtherValue(is.description()),
                None if text.contains(' ') => InvalidAccessKey::Space,
                None if text.contains('%') => InvalidAccessKey::PercentEncoded,
                None => InvalidAccessKey::NotBase64,
            }),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

impl From<InvalidAccessKey> for Error {
    fn from(error: InvalidAccessKey) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certainly_no_key_is_named() {
        for (text, said) in [
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                "whole connection string",
            ),
            ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln", "a token"),
            ("c2VjcmV0IQ%3D%3D", "percent-encoded"),
            ("\"c2VjcmV0\"", "quotes"),
            ("29228d3e-040e-4656-a70e-890ab4e173e5", "a GUID"),
            ("https://contoso.communication.azure.com/", "a URL"),
            ("aHR0cHM6Ly9h", "server call id"),
            ("c2VjcmV0IQ", "not base64"),
            ("", "not base64"),
        ] {
            let error = text.parse::<AccessKey>().unwrap_err();
            assert!(error.to_string().contains(said), "{text}: {error}");
            assert!(!format!("{error:?}").contains("c2Vj"), "{error:?}");
        }
        assert!("c2VjcmV0IQ==\n".parse::<AccessKey>().is_ok());
    }
}
