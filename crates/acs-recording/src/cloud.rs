//! The clouds of Azure, and what differs between them.

use crate::credential::Endpoint;

/// A cloud of Azure: where tokens come from, what they are for, and who sends events.
///
/// It follows from the endpoint where that ends in `.communication.azure.com`,
/// `.communication.azure.us` or `.communication.azure.cn`; it is the public one otherwise, unless
/// [`RecordingClientBuilder::cloud`](crate::RecordingClientBuilder::cloud) says which it is.
///
/// What differs:
///
/// | | `Public` | `UsGov` | `China` |
/// |---|---|---|---|
/// | [Entra ID](Self::authority_host) | `login.microsoftonline.com` | `login.microsoftonline.us` | `login.chinacloudapi.cn` |
/// | [scope of tokens](Self::token_scope) | `https://communication.azure.com//.default` | `https://communication.azure.us//.default` (inferred) | `https://communication.azure.cn//.default` (inferred) |
/// | [origin of Event Grid](Self::event_grid_origin) | `eventgrid.azure.net` | `eventgrid.azure.us` | `eventgrid.azure.cn` |
/// | [application of Event Grid](Self::event_grid_application) | `4962773b-…` | `54316b56-…` | not documented |
/// | [issuer of callbacks](Self::callback_issuer) | `acscallautomation.communication.azure.com` | `….communication.azure.us` (inferred) | `….communication.azure.cn` (inferred) |
///
/// The values without a remark are documented, or in the code of Microsoft's own clients. Those
/// that are inferred follow from the domain of the cloud and from the documented value of the
/// public one. Where one is wrong, set it:
/// [`token_scope`](crate::RecordingClientBuilder::token_scope) for tokens, and
/// `webhook::TokenAuthenticator::new` for the issuer of callbacks.
///
/// It is not the cloud that a participant belongs to, which is
/// [`CloudEnvironment`](crate::CloudEnvironment).
#[cfg_attr(
    not(feature = "entra"),
    allow(rustdoc::broken_intra_doc_links, reason = "Entra ID is a feature")
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// Azure for everybody.
    #[default]
    Public,
    /// Azure Government of the United States.
    UsGov,
    /// Azure in China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: &'static [Self] = &[Self::Public, Self::UsGov, Self::China];

    /// The cloud of a resource, where its address tells.
    pub fn of_endpoint(endpoint: &Endpoint) -> Option<Self> {
        let host = endpoint.url().host_str().unwrap_or_default();
        let mut clouds = Self::ALL.iter().copied();
        clouds.find(|cloud| {
            host.strip_suffix(cloud.domain())
                .is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        })
    }

    /// The domain of the resources.
    fn domain(self) -> &'static str {
        match self {
            Self::Public => "communication.azure.com",
            Self::UsGov => "communication.azure.us",
            Self::China => "communication.azure.cn",
        }
    }

    /// Where Entra ID gives tokens, such as `https://login.microsoftonline.com`.
    pub fn authority_host(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGov => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// What tokens of Entra ID are asked for. Inferred but for the public cloud.
    pub fn token_scope(self) -> &'static str {
        // The two slashes are the service's own.
        match self {
            Self::Public => "https://communication.azure.com//.default",
            Self::UsGov => "https://communication.azure.us//.default",
            Self::China => "https://communication.azure.cn//.default",
        }
    }

    /// The origin in the handshake of Event Grid for `CloudEvents`.
    pub fn event_grid_origin(self) -> &'static str {
        match self {
            Self::Public => "eventgrid.azure.net",
            Self::UsGov => "eventgrid.azure.us",
            Self::China => "eventgrid.azure.cn",
        }
    }

    /// The application that asks for the tokens of Event Grid's deliveries; none where that is not
    /// documented.
    pub fn event_grid_application(self) -> Option<&'static str> {
        match self {
            Self::Public => Some("4962773b-9cdb-44cf-a8bf-237846a00ab7"),
            Self::UsGov => Some("54316b56-3481-47f9-8f30-0300f5542a7b"),
            Self::China => None,
        }
    }

    /// Who signs the tokens of Call Automation's callbacks. Inferred but for the public cloud.
    pub fn callback_issuer(self) -> &'static str {
        match self {
            Self::Public => "https://acscallautomation.communication.azure.com",
            Self::UsGov => "https://acscallautomation.communication.azure.us",
            Self::China => "https://acscallautomation.communication.azure.cn",
        }
    }

    /// The issuers that tokens of a tenant name, in both versions of Entra's tokens.
    #[cfg(feature = "webhook")]
    pub(crate) fn entra_issuers(self, tenant: &str) -> Vec<String> {
        let mut issuers = vec![format!("{}/{tenant}/v2.0", self.authority_host())];
        match self {
            // Azure Government has the same name in version 1.
            Self::Public | Self::UsGov => {
                issuers.push(format!("https://sts.windows.net/{tenant}/"));
            }
            Self::China => {
                issuers.push(format!(
                    "https://login.partner.microsoftonline.cn/{tenant}/v2.0"
                ));
                issuers.push(format!("https://sts.chinacloudapi.cn/{tenant}/"));
            }
        }
        issuers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_tells_the_cloud() {
        for (endpoint, cloud) in [
            (
                "https://contoso.communication.azure.com",
                Some(Cloud::Public),
            ),
            ("https://contoso.communication.azure.us", Some(Cloud::UsGov)),
            ("https://a.usgov.communication.azure.us", Some(Cloud::UsGov)),
            ("https://CONTOSO.communication.azure.cn", Some(Cloud::China)),
            ("https://contoso.communication.azure.us.example", None),
            ("https://evilcommunication.azure.us", None),
            ("https://communication.azure.us", None),
            ("http://127.0.0.1:9000", None),
        ] {
            let endpoint: Endpoint = endpoint.parse().unwrap();
            assert_eq!(Cloud::of_endpoint(&endpoint), cloud, "{endpoint}");
        }
    }
}
