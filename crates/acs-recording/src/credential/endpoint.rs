//! Where a Communication Services resource is.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, ErrorKind};

/// The address of a Communication Services resource, such as
/// `https://contoso.communication.azure.com/`.
///
/// It is `https`, except on loopback, and has neither path nor query nor user: the service would
/// refuse every signature over such a URL without saying why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The address as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host, with the port unless that is the scheme's own, as signatures contain it.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority()
    }
}

/// Why text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is no URL.
    #[error("the endpoint is no URL; it looks like https://<resource>.communication.azure.com/")]
    NoUrl,
    /// It would send requests in the clear.
    #[error("the endpoint is not https, which only an address on loopback may be")]
    NotHttps,
    /// It has parts that an endpoint does not have.
    #[error("the endpoint has a {0}, which belongs to no resource's address")]
    Excess(&'static str),
}

impl TryFrom<Url> for Endpoint {
    type Error = InvalidEndpoint;

    fn try_from(url: Url) -> Result<Self, Self::Error> {
        if url.host().is_none() {
            return Err(InvalidEndpoint::NoUrl);
        }
        if !is_secure(&url) {
            return Err(InvalidEndpoint::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::Excess("user name or password"));
        }
        if url.path() != "/" {
            return Err(InvalidEndpoint::Excess("path"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidEndpoint::Excess("query or fragment"));
        }
        Ok(Self(url))
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidEndpoint::NoUrl)?;
        url.try_into()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

impl From<InvalidEndpoint> for Error {
    fn from(error: InvalidEndpoint) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string())
    }
}

/// Whether what is sent to the URL stays between the two: https, or this machine.
pub(crate) fn is_secure(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_what_is_signed() {
        for (text, authority) in [
            (
                "https://Contoso.communication.azure.com",
                "contoso.communication.azure.com",
            ),
            (
                "https://contoso.communication.azure.com:443/",
                "contoso.communication.azure.com",
            ),
            (
                "https://contoso.communication.azure.com:8443",
                "contoso.communication.azure.com:8443",
            ),
            ("http://127.0.0.1:9000/", "127.0.0.1:9000"),
            ("http://[::1]:9000/", "[::1]:9000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().authority(), authority);
        }
    }

    #[test]
    fn refuses_what_cannot_be() {
        for (text, error) in [
            ("contoso.communication.azure.com", InvalidEndpoint::NoUrl),
            ("", InvalidEndpoint::NoUrl),
            ("mailto:a@b.example", InvalidEndpoint::NoUrl),
            (
                "http://contoso.communication.azure.com",
                InvalidEndpoint::NotHttps,
            ),
            ("http://127.0.0.1.example", InvalidEndpoint::NotHttps),
            ("ftp://127.0.0.1", InvalidEndpoint::NotHttps),
            (
                "https://u@h.example",
                InvalidEndpoint::Excess("user name or password"),
            ),
            ("https://h.example/path", InvalidEndpoint::Excess("path")),
            (
                "https://h.example/?q",
                InvalidEndpoint::Excess("query or fragment"),
            ),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }
}
