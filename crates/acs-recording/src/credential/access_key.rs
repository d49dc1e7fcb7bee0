//! An access key and what it signs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};

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
    /// The base64 of the HMAC-SHA256 of `text`.
    pub(crate) fn sign(&self, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }
}

/// The text of an access key is not base64. The error does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access key is not base64: copy it from the resource's page \"Keys\", with its `=`")]
#[non_exhaustive]
pub struct InvalidAccessKey;

impl FromStr for AccessKey {
    type Err = InvalidAccessKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match BASE64_STANDARD.decode(text.trim()) {
            Ok(key) if !key.is_empty() => Hmac::new_from_slice(&key)
                .map(Self)
                .map_err(|_| InvalidAccessKey),
            _ => Err(InvalidAccessKey),
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
        Error::new(ErrorKind::InvalidInput, error.to_string())
    }
}
