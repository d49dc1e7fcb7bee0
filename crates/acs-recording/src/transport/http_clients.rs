//! HTTP clients, and which requests go through a proxy.

use std::fmt;
use std::sync::{Arc, OnceLock};

use reqwest::{Client, ClientBuilder};
use url::Url;

use crate::credential::is_loopback;

/// A client that goes through the proxy of the environment or the system, and one that does not.
///
/// Loopback means this machine. To a proxy it would be the proxy's own, and credentials would get
/// there in the clear. Each client is made when it is needed first. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpClients(Arc<Inner>);

struct Inner {
    settings: Box<dyn Fn() -> ClientBuilder + Send + Sync>,
    /// The one that was made first.
    first: Client,
    proxied: OnceLock<Client>,
    direct: OnceLock<Client>,
}

impl HttpClients {
    /// Clients with these settings. The one for `first` is made at once, so that wrong settings
    /// show.
    pub(crate) fn new(
        settings: impl Fn() -> ClientBuilder + Send + Sync + 'static,
        first: &Url,
    ) -> reqwest::Result<Self> {
        let is_direct = is_loopback(first);
        let client = make(settings(), is_direct)?;
        let (proxied, direct) = (OnceLock::new(), OnceLock::new());
        let place = if is_direct { &direct } else { &proxied };
        place.get_or_init(|| client.clone());
        Ok(Self(Arc::new(Inner {
            settings: Box::new(settings),
            first: client,
            proxied,
            direct,
        })))
    }

    /// One of the clients, to make requests with and not to send them.
    pub(crate) fn any(&self) -> &Client {
        &self.0.first
    }

    /// The client that sends requests to a URL.
    pub(crate) fn to(&self, url: &Url) -> reqwest::Result<&Client> {
        let inner = &*self.0;
        let is_direct = is_loopback(url);
        let place = if is_direct {
            &inner.direct
        } else {
            &inner.proxied
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let client = make((inner.settings)(), is_direct)?;
        Ok(place.get_or_init(|| client))
    }
}

fn make(builder: ClientBuilder, is_direct: bool) -> reqwest::Result<Client> {
    let builder = if is_direct {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build()
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

/// The proxy that requests to a URL go through, as far as the environment tells: the name of the
/// variable, and its host with the port.
pub(crate) fn proxy_of(url: &Url) -> Option<(&'static str, String)> {
    find_proxy(url, |name| std::env::var(name).ok())
}

fn find_proxy(
    url: &Url,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    const HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    const HTTP: &[&str] = &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    // Who names exceptions may mean this host, which is not looked into here.
    let has_exceptions = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .any(|name| variable(name).is_some_and(|exceptions| !exceptions.trim().is_empty()));
    if is_loopback(url) || has_exceptions {
        return None;
    }
    let names = if url.scheme() == "https" { HTTPS } else { HTTP };
    names.iter().find_map(|name| {
        let value = variable(name).filter(|value| !value.trim().is_empty())?;
        // With its scheme or without; without one, the host would be the scheme.
        let url = Url::parse(&value).ok().filter(Url::has_host);
        let url = url.or_else(|| Url::parse(&format!("http://{value}")).ok())?;
        Some((*name, super::place(&url)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_variable_and_shown_without_its_password() {
        let set = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            }
        };
        let remote: Url = "https://contoso.communication.azure.com/".parse().unwrap();
        let local: Url = "http://127.0.0.1:9000/".parse().unwrap();
        let both = set(&[
            ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128"),
            ("ALL_PROXY", "other.example:1"),
        ]);
        assert_eq!(
            find_proxy(&remote, both),
            Some(("HTTPS_PROXY", "proxy.example:3128".to_owned()))
        );
        assert_eq!(
            find_proxy(&local, set(&[("ALL_PROXY", "http://p.example")])),
            None
        );
        assert_eq!(
            find_proxy(&remote, set(&[("all_proxy", "p.example:3128")])),
            Some(("all_proxy", "p.example:3128".to_owned()))
        );
        assert_eq!(
            find_proxy(&remote, set(&[("HTTP_PROXY", "http://p.example")])),
            None
        );
        let excepted = set(&[
            ("ALL_PROXY", "http://p.example"),
            ("NO_PROXY", ".azure.com"),
        ]);
        assert_eq!(find_proxy(&remote, excepted), None);
    }
}
