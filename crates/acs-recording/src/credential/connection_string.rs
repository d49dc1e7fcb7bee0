//! `endpoint=…;accesskey=…`, as the portal shows it.

use std::str::FromStr;

use super::{AccessKey, Endpoint, InvalidAccessKey, InvalidEndpoint};
use crate::error::{Error, ErrorKind};

/// The address and an access key of a Communication Services resource, as one text:
/// `endpoint=https://<resource>.communication.azure.com/;accesskey=<base64>`.
///
/// The two parts come in any order, their names in any case, spaces around names and values do not
/// count, and one `;` may end the text.
///
/// ```
/// use acs_recording::ConnectionString;
///
/// let text = "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0";
/// let parsed: ConnectionString = text.parse()?;
/// assert_eq!(parsed.endpoint().to_string(), "https://contoso.communication.azure.com/");
/// # Ok::<(), acs_recording::InvalidConnectionString>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionString {
    endpoint: Endpoint,
    access_key: AccessKey,
}

impl ConnectionString {
    /// The address of the resource.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The access key.
    pub fn access_key(&self) -> &AccessKey {
        &self.access_key
    }

    pub(crate) fn into_parts(self) -> (Endpoint, AccessKey) {
        (self.endpoint, self.access_key)
    }
}

/// Why text is no connection string. No error repeats a value, which may be the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConnectionString {
    /// There is nothing.
    #[error("the connection string is empty; it looks like `endpoint=https://…;accesskey=…`")]
    Empty,
    /// A part has no `=`.
    #[error(
        "part {0} of the connection string has no `=`; it looks like `endpoint=https://…;accesskey=…`"
    )]
    NoValue(usize),
    /// A part is there twice.
    #[error("the connection string has `{0}` twice")]
    Duplicate(&'static str),
    /// A part is missing.
    #[error("the connection string has no `{0}`")]
    Missing(&'static str),
    /// A part is neither the endpoint nor the key.
    #[error("part {0} of the connection string is neither `endpoint` nor `accesskey`")]
    Unknown(usize),
    /// The endpoint cannot be one.
    #[error("connection string: {0}")]
    Endpoint(#[source] InvalidEndpoint),
    /// The key cannot be one.
    #[error("connection string: {0}")]
    AccessKey(#[source] InvalidAccessKey),
}

impl FromStr for ConnectionString {
    type Err = InvalidConnectionString;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use InvalidConnectionString as Invalid;

        let text = text.trim();
        let text = text.strip_suffix(';').unwrap_or(text);
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        let (mut endpoint, mut access_key) = (None, None);
        for (index, part) in text.split(';').enumerate() {
            // Only the first `=` splits: keys end in `=`.
            let (name, value) = part.split_once('=').ok_or(Invalid::NoValue(index + 1))?;
            let (slot, name) = match name.trim() {
                name if name.eq_ignore_ascii_case("endpoint") => (&mut endpoint, "endpoint"),
                name if name.eq_ignore_ascii_case("accesskey") => (&mut access_key, "accesskey"),
                _ => return Err(Invalid::Unknown(index + 1)),
            };
            if slot.replace(value.trim()).is_some() {
                return Err(Invalid::Duplicate(name));
            }
        }
        let endpoint = endpoint.ok_or(Invalid::Missing("endpoint"))?;
        let access_key = access_key.ok_or(Invalid::Missing("accesskey"))?;
        Ok(Self {
            endpoint: endpoint.parse().map_err(Invalid::Endpoint)?,
            access_key: access_key.parse().map_err(Invalid::AccessKey)?,
        })
    }
}

impl From<InvalidConnectionString> for Error {
    fn from(error: InvalidConnectionString) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "c2VjcmV0IQ==";

    #[test]
    fn accepts_what_the_portal_and_people_write() {
        for text in [
            "endpoint=https://h.example/;accesskey=c2VjcmV0IQ==",
            "accesskey=c2VjcmV0IQ==;endpoint=https://h.example/",
            "Endpoint=https://h.example;AccessKey=c2VjcmV0IQ==;",
            "  endpoint = https://h.example ; ACCESSKEY = c2VjcmV0IQ== \n",
        ] {
            let parsed: ConnectionString = text.parse().unwrap();
            assert_eq!(parsed.endpoint().to_string(), "https://h.example/");
            let direct: AccessKey = KEY.parse().unwrap();
            assert_eq!(parsed.access_key().sign(&["x"]), direct.sign(&["x"]));
        }
    }

    #[test]
    fn says_what_is_wrong_without_the_key() {
        use InvalidConnectionString as Invalid;
        for (text, expected) in [
            ("", Invalid::Empty),
            (";", Invalid::Empty),
            ("c2VjcmV0IQ", Invalid::NoValue(1)),
            (
                "endpoint=https://h.example;;accesskey=c2VjcmV0IQ==",
                Invalid::NoValue(2),
            ),
            ("endpoint=https://h.example", Invalid::Missing("accesskey")),
            ("accesskey=c2VjcmV0IQ==", Invalid::Missing("endpoint")),
            (
                "accesskey=c2VjcmV0IQ==;accesskey=c2VjcmV0IQ==",
                Invalid::Duplicate("accesskey"),
            ),
            (
                "endpoint=https://h.example;key=c2VjcmV0IQ==",
                Invalid::Unknown(2),
            ),
            (
                "endpoint=https://h.example;accesskey=c2VjcmV0IQ",
                Invalid::AccessKey("c2VjcmV0IQ".parse::<AccessKey>().unwrap_err()),
            ),
            (
                "endpoint=h.example;accesskey=c2VjcmV0IQ==",
                Invalid::Endpoint(InvalidEndpoint::NoUrl),
            ),
        ] {
            let error = text.parse::<ConnectionString>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            let shown = format!("{error} {error:?} {:?}", Error::from(error.clone()));
            assert!(!shown.contains("c2VjcmV0IQ"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_tell_the_key(text in ".{0,200}", key in "[A-Za-z0-9+/]{8,40}") {
            let _ = text.parse::<ConnectionString>();
            let text = format!("{text};accesskey={key}");
            if let Err(error) = text.parse::<ConnectionString>() {
                let shown = error.to_string();
                prop_assert!(!shown.contains(&key));
            }
        }
    }
}
