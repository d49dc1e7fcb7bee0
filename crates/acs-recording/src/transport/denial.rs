//! Why credentials are not sent to a URL.

use http::Method;
use url::Url;

use super::authority;
use super::object::ObjectPath;
use crate::error::{Error, ErrorKind, Hint};

/// Why credentials are not sent to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    NotHttp,
    NotEncrypted,
    UserName,
    OwnStorage,
    /// It is the resource itself.
    Resource,
    /// A host of the service or one that was added, on another port.
    Port,
    /// It is not a host of the service.
    Host,
    /// The host is allowed, but the path is not that of content to read or delete.
    Path,
}

impl Denial {
    /// The error. It does not suggest to allow the host: locations come from outside, and credentials
    /// must not follow them.
    pub(crate) fn into_error(self, method: &Method, url: &Url) -> Error {
        let host = authority(url);
        let refused = |why: &str| {
            let message = format!("no credentials are sent to {host}: {why}");
            Error::new(ErrorKind::ForbiddenHost, message).with_hint(Hint::CheckLocation)
        };
        match self {
            Self::NotHttp => refused(&format!("`{}:` is not https", url.scheme())),
            Self::NotEncrypted => refused("the URL is not https"),
            Self::UserName => refused("the URL contains a user name"),
            Self::Port => refused("its port is neither one of the service nor allowed"),
            Self::Host => refused("it is not a host of the service"),
            Self::Resource => {
                refused("it is the resource's own host, which does not store content")
            }
            Self::OwnStorage => Error::new(
                ErrorKind::OwnStorage,
                format!(
                    "the recording is in a storage account of your own, at {host}, which \
                     does not accept the credentials of Communication Services"
                ),
            )
            .with_hint(Hint::UseStorageCredentials),
            Self::Path => refused(match (method, ObjectPath::of(url)) {
                (&Method::DELETE, Some(_)) => {
                    "the path is that of media or metadata; only the whole object can be deleted, \
                         `/v1/objects/ID`"
                }
                _ => "the path is not one of recorded content, `/v1/objects/ID/content/NAME`",
            }),
        }
    }
}
