//! The Azure clouds, and the values that differ between them.

use crate::credential::Endpoint;

/// An Azure cloud, which determines the issuers and scopes of tokens, and the senders of events.
///
/// The endpoint determines it if it ends in `.communication.azure.com`, `.communication.azure.us` or
/// `.communication.azure.cn`. Otherwise it is the public cloud, unless
/// [`RecordingClientBuilder::cloud`](crate::RecordingClientBuilder::cloud) sets another.
///
/// The clouds differ in these values:
///
/// | | `Public` | `UsGov` | `China` |
/// |---|---|---|---|
/// | [Entra ID](Self::authority_host) | `login.microsoftonline.com` | `login.microsoftonline.us` | `login.chinacloudapi.cn` |
/// | [scope of tokens](Self::token_scope) | `https://communication.azure.com//.default` | `https://communication.azure.us//.default` (inferred) | `https://communication.azure.cn//.default` (inferred) |
/// | [origin of Event Grid](Self::event_grid_origin) | `eventgrid.azure.net` | `eventgrid.azure.us` | `eventgrid.azure.cn` |
/// | [application of Event Grid](Self::event_grid_application) | `4962773b-…` | `54316b56-…` | not documented |
/// | [issuer of callbacks](Self::callback_issuer) | `acscallautomation.communication.azure.com` | `….communication.azure.us` (inferred) | `….communication.azure.cn` (inferred) |
///
/// Values without a remark are documented, or used by Microsoft's own clients. Inferred values follow
/// from the domain of the cloud and the documented value of the public cloud. If one is wrong,
/// set it: [`token_scope`](crate::RecordingClientBuilder::token_scope) for tokens, and
/// `webhook::TokenAuthenticator::new` for the issuer of callbacks.
///
/// The cloud of a participant is a [`CloudEnvironment`](crate::CloudEnvironment) instead.
#[cfg_attr(
    not(feature = "entra"),
    allow(rustdoc::broken_intra_doc_links, reason = "Entra ID is a feature")
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Public,
    /// Azure Government in the United States.
    UsGov,
    /// Azure in China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: &'static [Self] = &[Self::Public, Self::UsGov, Self::China];

    /// The cloud of a resource, if its endpoint determines it.
    pub fn of_endpoint(endpoint: &Endpoint) -> Option<Self> {
        let host = endpoint.url().host_str().unwrap_or_default();
        let mut clouds = Self::ALL.iter().copied();
        clouds.find(|cloud| {
            host.strip_suffix(cloud.domain())
                .is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        })
    }

    /// The domain of resources.
    fn domain(self) -> &'static str {
        match self {
            Self::Public => "communication.azure.com",
            Self::UsGov => "communication.azure.us",
            Self::China => "communication.azure.cn",
        }
    }

    /// The URL of Microsoft Entra ID, such as `https://login.microsoftonline.com`.
    pub fn authority_host(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGov => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// The scope of Microsoft Entra ID tokens. It is inferred except for the public cloud.
    pub fn token_scope(self) -> &'static str {
        // The service expects two slashes.
        match self {
            Self::Public => "https://communication.azure.com//.default",
            Self::UsGov => "https://communication.azure.us//.default",
            Self::China => "https://communication.azure.cn//.default",
        }
    }

    /// The origin in the `CloudEvents` handshake of Event Grid.
    pub fn event_grid_origin(self) -> &'static str {
        match self {
            Self::Public => "eventgrid.azure.net",
            Self::UsGov => "eventgrid.azure.us",
            Self::China => "eventgrid.azure.cn",
        }
    }

    /// The client id of the application that Event Grid's delivery tokens are issued to. `None` if it is
    /// not documented.
    pub fn event_grid_application(self) -> Option<&'static str> {
        match self {
            Self::Public => Some("4962773b-9cdb-44cf-a8bf-237846a00ab7"),
            Self::UsGov => Some("54316b56-3481-47f9-8f30-0300f5542a7b"),
            Self::China => None,
        }
    }

    /// The issuer of the tokens of Call Automation callbacks. It is inferred except for the public cloud.
    pub fn callback_issuer(self) -> &'static str {
        match self {
            Self::Public => "https://acscallautomation.communication.azure.com",
            Self::UsGov => "https://acscallautomation.communication.azure.us",
            Self::China => "https://acscallautomation.communication.azure.cn",
        }
    }

    /// The issuers of a tenant's tokens, in both versions of Entra ID tokens.
    #[cfg(feature = "webhook")]
    pub(crate) fn entra_issuers(self, tenant: &str) -> Vec<String> {
        let mut issuers = vec![format!("{}/{tenant}/v2.0", self.authority_host())];
        match self {
            // Azure Government has the same issuer in version 1.
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
    fn the_endpoint_determines_the_cloud() {
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
