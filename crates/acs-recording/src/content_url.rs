//! The location of recorded content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, ErrorKind};
use crate::transport::ObjectPath;

/// The location of media, of metadata, or of an object to delete, from an event.
///
/// It is not a public address. Reading it requires the resource's credentials, which
/// [`RecordingClient::download`](crate::RecordingClient::download) sends only to the service's
/// hosts. `Display` and `Debug` omit the query, which may contain a secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentUrl(Url);

impl ContentUrl {
    /// The complete location, with its query.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether both locations belong to the same stored object: the same scheme, host and id in
    /// `/v1/objects/{id}`. The media, the metadata and the delete location of a chunk do. Locations
    /// of any other form never do.
    pub fn is_same_object(&self, other: &Self) -> bool {
        let objects = (ObjectPath::of(&self.0), ObjectPath::of(&other.0));
        let (Some(object), Some(others)) = objects else {
            return false;
        };
        self.0.origin() == other.0.origin() && object.id == others.id
    }

    /// The id of the stored object, if the location has the form `…/objects/ID`, with or without
    /// a path below it.
    pub(crate) fn object_id(&self) -> Option<&str> {
        let mut parts = self.0.path_segments()?;
        parts.find(|part| *part == "objects")?;
        parts.next().filter(|id| !id.is_empty())
    }

    /// The location without the parts that may contain a secret.
    pub(crate) fn without_secrets(&self) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_fragment(None);
        // Setting these fails only for URLs that cannot have them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(url)
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
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err(InvalidContentUrl),
        }
    }
}

impl TryFrom<String> for ContentUrl {
    type Error = InvalidContentUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContentUrl> for String {
    fn from(url: ContentUrl) -> Self {
        url.0.into()
    }
}

impl From<InvalidContentUrl> for Error {
    fn from(error: InvalidContentUrl) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

impl fmt::Display for ContentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.without_secrets().0.as_str())
    }
}

impl fmt::Debug for ContentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
