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
/// It is parsed from the base64 text that the portal shows. `Debug` does not show it.
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

/// The base64 of a hash. `encode` would allocate zeroed memory, for which threads contend.
pub(super) fn base64_of_hash(hash: &[u8]) -> String {
    let mut text = String::with_capacity(44);
    BASE64_STANDARD.encode_string(hash, &mut text);
    text
}

/// Why a text is not an access key. The error does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAccessKey {
    /// It is not base64.
    #[error(
        "the access key is not base64: copy it from the resource's page \"Keys\", with its `=`"
    )]
    NotBase64,
    /// It contains a space, which base64 never does.
    #[error(
        "the access key contains a space: probably a `+` that a URL or a form changed; copy the key \
         from the resource's page \"Keys\""
    )]
    Space,
    /// It is percent-encoded.
    #[error(
        "the access key is percent-encoded: pass it with `+`, `/` and `=`, as on the resource's page \
         \"Keys\""
    )]
    PercentEncoded,
    /// It is something else.
    #[error("the access key {0}; copy the key from the resource's page \"Keys\"")]
    OtherValue(&'static str),
}

impl FromStr for AccessKey {
    type Err = InvalidAccessKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match BASE64_STANDARD.decode(text) {
            Ok(key) if !key.is_empty() => match detect_kind(text) {
                // A server call id is base64 as well.
                Some(kind) => Err(InvalidAccessKey::OtherValue(kind.description())),
                None => Hmac::new_from_slice(&key)
                    .map(Self)
                    .map_err(|_| InvalidAccessKey::NotBase64),
            },
            // The source would show a part of the key.
            _ => Err(match detect_kind(text) {
                Some(ValueKind::ConnectionString) => InvalidAccessKey::OtherValue(
                    "is a connection string, which contains it after `accesskey=`",
                ),
                Some(ValueKind::Token) => InvalidAccessKey::OtherValue(
                    "is a token, which requires an Entra ID credential",
                ),
                Some(ValueKind::PercentEncoded) => InvalidAccessKey::PercentEncoded,
                Some(kind) => InvalidAccessKey::OtherValue(kind.description()),
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
                "is a connection string",
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
