//! Where recorded content is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, ErrorKind};

/// The location of media, of metadata, or of what is to be deleted, from an event.
///
/// It is no public address: reading needs the resource's credentials, which
/// [`RecordingClient::download`](crate::RecordingClient::download) sends to the service's hosts
/// only. `Display` and `Debug` leave the query away, which may hold a secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentUrl(Url);

impl ContentUrl {
    /// The whole location.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The id of the stored object that it is about, if it is one of the service's locations:
    /// `…/objects/ID` and what is below.
    pub(crate) fn object(&self) -> Option<&str> {
        let mut parts = self.0.path_segments()?;
        parts.find(|part| *part == "objects")?;
        parts.next().filter(|id| !id.is_empty())
    }

    /// The location without anything that may be a secret.
    pub(crate) fn without_secrets(&self) -> Self {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_fragment(None);
        // An address that can have no user has none to hide.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(url)
    }

    /// Whether deleting what this names deletes that content and nothing else: both are the same
    /// object, or the content lies below.
    pub(super) fn deletes(&self, content: &Self) -> bool {
        match (self.object(), content.object()) {
            // The service has each once, whichever of its hosts is asked.
            (Some(one), Some(other)) => one == other,
            (None, None) if self.0.origin() == content.0.origin() => {
                let whole = self.0.path().trim_end_matches('/');
                let rest = content.0.path().strip_prefix(whole);
                !whole.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        }
    }
}

/// Text is no location of content.
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
        Error::new(ErrorKind::InvalidInput, error.to_string())
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
    fn secrets_are_not_shown() {
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

    #[test]
    fn what_deletes_something_else_is_told_from_what_deletes_the_content() {
        let content = "https://eu-storage.asm.skype.com/v1/objects/a/content/audiowav";
        let url = |text: &str| text.parse::<ContentUrl>().unwrap();
        for (delete, expected) in [
            ("https://eu-storage.asm.skype.com/v1/objects/a", true),
            (
                "https://eu-storage.asm.skype.com/v1/objects/a/content/deletedata",
                true,
            ),
            ("https://eu-storage.asm.skype.com/v1/objects/b", false),
            ("https://eu-storage.asm.skype.com/v1/objects/", false),
            (
                "https://eu-storage.asm.skype.com/calling/recordings/a",
                false,
            ),
            ("https://eu-storage.asm.skype.com/", false),
        ] {
            assert_eq!(url(delete).deletes(&url(content)), expected, "{delete}");
        }
        assert!(url("https://x.example/a").deletes(&url("https://x.example/a/b")));
        assert!(!url("https://x.example/a").deletes(&url("https://x.example/ab")));
    }
}
