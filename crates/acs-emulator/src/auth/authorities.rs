//! The host names that requests may be signed for.

use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

/// The number of host names that are learned from requests.
const MAX_LEARNED: usize = 64;

/// The host names of the resource. Clones share those that are learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities {
    known: Vec<Authority>,
    learned: Arc<RwLock<Vec<Authority>>>,
    /// The host of the content, which is not a name of the resource.
    content_host: Option<String>,
}

/// A host name with a port.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    /// Name and port, without the port if it is the default of the scheme.
    text: String,
    name: String,
    scheme: Scheme,
}

/// How a client reaches the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "the feature adds it"))]
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Authority {
    pub(crate) fn new(name: String, port: u16, scheme: Scheme) -> Self {
        let text = if port == scheme.default_port() {
            name.clone()
        } else {
            format!("{name}:{port}")
        };
        Self { text, name, scheme }
    }

    /// The host and port in a `Host` header.
    fn parse(host: &str, scheme: Scheme) -> Option<Self> {
        let url = Url::parse(&format!("{}://{host}", scheme.as_str())).ok()?;
        // Anything that is not a host and a port would be another part of the URL.
        let is_plain =
            url.authority().eq_ignore_ascii_case(host) && url.path() == "/" && !host.contains('@');
        let name = url.host_str().filter(|_| is_plain)?.to_owned();
        Some(Self::new(name, url.port_or_known_default()?, scheme))
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.text)
    }
}

impl Authorities {
    pub(crate) fn new(known: Vec<Authority>, content_host: Option<String>) -> Self {
        Self {
            known,
            learned: Arc::default(),
            content_host,
        }
    }

    /// Adds the host of an authenticated request, so that clients can reach the emulator by names
    /// and ports that it does not know, such as those of a container. The host of the content is not
    /// added.
    pub(crate) fn learn(&self, host: &str, scheme: Scheme) {
        // The Java client names a host without its port.
        if self.is_resource(host) || !self.of_name(host).is_empty() {
            return;
        }
        let Some(authority) = Authority::parse(host, scheme) else {
            return;
        };
        if self.content_host.as_ref() == Some(&authority.name) {
            return;
        }
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.len() < MAX_LEARNED {
            tracing::debug!(host = authority.text, "the emulator has another host name");
            learned.push(authority);
        }
    }

    /// Whether `authority`, a host with its port, belongs to the resource, so that requests can be
    /// signed for it.
    pub(crate) fn is_resource(&self, authority: &str) -> bool {
        self.find(|known| known.text.eq_ignore_ascii_case(authority).then_some(()))
            .is_some()
    }

    /// The origin with this authority.
    pub(crate) fn origin(&self, authority: &str) -> Option<String> {
        self.find(|known| {
            let is_same = known.text.eq_ignore_ascii_case(authority);
            is_same.then(|| known.origin())
        })
    }

    /// The authorities whose host, without its port, is `name`.
    pub(crate) fn of_name(&self, name: &str) -> Vec<String> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let all = self.known.iter().chain(learned.iter());
        all.filter(|known| known.name.eq_ignore_ascii_case(name))
            .map(|known| known.text.clone())
            .collect()
    }

    fn find<T>(&self, find: impl FnMut(&Authority) -> Option<T>) -> Option<T> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        self.known.iter().chain(learned.iter()).find_map(find)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_learned_from_requests() {
        let hosts = Authorities::new(Vec::new(), Some("store.test".to_owned()));
        for (host, scheme, origin) in [
            ("acs:10010", Scheme::Http, Some("http://acs:10010")),
            (
                "localhost:20011",
                Scheme::Https,
                Some("https://localhost:20011"),
            ),
            ("[::1]:8", Scheme::Http, Some("http://[::1]:8")),
            ("acs", Scheme::Http, None),
            ("other", Scheme::Http, Some("http://other")),
            ("store.test:10010", Scheme::Http, None),
            ("user@acs:1", Scheme::Http, None),
            ("acs:2/path", Scheme::Http, None),
            ("acs:3?q", Scheme::Http, None),
            ("acs:x", Scheme::Http, None),
            ("", Scheme::Http, None),
        ] {
            hosts.clone().learn(host, scheme);
            assert_eq!(hosts.origin(host).as_deref(), origin, "{host}");
            assert_eq!(hosts.is_resource(host), origin.is_some(), "{host}");
        }
        assert_eq!(hosts.of_name("acs"), ["acs:10010"]);
        for port in 0..2 * MAX_LEARNED {
            hosts.learn(&format!("a:{port}"), Scheme::Http);
        }
        assert!(hosts.learned.read().unwrap().len() <= MAX_LEARNED);
    }
}
