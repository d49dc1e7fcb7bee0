//! The host names that requests may be signed for.

/// The host names of the resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities(Vec<Authority>);

/// A host name with a port.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    /// Name and port, without the port if it is the default of the scheme.
    text: String,
    name: String,
    scheme: &'static str,
}

impl Authority {
    pub(crate) fn http(name: String, port: u16) -> Self {
        Self::new(name, port, "http", 80)
    }

    pub(crate) fn https(name: String, port: u16) -> Self {
        Self::new(name, port, "https", 443)
    }

    fn new(name: String, port: u16, scheme: &'static str, default: u16) -> Self {
        let text = if port == default {
            name.clone()
        } else {
            format!("{name}:{port}")
        };
        Self { text, name, scheme }
    }
}

impl Authorities {
    pub(crate) fn new(authorities: Vec<Authority>) -> Self {
        Self(authorities)
    }

    /// Whether `authority`, a host with its port, belongs to the resource, so that requests can be
    /// signed for it.
    pub(crate) fn is_resource(&self, authority: &str) -> bool {
        self.0
            .iter()
            .any(|known| known.text.eq_ignore_ascii_case(authority))
    }

    /// The origin with this authority.
    pub(crate) fn origin(&self, authority: &str) -> Option<String> {
        self.0
            .iter()
            .find(|known| known.text.eq_ignore_ascii_case(authority))
            .map(|known| format!("{}://{}", known.scheme, known.text))
    }

    /// The authorities whose host, without its port, is `name`.
    pub(crate) fn of_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |known| known.name.eq_ignore_ascii_case(name))
            .map(|known| known.text.as_str())
    }
}
