//! The options of the built-in transport.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, ClientBuilder};
use url::Url;

use super::authority;
use super::error::UsedProxy;
use crate::credential::is_loopback;
use crate::error::{Error, ErrorKind, Result};

/// The default connect timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The name of the builder's proxy in errors.
const PROXY_SETTING: &str = "the client's setting `proxy`";

/// Settings of the built-in transport.
#[derive(Clone, Default)]
pub(crate) struct HttpOptions {
    /// Trusted in addition to those of the system.
    roots: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
    proxy: Proxy,
    connect_timeout: Option<Duration>,
    pool_idle_timeout: Option<Duration>,
    pool_max_idle_per_host: Option<usize>,
}

/// The proxy of requests, except for those to loopback.
#[derive(Clone, Default)]
enum Proxy {
    /// The proxy of the environment or the system, if there is one.
    #[default]
    FromEnvironment,
    None,
    At {
        proxy: Box<reqwest::Proxy>,
        /// Host and port.
        authority: String,
    },
}

impl HttpOptions {
    pub(crate) fn add_root_certificates(&mut self, pem: &[u8]) -> Result<()> {
        let unreadable = |error: reqwest::Error| {
            let text = "a root certificate cannot be read; use certificates in PEM";
            Error::new(ErrorKind::InvalidInput, text).with_source(error)
        };
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(unreadable)?;
        if roots.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the text contains no root certificate, which begins with `-----BEGIN CERTIFICATE-----`",
            ));
        }
        // Only building a client parses the contents of the PEM sections.
        let trial = Client::builder().tls_certs_only(roots.clone());
        trial.build().map_err(unreadable)?;
        self.roots.extend(roots);
        Ok(())
    }

    pub(crate) fn set_client_certificate(&mut self, pem: &[u8]) -> Result<()> {
        let unreadable = |error: reqwest::Error| {
            let text = "the client certificate cannot be read; use a private key and its \
                        certificates in PEM";
            Error::new(ErrorKind::InvalidInput, text).with_source(error)
        };
        let identity = reqwest::Identity::from_pem(pem).map_err(unreadable)?;
        // Only building a client checks the key, and that it matches the certificate.
        let trial = Client::builder()
            .tls_certs_only([])
            .identity(identity.clone());
        trial.build().map_err(unreadable)?;
        self.identity = Some(identity);
        Ok(())
    }

    pub(crate) fn set_proxy(&mut self, url: &str) -> Result<()> {
        let invalid = |why: &str| {
            let text = format!("the proxy {why}; use a URL such as http://proxy.example:3128");
            Error::new(ErrorKind::InvalidInput, text)
        };
        let parsed = Url::parse(url).map_err(|error| invalid("is not a URL").with_source(error))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(invalid("is not an http or https URL"));
        }
        let proxy = reqwest::Proxy::all(url)
            .map_err(|error| invalid("is not valid").with_source(error.without_url()))?;
        self.proxy = Proxy::At {
            proxy: Box::new(proxy),
            authority: authority(&parsed),
        };
        Ok(())
    }

    pub(crate) fn set_no_proxy(&mut self) {
        self.proxy = Proxy::None;
    }

    pub(crate) fn set_connect_timeout(&mut self, limit: Duration) {
        self.connect_timeout = Some(limit);
    }

    pub(crate) fn set_pool_idle_timeout(&mut self, limit: Duration) {
        self.pool_idle_timeout = Some(limit);
    }

    pub(crate) fn set_pool_max_idle_per_host(&mut self, connections: usize) {
        self.pool_max_idle_per_host = Some(connections);
    }

    /// The name of the first option that is set.
    pub(crate) fn first_set(&self) -> Option<&'static str> {
        [
            ("add_root_certificate", !self.roots.is_empty()),
            ("client_certificate", self.identity.is_some()),
            (
                "proxy or no_proxy",
                !matches!(self.proxy, Proxy::FromEnvironment),
            ),
            ("connect_timeout", self.connect_timeout.is_some()),
            ("pool_idle_timeout", self.pool_idle_timeout.is_some()),
            (
                "pool_max_idle_per_host",
                self.pool_max_idle_per_host.is_some(),
            ),
        ]
        .into_iter()
        .find_map(|(name, is_set)| is_set.then_some(name))
    }

    /// Rejects options out of range.
    pub(super) fn check(&self) -> Result<()> {
        if self.connect_timeout.is_some_and(|limit| limit.is_zero()) {
            let text = "a connect_timeout of zero is out of range; give more than that";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        Ok(())
    }

    /// A builder of clients with these options.
    pub(super) fn client(&self, is_direct: bool) -> ClientBuilder {
        let mut builder = Client::builder()
            // Credentials are only sent to hosts that were checked.
            .redirect(reqwest::redirect::Policy::none())
            // The pipeline retries; reqwest would keep a copy of each request for it.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            // The ranges of a download need connections of their own.
            .http1_only()
            // Checksums and ranges refer to the bytes as they are sent. Other crates of a program may
            // enable these features of reqwest.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(self.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
            .tls_certs_merge(self.roots.iter().cloned());
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        if let Some(limit) = self.pool_idle_timeout {
            builder = builder.pool_idle_timeout(limit);
        }
        if let Some(connections) = self.pool_max_idle_per_host {
            builder = builder.pool_max_idle_per_host(connections);
        }
        match &self.proxy {
            _ if is_direct => builder.no_proxy(),
            Proxy::FromEnvironment => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::At { proxy, .. } => builder.no_proxy().proxy(reqwest::Proxy::clone(proxy)),
        }
    }

    /// The proxy that requests to a URL go through, if that is known.
    pub(super) fn used_proxy(&self, url: &Url) -> Option<UsedProxy> {
        match &self.proxy {
            _ if is_loopback(url) => None,
            Proxy::None => None,
            Proxy::FromEnvironment => find_proxy(url, |name| std::env::var(name).ok()),
            Proxy::At { authority, .. } => Some(UsedProxy {
                named_by: PROXY_SETTING,
                authority: authority.clone(),
            }),
        }
    }
}

/// Proxies may contain passwords, and identities are private keys.
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("set", &self.first_set())
            .finish_non_exhaustive()
    }
}

/// The proxy that the environment names for requests to a URL.
fn find_proxy(url: &Url, variable: impl Fn(&str) -> Option<String>) -> Option<UsedProxy> {
    const HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    const HTTP: &[&str] = &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    // The exceptions may include this host, which only reqwest knows.
    let has_exceptions = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .any(|name| variable(name).is_some_and(|exceptions| !exceptions.trim().is_empty()));
    if is_loopback(url) || has_exceptions {
        return None;
    }
    let names = if url.scheme() == "https" { HTTPS } else { HTTP };
    names.iter().find_map(|name| {
        let value = variable(name).filter(|value| !value.trim().is_empty())?;
        // The scheme may be missing. The host would then be parsed as the scheme.
        let url = Url::parse(&value).ok().filter(Url::has_host);
        let url = url.or_else(|| Url::parse(&format!("http://{value}")).ok())?;
        Some(UsedProxy {
            named_by: name,
            authority: authority(&url),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(
        url: &Url,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<(&'static str, String)> {
        find_proxy(url, variable).map(|proxy| (proxy.named_by, proxy.authority))
    }

    #[test]
    fn proxies_of_the_builder_are_checked_and_not_shown_with_their_password() {
        let mut options = HttpOptions::default();
        options
            .set_proxy("http://user:s3cret@proxy.example:3128")
            .unwrap();
        assert!(!format!("{options:?}").contains("s3cret"));
        let remote: Url = "https://contoso.communication.azure.com/".parse().unwrap();
        let used = options.used_proxy(&remote).unwrap();
        assert_eq!(used.authority, "proxy.example:3128");
        let local: Url = "http://127.0.0.1:9000/".parse().unwrap();
        assert_eq!(options.used_proxy(&local), None);
        options.set_no_proxy();
        assert_eq!(options.used_proxy(&remote), None);
        for text in [
            "",
            "proxy.example:3128",
            "ftp://proxy.example",
            "http://user:s3cret@",
        ] {
            let error = options.set_proxy(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_client_certificate_that_is_none_is_rejected() {
        let mut options = HttpOptions::default();
        for pem in [
            "",
            "nothing",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            let error = options.set_client_certificate(pem.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{pem}");
            assert!(std::error::Error::source(&error).is_some());
        }
        assert_eq!(options.first_set(), None);
    }

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
            proxy(&remote, both),
            Some(("HTTPS_PROXY", "proxy.example:3128".to_owned()))
        );
        assert_eq!(
            proxy(&local, set(&[("ALL_PROXY", "http://p.example")])),
            None
        );
        assert_eq!(
            proxy(&remote, set(&[("all_proxy", "p.example:3128")])),
            Some(("all_proxy", "p.example:3128".to_owned()))
        );
        assert_eq!(
            proxy(&remote, set(&[("HTTP_PROXY", "http://p.example")])),
            None
        );
        let excepted = set(&[
            ("ALL_PROXY", "http://p.example"),
            ("NO_PROXY", ".azure.com"),
        ]);
        assert_eq!(proxy(&remote, excepted), None);
    }
}
