//! The endpoint of a Communication Services resource.

use std::fmt;
use std::str::FromStr;

use url::{Host, ParseError, Url};

use crate::error::{Error, ErrorKind};
use crate::value_kind::{ValueKind, detect_kind};

/// The endpoint of a Communication Services resource, such as
/// `https://contoso.communication.azure.com/`.
///
/// It must be `https`, except on loopback, and must not have a path, a query or a user name: the
/// service would reject every signature for such a URL without giving a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The endpoint as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether a URL is on this endpoint.
    pub(crate) fn is_at(&self, url: &Url) -> bool {
        self.0.authority() == url.authority()
    }

    /// Whether it is an IP address or on loopback, so that no server routes by its name.
    pub(crate) fn is_nameless(&self) -> bool {
        is_loopback(&self.0) || !matches!(self.0.host(), Some(Host::Domain(_)))
    }

    /// The host, with the port unless it is the scheme's default, as signatures contain it.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority()
    }
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is not a URL.
    #[error("the endpoint is not a URL; it looks like https://<resource>.communication.azure.com/")]
    NotAUrl(#[source] ParseError),
    /// Requests to it would not be encrypted.
    #[error("the endpoint is not https; http is for loopback only")]
    NotHttps,
    /// It has a part that an endpoint does not have.
    #[error("the endpoint has a {0}; remove it")]
    UnexpectedPart(&'static str),
    /// It is something else.
    #[error(
        "the endpoint {0}; the resource's page \"Keys\" shows the endpoint, such as \
         https://<resource>.communication.azure.com/"
    )]
    OtherValue(&'static str),
}

impl TryFrom<Url> for Endpoint {
    type Error = InvalidEndpoint;

    fn try_from(url: Url) -> Result<Self, Self::Error> {
        if let Some(is) = other_address(&url) {
            return Err(InvalidEndpoint::OtherValue(is));
        }
        if url.host().is_none() {
            return Err(InvalidEndpoint::NotAUrl(ParseError::EmptyHost));
        }
        if !is_secure(&url) {
            return Err(InvalidEndpoint::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::UnexpectedPart("user name or password"));
        }
        if url.path() != "/" {
            return Err(InvalidEndpoint::UnexpectedPart("path"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidEndpoint::UnexpectedPart("query or fragment"));
        }
        Ok(Self(url))
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match detect_kind(text) {
            Some(ValueKind::Url) if !text.contains("://") => {
                return Err(InvalidEndpoint::OtherValue(
                    ValueKind::PercentEncoded.description(),
                ));
            }
            // A host name only lacks the scheme, which the error for an invalid URL shows.
            None | Some(ValueKind::Url | ValueKind::HostName) => {}
            Some(is) => return Err(InvalidEndpoint::OtherValue(is.description())),
        }
        let url = Url::parse(text.trim()).map_err(InvalidEndpoint::NotAUrl)?;
        url.try_into()
    }
}

/// Describes the URL of another service. None if it may be the endpoint of a resource.
fn other_address(url: &Url) -> Option<&'static str> {
    if let Some(is) = detect_kind(url.as_str())
        && is != ValueKind::Url
    {
        return Some(is.description());
    }
    let host = url.host_str().unwrap_or_default();
    let is_below = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(domain));
    if host.starts_with("management.") && is_below(&[".azure.com", ".chinacloudapi.cn"]) {
        Some("is the address of Azure Resource Manager")
    } else if host.starts_with("login.")
        && is_below(&[
            ".microsoftonline.com",
            ".microsoftonline.us",
            ".chinacloudapi.cn",
        ])
    {
        Some("is the token endpoint of Entra ID")
    } else if is_service_host(url) {
        Some("is on a host that stores recordings")
    } else if is_azure_storage(url) {
        Some("is a storage account")
    } else if is_below(&[
        ".eventgrid.azure.net",
        ".eventgrid.azure.us",
        ".eventgrid.azure.cn",
    ]) {
        Some("is on a host of Event Grid")
    } else if host.starts_with("acscallautomation.communication.azure.") {
        Some("is the issuer of the tokens of callbacks")
    } else {
        None
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str())
    }
}

impl From<InvalidEndpoint> for Error {
    fn from(error: InvalidEndpoint) -> Self {
        Error::new(ErrorKind::InvalidInput, error.to_string()).with_source(error)
    }
}

/// Whether requests to the URL are encrypted, or do not leave this machine.
pub(crate) fn is_secure(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the URL is on loopback.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The hosts on which the service keeps recordings.
const SERVICE_SUFFIXES: &[&str] = &[
    ".asm.skype.com",
    ".asyncgw.teams.microsoft.com",
    ".ams.gov.teams.microsoft.us",
];

/// Whether the host is one on which the service keeps recordings.
pub(crate) fn is_service_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    SERVICE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
}

/// Whether the URL is in an Azure storage account: in any cloud (`blob.core.windows.net`,
/// `blob.core.usgovcloudapi.net`, …), by an endpoint in a DNS zone (`z7.blob.storage.azure.net`),
/// or in Azurite, which emulates accounts on this machine.
pub(crate) fn is_azure_storage(url: &Url) -> bool {
    const SERVICES: &[&str] = &["blob", "dfs", "file", "queue", "table", "web"];
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let labels: Vec<_> = host.split('.').collect();
    let in_account = labels.windows(2).skip(1).any(|pair| {
        let [service, domain] = pair else {
            return false;
        };
        SERVICES.contains(service) && (*domain == "core" || *domain == "storage")
    });
    let is_azure = host.contains(".core.") || host.ends_with(".storage.azure.net");
    let in_azurite = is_loopback(url) && url.path().starts_with("/devstoreaccount1");
    in_account && is_azure || in_azurite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certainly_no_endpoint_is_named() {
        for (text, said) in [
            (
                "https://portal.azure.com/#@t/resource/subscriptions/1",
                "Azure portal",
            ),
            ("https://portal.azure.us", "Azure portal"),
            (
                "endpoint=https://a.example/;accesskey=c2VjcmV0",
                "connection string",
            ),
            (
                "/subscriptions/1/resourceGroups/r",
                "Azure Resource Manager",
            ),
            ("https://management.azure.com/", "Azure Resource Manager"),
            ("https://login.microsoftonline.us/tenant", "Entra ID"),
            ("https://eu-storage.asm.skype.com/", "stores recordings"),
            ("https://acme.blob.core.chinacloudapi.cn", "storage account"),
            ("https://t.westus-1.eventgrid.azure.net/", "Event Grid"),
            (
                "https://acscallautomation.communication.azure.com",
                "issuer",
            ),
            (
                "https://teams.microsoft.com/l/meetup-join/x",
                "Teams meeting",
            ),
            ("\"https://contoso.communication.azure.com\"", "quotes"),
            (
                "https%3A%2F%2Fcontoso.communication.azure.com",
                "percent-encoded",
            ),
            ("29228d3e-040e-4656-a70e-890ab4e173e5", "a GUID"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
        for text in [
            "https://contoso.communication.azure.us",
            "https://contoso.unitedstates.communication.azure.com",
            "https://acs.contoso.example",
        ] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
    }

    #[test]
    fn storage_accounts_are_known_in_every_cloud() {
        for (url, expected) in [
            ("https://acme.blob.core.windows.net/c/x", true),
            ("https://acme.dfs.core.windows.net/c/x", true),
            ("https://ACME-secondary.blob.core.windows.net/c/x", true),
            ("https://acme.privatelink.blob.core.windows.net/c/x", true),
            ("https://acme.blob.core.usgovcloudapi.net/c/x", true),
            ("https://acme.blob.core.chinacloudapi.cn/c/x", true),
            ("https://acme.blob.core.cloudapi.de/c/x", true),
            ("https://acme.blob.core.windows.net./c/x", true),
            ("https://acme.z7.blob.storage.azure.net/c/x", true),
            ("https://acme.z12.dfs.storage.azure.net/c/x", true),
            ("http://127.0.0.1:10000/devstoreaccount1/c/x", true),
            ("https://blob.core.windows.net/c/x", false),
            ("https://acme.blob.core/x", false),
            ("https://media.example/blob.core.windows.net/x", false),
            ("https://us-storage.asm.skype.com/v1/objects/x", false),
        ] {
            assert_eq!(is_azure_storage(&url.parse().unwrap()), expected, "{url}");
        }
    }

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
            (
                "contoso.communication.azure.com",
                InvalidEndpoint::NotAUrl(ParseError::RelativeUrlWithoutBase),
            ),
            (
                "",
                InvalidEndpoint::NotAUrl(ParseError::RelativeUrlWithoutBase),
            ),
            (
                "mailto:a@b.example",
                InvalidEndpoint::NotAUrl(ParseError::EmptyHost),
            ),
            (
                "http://contoso.communication.azure.com",
                InvalidEndpoint::NotHttps,
            ),
            ("http://127.0.0.1.example", InvalidEndpoint::NotHttps),
            ("ftp://127.0.0.1", InvalidEndpoint::NotHttps),
            (
                "https://u@h.example",
                InvalidEndpoint::UnexpectedPart("user name or password"),
            ),
            (
                "https://h.example/path",
                InvalidEndpoint::UnexpectedPart("path"),
            ),
            (
                "https://h.example/?q",
                InvalidEndpoint::UnexpectedPart("query or fragment"),
            ),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }
}
