//! The URLs that the emulator may send requests to.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// Checks the address of a webhook, callback or storage container. It must be absolute and either
/// `https` or `http` on loopback. It must not be the address of the admin interface.
pub(crate) fn check_url(text: &str, admin: Option<SocketAddr>) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not an absolute URL ({error})"))?;
    if admin.is_some_and(|admin| is_at(&url, admin)) {
        return Err("the address is that of the emulator's admin interface".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("http is accepted on loopback only; use https".to_owned()),
        other => Err(format!("the scheme '{other}' is not https")),
    }
}

/// Whether a URL refers to a listener, as far as this can be determined without a DNS lookup.
fn is_at(url: &Url, listener: SocketAddr) -> bool {
    let is_same = |address: IpAddr| {
        address.is_unspecified() || address.to_canonical() == listener.ip().to_canonical()
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
            assert_eq!(check_url(url, None).is_ok(), accepted, "{url}");
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
            let admin = "127.0.0.1:9000".parse().unwrap();
            assert_eq!(check_url(url, Some(admin)).is_ok(), accepted, "{url}");
        }
        let admin = "[::1]:443".parse().unwrap();
        assert!(check_url("https://[::1]/", Some(admin)).is_err());
        assert!(check_url("https://localhost/", Some(admin)).is_err());
    }
}
