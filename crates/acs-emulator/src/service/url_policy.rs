//! The URLs that the emulator may send requests to.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// The user agent of the requests that the emulator sends. The admin interface uses it to recognise
/// requests from the emulator itself.
pub(crate) const USER_AGENT: &str = "acs-emulator";

/// Which URLs the emulator may send callbacks, events and files to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UrlPolicy {
    /// The address of the admin interface, if enabled. Nothing is sent there.
    pub(crate) admin: Option<SocketAddr>,
    /// Whether `http` is allowed beyond loopback.
    pub(crate) allows_http: bool,
}

impl UrlPolicy {
    /// Checks the address of a webhook, callback or storage container. It must be absolute and
    /// either `https` or `http` on loopback, unless `http` is allowed for all hosts. It must not be the address of the admin interface.
    pub(crate) fn check(self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("not an absolute URL ({error})"))?;
        if self.admin.is_some_and(|admin| is_at(&url, admin)) {
            return Err("the address is that of the emulator's admin interface".to_owned());
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allows_http || is_loopback(&url) => Ok(url),
            "http" => Err(
                "http is accepted on loopback only; use https, or allow http with \
                 --allow-http-webhooks"
                    .to_owned(),
            ),
            other => Err(format!("the scheme '{other}' is not https")),
        }
    }
}

/// Whether a URL refers to a listener, as far as this can be determined without a DNS lookup.
fn is_at(url: &Url, listener: SocketAddr) -> bool {
    let is_same = |address: IpAddr| {
        let (address, own) = (address.to_canonical(), listener.ip().to_canonical());
        // A listener at all addresses is also at loopback.
        let is_everywhere = own.is_unspecified() && address.is_loopback();
        address.is_unspecified() || address == own || is_everywhere
    };
    let is_host = match url.host() {
        Some(Host::Domain(_)) => is_loopback(url),
        Some(Host::Ipv4(address)) => is_same(address.into()),
        Some(Host::Ipv6(address)) => is_same(address.into()),
        None => false,
    };
    is_host && url.port_or_known_default() == Some(listener.port())
}

fn is_loopback(url: &Url) -> bool {
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

    fn policy(admin: &str) -> UrlPolicy {
        UrlPolicy {
            admin: Some(admin.parse().unwrap()),
            allows_http: false,
        }
    }

    #[test]
    fn only_https_and_loopback_are_accepted() {
        for (url, accepted) in [
            ("https://app.example/events?q=1", true),
            ("http://127.0.0.1:9000/events", true),
            ("http://127.8.0.1/", true),
            ("http://[::1]:80/", true),
            ("http://localhost/", true),
            ("http://app.example/events", false),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
            ("ftp://127.0.0.1/", false),
            ("/events", false),
            ("", false),
        ] {
            assert_eq!(UrlPolicy::default().check(url).is_ok(), accepted, "{url}");
        }
    }

    #[test]
    fn http_is_accepted_everywhere_if_allowed() {
        let urls = UrlPolicy {
            admin: Some("0.0.0.0:9000".parse().unwrap()),
            allows_http: true,
        };
        for (url, accepted) in [
            ("http://app.example/events", true),
            ("http://host.docker.internal:3000/", true),
            ("http://10.0.0.1/", true),
            ("ftp://10.0.0.1/", false),
            ("http://127.0.0.1:9000/", false),
            ("http://localhost:9000/", false),
            ("http://[::1]:9000/", false),
            ("http://0.0.0.0:9000/", false),
        ] {
            assert_eq!(urls.check(url).is_ok(), accepted, "{url}");
        }
    }

    #[test]
    fn the_admin_interface_is_not_accepted() {
        for (url, accepted) in [
            ("http://127.0.0.1:9000/admin/calls:ring", false),
            ("http://127.0.0.1:9000", false),
            ("http://2130706433:9000/", false),
            ("http://0x7f.1:9000/", false),
            ("http://user@127.0.0.1:9000/", false),
            ("http://localhost:9000/", false),
            ("http://a.localhost:9000/", false),
            ("https://127.0.0.1:9000/", false),
            ("https://0.0.0.0:9000/", false),
            ("https://[::ffff:127.0.0.1]:9000/", false),
            ("http://127.0.0.1:9001/", true),
            ("http://127.0.0.1/", true),
            ("http://127.0.0.2:9000/", true),
            ("https://app.example:9000/", true),
        ] {
            let urls = policy("127.0.0.1:9000");
            assert_eq!(urls.check(url).is_ok(), accepted, "{url}");
        }
        let urls = policy("[::1]:443");
        assert!(urls.check("https://[::1]/").is_err());
        assert!(urls.check("https://localhost/").is_err());
    }
}
