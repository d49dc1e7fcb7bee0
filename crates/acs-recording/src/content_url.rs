//! The location of recorded content.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, ErrorKind};
use crate::transport::ObjectPath;

/// The location of media, of metadata, or of an object to delete, from an event.
///
/// It is not a public address. Reading it requires the resource's credentials, which
/// [`RecordingClient::download`](crate::RecordingClient::download) sends only to the service's
/// hosts. `Display` and `Debug` omit the query, which may contain a secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentUrl(Location);

/// An event has six of these, most of which are only stored.
#[derive(Clone)]
enum Location {
    Parsed(Box<Url>),
    /// A normal URL, which is parsed when it is first needed.
    Normal {
        text: String,
        url: OnceLock<Box<Url>>,
    },
}

impl ContentUrl {
    /// The complete location, with its query.
    #[allow(clippy::missing_panics_doc, reason = "it never panics")]
    pub fn as_url(&self) -> &Url {
        match &self.0 {
            Location::Parsed(url) => url,
            #[allow(
                clippy::expect_used,
                reason = "`is_normal` accepts only what can be parsed"
            )]
            Location::Normal { text, url } => {
                url.get_or_init(|| Box::new(Url::parse(text).expect("a normal URL")))
            }
        }
    }

    fn normal(text: String) -> Self {
        let url = OnceLock::new();
        Self(Location::Normal { text, url })
    }

    fn as_str(&self) -> &str {
        match &self.0 {
            Location::Parsed(url) => url.as_str(),
            Location::Normal { text, .. } => text,
        }
    }

    /// Whether both locations belong to the same stored object: the same scheme, host and id in
    /// `/v1/objects/{id}`. The media, the metadata and the delete location of a chunk do. Locations
    /// of any other form never do.
    pub fn is_same_object(&self, other: &Self) -> bool {
        let (one, other) = (self.as_url(), other.as_url());
        let objects = (ObjectPath::of(one), ObjectPath::of(other));
        let (Some(object), Some(others)) = objects else {
            return false;
        };
        one.origin() == other.origin() && object.id == others.id
    }

    /// The id of the stored object, if the location has the form `…/objects/ID`, with or without
    /// a path below it.
    pub(crate) fn object_id(&self) -> Option<&str> {
        let mut parts = self.as_url().path_segments()?;
        parts.find(|part| *part == "objects")?;
        parts.next().filter(|id| !id.is_empty())
    }

    /// The location without the parts that may contain a secret.
    pub(crate) fn without_secrets(&self) -> Self {
        let mut url = match &self.0 {
            Location::Normal { .. } => return self.clone(),
            Location::Parsed(url) => url.clone(),
        };
        url.set_query(None);
        url.set_fragment(None);
        // Setting these fails only for URLs that cannot have them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(Location::Parsed(url))
    }
}

/// Whether a text is an https URL whose parsed form is the same text: a host name in lower case, and a
/// path of plain characters.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "without branches, it is vectorized"
)]
fn is_normal(text: &str) -> bool {
    const MAX_LENGTH: usize = 2048;
    const MAX_HOST: usize = 253;
    let Some(rest) = text.strip_prefix("https://").map(str::as_bytes) else {
        return false;
    };
    // A label that begins with a digit may be part of an IP address, and one with two hyphens may be
    // encoded Unicode.
    let (mut before, mut host) = (b'.', 0);
    for byte in rest {
        let is_valid = match byte {
            b'a'..=b'z' => true,
            b'0'..=b'9' | b'.' | b'/' => before != b'.',
            b'-' => before != b'.' && before != b'-',
            _ => false,
        };
        if !is_valid {
            return false;
        }
        if *byte == b'/' {
            break;
        }
        before = *byte;
        host += 1;
    }
    let Some(path) = rest.get(host..).filter(|path| !path.is_empty()) else {
        return false;
    };
    let is_plain = |byte: u8| {
        // Also `/`, which comes before the digits.
        let is_digit = (b'/'..=b'9').contains(&byte);
        let is_letter = (byte | 0x20).is_ascii_lowercase();
        is_letter | is_digit | (byte == b'-') | (byte == b'_')
    };
    // Without an early exit, a block is compared at once.
    let (blocks, last) = path.as_chunks::<16>();
    let all_plain = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_plain(*byte));
    let is_plain = blocks.iter().all(|block| all_plain(block)) && all_plain(last);
    is_plain && host <= MAX_HOST && text.len() <= MAX_LENGTH
}

impl PartialEq for ContentUrl {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ContentUrl {}

impl Hash for ContentUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// The text is not a content location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content location is an absolute https URL, such as an event's `contentLocation`")]
#[non_exhaustive]
pub struct InvalidContentUrl;

impl FromStr for ContentUrl {
    type Err = InvalidContentUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_normal(text) {
            return Ok(Self::normal(text.to_owned()));
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                Ok(Self(Location::Parsed(Box::new(url))))
            }
            _ => Err(InvalidContentUrl),
        }
    }
}

impl TryFrom<String> for ContentUrl {
    type Error = InvalidContentUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_normal(&text) {
            return Ok(Self::normal(text));
        }
        text.parse()
    }
}

impl From<ContentUrl> for String {
    fn from(url: ContentUrl) -> Self {
        match url.0 {
            Location::Parsed(url) => (*url).into(),
            Location::Normal { text, .. } => text,
        }
    }
}

impl From<InvalidContentUrl> for Error {
    fn from(error: InvalidContentUrl) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

impl fmt::Display for ContentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.without_secrets().as_str())
    }
}

impl fmt::Debug for ContentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_normal_url_is_its_parsed_form(
            text in prop_oneof![
                "https://[a-z0-9.-]{0,20}/[a-zA-Z0-9/_-]{0,20}",
                "https://(xn--|[a-z0-9]{1,3}[.-]){0,4}[a-z0-9]{0,3}(:[0-9]{1,3})?/[a-zA-Z0-9/._%?#-]{0,20}",
                "(https?|ftp)://.{0,20}",
            ]
        ) {
            let parsed = Url::parse(&text);
            if is_normal(&text) {
                prop_assert_eq!(parsed.as_ref().map(Url::as_str), Ok(text.as_str()));
            }
            let parsed = parsed.ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let location = text.parse::<ContentUrl>().ok();
            prop_assert_eq!(location.as_ref().map(ContentUrl::as_url), parsed.as_ref());
            if let (Some(location), Some(url)) = (location, parsed) {
                prop_assert_eq!(location, ContentUrl(Location::Parsed(Box::new(url))));
            }
        }
    }

    #[test]
    fn locations_of_the_service_are_normal() {
        for (text, expected) in [
            (
                "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-a/content/audiowav",
                true,
            ),
            ("https://eu-storage.asm.skype.com/", true),
            ("https://EU-storage.asm.skype.com/", false),
            ("https://eu-storage.asm.skype.com", false),
            ("https://acme.blob.core.windows.net/c/x?sig=s3cret", false),
            ("https://a.example/a/../b", false),
            ("https://a.example/%41", false),
            ("https://a.0x1/", false),
            ("https://127.0.0.1/", false),
            ("https://xn--a.example/", false),
            ("https://a..example/", false),
            ("https:///x", false),
            ("http://a.example/", false),
        ] {
            assert_eq!(is_normal(text), expected, "{text}");
        }
    }

    #[test]
    fn locations_of_one_object_are_recognised() {
        let content: ContentUrl = "https://eu.asm.skype.com/v1/objects/0-weu-d1-a/content/video"
            .parse()
            .unwrap();
        for (location, same) in [
            ("https://eu.asm.skype.com/v1/objects/0-weu-d1-a", true),
            ("https://EU.asm.skype.com:443/v1/objects/0-weu-d1-a", true),
            (
                "https://eu.asm.skype.com/v1/objects/0-weu-d1-a/content/deletedata",
                true,
            ),
            ("https://eu.asm.skype.com/v1/objects/0-weu-d1", false),
            ("https://eu.asm.skype.com/v1/objects/0-weu-d1-ab", false),
            ("https://eu.asm.skype.com/v1/objects/0-WEU-d1-a", false),
            ("https://us.asm.skype.com/v1/objects/0-weu-d1-a", false),
            ("http://eu.asm.skype.com/v1/objects/0-weu-d1-a", false),
            ("https://eu.asm.skype.com:8443/v1/objects/0-weu-d1-a", false),
            (
                "https://eu.asm.skype.com/calling/recordings/0-weu-d1-a",
                false,
            ),
        ] {
            let location: ContentUrl = location.parse().unwrap();
            assert_eq!(content.is_same_object(&location), same, "{location}");
            assert_eq!(location.is_same_object(&content), same, "{location}");
        }
        let other: ContentUrl = "https://eu.asm.skype.com/x".parse().unwrap();
        assert!(!other.is_same_object(&other));
    }

    #[test]
    fn secrets_are_omitted() {
        let url: ContentUrl = "https://u:p@acme.blob.core.windows.net/c/x?sig=s3cret#f"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "https://acme.blob.core.windows.net/c/x");
        assert_eq!(
            format!("{url:?}"),
            "ContentUrl(https://acme.blob.core.windows.net/c/x)"
        );
        assert!(String::from(url).contains("s3cret"));
        assert!("content/video".parse::<ContentUrl>().is_err());
    }
}
