//! Events that the emulator sends, and where it may send them.

pub(crate) mod call_events;
pub(crate) mod callbacks;
pub(crate) mod event_grid;
pub(crate) mod queue;
pub(crate) mod schedule;
pub(crate) mod subscription;

use url::{Host, Url};

/// Checks an address for webhooks and callbacks: absolute and `https`, or plain `http` on loopback.
pub(crate) fn check_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not an absolute URL ({error})"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("http is accepted on loopback only, use https".to_owned()),
        other => Err(format!("the scheme '{other}' is not https")),
    }
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
            assert_eq!(check_url(url).is_ok(), accepted, "{url}");
        }
    }
}
