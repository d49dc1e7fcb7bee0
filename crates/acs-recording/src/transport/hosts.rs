//! Which hosts get credentials.

use url::Url;

use crate::credential::{Endpoint, is_loopback, is_secure};
use crate::error::{Error, ErrorKind};

/// The hosts on which the service keeps recordings.
const SERVICE_SUFFIXES: &[&str] = &[
    ".asm.skype.com",
    ".asyncgw.teams.microsoft.com",
    ".ams.gov.teams.microsoft.us",
];

/// Whether a host is that of a storage account, in any cloud of Azure.
pub(crate) fn is_storage_account(host: &str) -> bool {
    [".blob.core.", ".dfs.core.", ".blob.storage.azure."]
        .iter()
        .any(|part| host.contains(part))
}

/// The hosts that content may be read from with credentials: the service's, the endpoint, and
/// those that the caller adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContentHosts {
    added: Vec<Added>,
}

/// A host that the caller trusts.
#[derive(Clone, Debug)]
struct Added {
    /// With a leading dot it stands for all hosts below a domain.
    name: String,
    /// None if it is that of https.
    port: Option<u16>,
}

impl Added {
    fn parse(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let port = text.rsplit_once(':').and_then(|(name, port)| {
            // An IPv6 address has colons of its own, within brackets.
            let is_name = !name.contains(':') || name.ends_with(']');
            let port = port.parse().ok().filter(|_| is_name)?;
            Some((name.to_owned(), Some(port).filter(|port| *port != 443)))
        });
        let (name, port) = port.unwrap_or((text, None));
        Self { name, port }
    }

    fn names(&self, host: &str) -> bool {
        match self.name.strip_prefix('.') {
            Some(_) => host.ends_with(&self.name),
            None => host == self.name,
        }
    }
}

impl ContentHosts {
    /// Adds a host, or with a leading dot all hosts below a domain; with `:port` on that port, and
    /// on that of https otherwise.
    pub(crate) fn allow(&mut self, host: &str) {
        self.added.push(Added::parse(host));
    }

    /// Fails unless credentials may be sent to the URL.
    pub(crate) fn check(&self, url: &Url, endpoint: &Endpoint) -> Result<(), Error> {
        let refuse = |why: &str| {
            let place = url.host_str().unwrap_or("(no host)");
            Err(Error::new(
                ErrorKind::ForbiddenHost,
                format!("no credentials are sent to {place}: {why}"),
            ))
        };
        if !is_secure(url) {
            return refuse("the URL is not https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the URL contains a user name");
        }
        // The emulator may serve content on a port of its own.
        let same_machine = is_loopback(url) && is_loopback(endpoint.url());
        if url.authority() == endpoint.authority() || same_machine {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let known = SERVICE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix));
        let mut added = self
            .added
            .iter()
            .filter(|added| added.names(host))
            .peekable();
        let is_added = added.peek().is_some();
        if added.any(|added| added.port == url.port() || is_loopback(url)) {
            return Ok(());
        }
        if is_added && !known {
            return refuse(
                "it was added for another port; if you trust this one, add it as `host:port`",
            );
        }
        if !known && is_storage_account(host) {
            return Err(Error::new(
                ErrorKind::OwnStorage,
                format!(
                    "{host} is a storage account of your own; read it with that account's \
                     credentials"
                ),
            ));
        }
        if !known {
            return refuse(
                "it is not a host of the service; if you trust it, add it with \
                 `allow_content_host`",
            );
        }
        if url.port().is_some() {
            return refuse("the service uses no other port than 443");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(url: &str, endpoint: &str) -> bool {
        let mut hosts = ContentHosts::default();
        hosts.allow("media.example");
        hosts.allow(".cdn.example");
        hosts.allow("Ports.example:8443");
        hosts.allow("[2001:db8::1]:8443");
        hosts.allow("[2001:db8::2]");
        hosts.allow("127.0.0.1");
        hosts
            .check(&url.parse().unwrap(), &endpoint.parse().unwrap())
            .is_ok()
    }

    #[test]
    fn credentials_stay_with_the_service() {
        for (url, expected) in [
            ("https://us-storage.asm.skype.com/v1/objects/x", true),
            ("https://storage.ASM.skype.com/v1", true),
            ("https://contoso.communication.azure.com/v1", true),
            ("https://media.example/x", true),
            ("https://eu.cdn.example/x", true),
            ("https://cdn.example/x", false),
            ("https://media.example:443/x", true),
            ("https://media.example:8443/x", false),
            ("https://eu.cdn.example:8443/x", false),
            ("https://ports.example:8443/x", true),
            ("https://ports.example/x", false),
            ("https://[2001:db8::1]:8443/x", true),
            ("https://[2001:db8::1]/x", false),
            ("https://[2001:db8::2]/x", true),
            ("http://127.0.0.1:9000/x", true),
            ("https://asm.skype.com/x", false),
            ("https://evilasm.skype.com.example/x", false),
            ("https://notasm.skype.com/x", false),
            ("http://us-storage.asm.skype.com/x", false),
            ("https://user@us-storage.asm.skype.com/x", false),
            ("https://us-storage.asm.skype.com:8443/x", false),
            ("https://contoso.communication.azure.com:8443/x", false),
            ("https://acme.blob.core.windows.net/c/x", false),
            ("http://localhost/x", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(
                allowed(url, "https://contoso.communication.azure.com/"),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn loopback_serves_loopback() {
        assert!(allowed("http://127.0.0.1:9001/x", "http://127.0.0.1:9000/"));
        assert!(!allowed("http://10.0.0.1/x", "http://127.0.0.1:9000/"));
    }
}
