//! The URLs that may receive credentials: on hosts of the service, the paths of content.

use http::Method;
use url::Url;

use super::denial::Denial;
use super::object::ObjectPath;
use crate::credential::{Endpoint, is_azure_storage, is_loopback, is_secure, is_service_host};
use crate::error::Error;

/// The hosts on which content is read and deleted with credentials: those of the service, and those
/// that the caller allows. The resource's own host is one only if the caller allows it, because its
/// paths are operations.
#[derive(Clone, Debug)]
pub(crate) struct ContentHosts {
    endpoint: Endpoint,
    custom_endpoint: Option<Endpoint>,
    allowed: Vec<AllowedHost>,
    /// Whether locations are in the caller's own storage, according to the event.
    own_storage: bool,
}

/// A host that the caller allows.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHost {
    /// With a leading dot, all hosts below a domain.
    name: String,
    /// None for the default port of https.
    port: Option<u16>,
}

impl AllowedHost {
    /// Parses a host, or with a leading dot all hosts below a domain, with an optional port.
    pub(crate) fn parse(text: &str) -> Self {
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
    pub(crate) fn new(
        endpoint: Endpoint,
        custom_endpoint: Option<Endpoint>,
        allowed: Vec<AllowedHost>,
    ) -> Self {
        Self {
            endpoint,
            custom_endpoint,
            allowed,
            own_storage: false,
        }
    }

    /// The same for locations in the caller's own storage, according to the event.
    pub(crate) fn for_own_storage(&self) -> Self {
        Self {
            own_storage: true,
            ..self.clone()
        }
    }

    /// Whether credentials may be sent to the URL with this method.
    pub(crate) fn allows(&self, method: &Method, url: &Url) -> Result<(), Denial> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Denial::NotHttp);
        }
        if is_azure_storage(url) {
            return Err(Denial::OwnStorage);
        }
        if !is_secure(url) {
            return Err(Denial::NotEncrypted);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denial::UserName);
        }
        self.allows_host(url)?;
        match ObjectPath::of(url) {
            Some(path) if path.allows(method) => Ok(()),
            _ if self.own_storage && !is_service_host(url) => Err(Denial::OwnStorage),
            _ => Err(Denial::Path),
        }
    }

    fn allows_host(&self, url: &Url) -> Result<(), Denial> {
        let host = url.host_str().unwrap_or_default();
        let mut allowed = self.allowed.iter().filter(|allowed| allowed.names(host));
        let mut is_named = false;
        if allowed.any(|allowed| {
            is_named = true;
            allowed.port == url.port() || is_loopback(url)
        }) {
            return Ok(());
        }
        // The emulator serves content on the port of its endpoint, or on another one.
        if is_loopback(url) && is_loopback(self.endpoint.url()) {
            return Ok(());
        }
        let endpoints = [Some(&self.endpoint), self.custom_endpoint.as_ref()];
        if endpoints.into_iter().flatten().any(|own| own.is_at(url)) {
            return Err(Denial::Resource);
        }
        if is_service_host(url) {
            return match url.port() {
                Some(_) => Err(Denial::Port),
                None => Ok(()),
            };
        }
        Err(match (self.own_storage, is_named) {
            (true, _) => Denial::OwnStorage,
            (false, true) => Denial::Port,
            (false, false) => Denial::Host,
        })
    }

    /// Fails unless credentials may be sent to the URL with this method.
    pub(crate) fn check(&self, method: &Method, url: &Url) -> Result<(), Error> {
        self.allows(method, url)
            .map_err(|denial| denial.into_error(method, url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(endpoint: &str, address: Option<&str>) -> ContentHosts {
        let allowed = [
            "media.example",
            ".cdn.example",
            "Ports.example:8443",
            "[2001:db8::1]:8443",
            "[2001:db8::2]",
            "127.0.0.1",
        ];
        ContentHosts::new(
            endpoint.parse().unwrap(),
            address.map(|address| address.parse().unwrap()),
            allowed.into_iter().map(AllowedHost::parse).collect(),
        )
    }

    fn allowed(method: &Method, url: &str) -> Result<(), Denial> {
        let hosts = hosts(
            "https://contoso.communication.azure.com/",
            Some("https://front.example"),
        );
        hosts.allows(method, &url.parse().unwrap())
    }

    #[test]
    fn credentials_stay_with_the_service() {
        use Denial as R;
        for (origin, expected) in [
            ("https://us-storage.asm.skype.com", Ok(())),
            ("https://storage.ASM.skype.com", Ok(())),
            ("https://as-prod.asyncgw.teams.microsoft.com", Ok(())),
            ("https://usgov-storage.ams.gov.teams.microsoft.us", Ok(())),
            ("https://contoso.communication.azure.com", Err(R::Resource)),
            (
                "https://CONTOSO.communication.azure.com:443",
                Err(R::Resource),
            ),
            ("https://front.example", Err(R::Resource)),
            ("https://media.example", Ok(())),
            ("https://eu.cdn.example", Ok(())),
            ("https://cdn.example", Err(R::Host)),
            ("https://media.example:443", Ok(())),
            ("https://media.example:8443", Err(R::Port)),
            ("https://eu.cdn.example:8443", Err(R::Port)),
            ("https://ports.example:8443", Ok(())),
            ("https://ports.example", Err(R::Port)),
            ("https://[2001:db8::1]:8443", Ok(())),
            ("https://[2001:db8::1]", Err(R::Port)),
            ("https://[2001:db8::2]", Ok(())),
            ("https://[2001:db8::3]", Err(R::Host)),
            ("http://127.0.0.1:9000", Ok(())),
            ("https://asm.skype.com", Err(R::Host)),
            ("https://evilasm.skype.com.example", Err(R::Host)),
            ("https://notasm.skype.com", Err(R::Host)),
            ("https://us-storage.asm.skype.com.", Err(R::Host)),
            (
                "https://us-storage.asm.skype.com\u{2044}.example",
                Err(R::Host),
            ),
            ("https://us-storage.аsm.skype.com", Err(R::Host)),
            (
                "https://us-storage.asm.skype.com@evil.example",
                Err(R::UserName),
            ),
            (
                "https://evil.example\\us-storage.asm.skype.com",
                Err(R::Host),
            ),
            ("http://us-storage.asm.skype.com", Err(R::NotEncrypted)),
            ("https://user@us-storage.asm.skype.com", Err(R::UserName)),
            ("https://us-storage.asm.skype.com:8443", Err(R::Port)),
            ("https://acme.blob.core.windows.net", Err(R::OwnStorage)),
            (
                "https://acme.blob.core.usgovcloudapi.net",
                Err(R::OwnStorage),
            ),
            ("https://acme.z7.blob.storage.azure.net", Err(R::OwnStorage)),
            ("http://localhost", Err(R::Host)),
            ("ftp://us-storage.asm.skype.com", Err(R::NotHttp)),
            ("file://us-storage.asm.skype.com", Err(R::NotHttp)),
        ] {
            let url = format!("{origin}/v1/objects/0-eus-d1-abc/content/video");
            // What is no URL at all goes nowhere.
            let Ok(parsed) = url.parse() else {
                assert_ne!(expected, Ok(()), "{url}");
                continue;
            };
            let outcome = hosts(
                "https://contoso.communication.azure.com/",
                Some("https://front.example"),
            )
            .allows(&Method::GET, &parsed);
            // A backslash or a look-alike may make it another path or host, but no good one.
            if expected.is_ok() || origin.is_ascii() && !origin.contains('\\') {
                assert_eq!(outcome, expected, "{url}");
            } else {
                assert!(outcome.is_err(), "{url}");
            }
        }
    }

    #[test]
    fn only_content_is_read_and_only_objects_are_deleted() {
        let huge = format!("/v1/objects/{}/content/video", "a".repeat(100_000));
        for (path, read, deleted) in [
            ("/v1/objects/0-eus-d1-abc/content/video", true, false),
            (
                "/v1/objects/0-eus-d1-abc/content/acsmetadata?x=1",
                true,
                false,
            ),
            ("/v1/objects/0-eus-d1-abc/content/video#part", true, false),
            ("/v1/objects/0-eus-d1-abc", true, true),
            ("/v1/objects/0-eus-d1-abc/content/deletedata", true, true),
            // The parser takes these out, so that what is judged is what is sent.
            ("/v1/objects/x/../0-eus-d1-abc", true, true),
            ("/v1/./objects/0-eus-d1-abc", true, true),
            ("\\v1\\objects\\0-eus-d1-abc", true, true),
            ("/calling/recordings/ID", false, false),
            (
                "/calling/recordings/ID?api-version=2026-03-12",
                false,
                false,
            ),
            ("/v1/objects/../../calling/recordings/ID", false, false),
            (
                "/v1/objects/%2e%2e/%2e%2e/calling/recordings/ID",
                false,
                false,
            ),
            (
                "/v1/objects/..%2f..%2fcalling%2frecordings%2fID",
                false,
                false,
            ),
            ("/v1/objects/0-eus-d1-abc%2fcontent%2fvideo", false, false),
            ("/v1/objects/0-eus-d1-abc/content/a%2fb", false, false),
            ("/v1/objects/0-eus-d1-abc/content/..%5c..", false, false),
            ("/v1/objects/0-eus-d1-abc/content/%00", false, false),
            ("/v1/objects/0-eus-d1-abc/content/vid;eo", false, false),
            ("/v1/objects/0-eus-d1-abc/content/video/", false, false),
            ("/v1/objects/0-eus-d1-abc/content/video/x", false, false),
            ("/v1/objects/0-eus-d1-abc/views/video", false, false),
            ("/v1/objects/0-eus-d1-abc/content", false, false),
            ("/v1/objects/0-eus-d1-abc/", false, false),
            ("/v1/objects//content/video", false, false),
            ("//v1/objects/0-eus-d1-abc", false, false),
            ("/v1//objects/0-eus-d1-abc", false, false),
            ("/V1/Objects/0-eus-d1-abc", false, false),
            ("/v1/objects/", false, false),
            ("/v1/objects", false, false),
            ("/v1/users/0-eus-d1-abc", false, false),
            ("/identities/8:acs:x", false, false),
            (
                "/urlp/v1/url/content?url=https://evil.example",
                false,
                false,
            ),
            ("/", false, false),
            ("", false, false),
            (&huge, false, false),
        ] {
            for origin in ["https://us-storage.asm.skype.com", "https://media.example"] {
                let url = format!("{origin}{path}");
                let is_allowed = |method| allowed(method, &url) == Ok(());
                assert_eq!(is_allowed(&Method::GET), read, "GET {url}");
                assert_eq!(is_allowed(&Method::DELETE), deleted, "DELETE {url}");
                assert!(!is_allowed(&Method::POST), "POST {url}");
            }
        }
    }

    #[test]
    fn loopback_serves_loopback() {
        let hosts = hosts("http://127.0.0.1:9000/", None);
        for (url, expected) in [
            ("http://127.0.0.1:9001/v1/objects/x", Ok(())),
            ("http://127.0.0.1:9000/v1/objects/x", Ok(())),
            ("http://localhost:9000/v1/objects/x", Ok(())),
            ("http://[::1]:9000/v1/objects/x", Ok(())),
            (
                "http://127.0.0.1:9000/calling/recordings/x",
                Err(Denial::Path),
            ),
            ("http://10.0.0.1/v1/objects/x", Err(Denial::NotEncrypted)),
            (
                "http://127.0.0.1:10000/devstoreaccount1/c/x",
                Err(Denial::OwnStorage),
            ),
        ] {
            let outcome = hosts.allows(&Method::DELETE, &url.parse().unwrap());
            assert_eq!(outcome, expected, "{url}");
        }
    }

    #[test]
    fn storage_is_own_if_the_event_says_so_and_the_host_is_not_the_services() {
        let hosts = hosts("https://contoso.communication.azure.com/", None).for_own_storage();
        let allows = |url: &str| hosts.allows(&Method::GET, &url.parse().unwrap());
        let path = "v1/objects/x/content/video";
        // An export that failed leaves the recording with the service.
        assert_eq!(allows(&format!("https://eu.asm.skype.com/{path}")), Ok(()));
        for url in [
            "https://media.contoso.example/c/x.wav",
            "https://media.example/c/x.wav",
        ] {
            assert_eq!(allows(url), Err(Denial::OwnStorage), "{url}");
        }
    }

    #[test]
    fn no_denial_leads_credentials_away() {
        for url in [
            "https://evil.example/v1/objects/x/content/video",
            "https://media.example:8443/v1/objects/x/content/video",
            "https://acme.blob.core.usgovcloudapi.net/c/x",
            "https://contoso.communication.azure.com/calling/recordings/x",
            "https://us-storage.asm.skype.com/calling",
            "ftp://evil.example/x",
        ] {
            let url: Url = url.parse().unwrap();
            let hosts = hosts("https://contoso.communication.azure.com/", None);
            let error = hosts.check(&Method::GET, &url).unwrap_err().to_string();
            let lower = error.to_lowercase();
            for word in ["allow_content_host", "allow-host", "trust", "add it"] {
                assert!(!lower.contains(word), "{error}");
            }
        }
    }
}
