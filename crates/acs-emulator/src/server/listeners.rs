//! The listeners of the emulator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::serve::{Listener, ListenerExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use crate::auth::admin_token::AdminToken;
use crate::auth::authorities::{Authorities, Authority, Scheme};
use crate::error::Error;
use crate::tasks::Tasks;

/// The network settings of the builder.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) http: Option<SocketAddr>,
    #[cfg(feature = "tls")]
    pub(crate) https: Option<SocketAddr>,
    /// The folder of the certificate authority.
    #[cfg(feature = "tls")]
    pub(crate) ca_dir: Option<std::path::PathBuf>,
    pub(crate) admin: Option<SocketAddr>,
    /// The chosen token of the admin interface.
    pub(crate) admin_token: Option<AdminToken>,
    /// Names of the admin interface in addition to loopback.
    pub(crate) admin_hosts: Vec<String>,
    /// Whether plain HTTP is allowed for webhooks, callbacks and storage on other machines.
    pub(crate) allows_http: bool,
    /// Host names in addition to the addresses. The certificate covers them.
    pub(crate) names: Vec<String>,
    pub(crate) content_url: Option<Url>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            #[cfg(feature = "tls")]
            https: None,
            #[cfg(feature = "tls")]
            ca_dir: None,
            admin: None,
            admin_token: None,
            admin_hosts: Vec::new(),
            allows_http: false,
            names: Vec::new(),
            content_url: None,
        }
    }
}

/// The bound listeners of an emulator that does not serve yet.
pub(crate) struct Bound {
    pub(crate) http: Option<TcpListener>,
    #[cfg(feature = "tls")]
    pub(crate) https: Option<super::tls::TlsListener>,
    #[cfg(feature = "tls")]
    pub(crate) ca: Option<String>,
    pub(crate) admin: Option<TcpListener>,
    pub(crate) authorities: Authorities,
    /// The origin of content locations.
    pub(crate) content_origin: String,
    pub(crate) addresses: BoundAddresses,
}

/// The bound addresses, in the form `http://HOST:PORT`.
#[derive(Clone, Debug, Default)]
pub(crate) struct BoundAddresses {
    pub(crate) http: Option<String>,
    pub(crate) https: Option<String>,
    pub(crate) admin: Option<String>,
}

impl BoundAddresses {
    /// The endpoint for clients: plain HTTP unless it is disabled.
    pub(crate) fn endpoint(&self) -> String {
        let endpoint = self.http.as_ref().or(self.https.as_ref());
        endpoint.cloned().unwrap_or_default()
    }
}

impl Bound {
    /// The address of the admin interface, if enabled.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }
}

impl Network {
    /// The token of the admin interface. It needs one if other machines can reach it.
    pub(crate) fn admin_token(&self) -> Option<AdminToken> {
        let address = self.admin?;
        let generate = || (!address.ip().is_loopback()).then(AdminToken::generate);
        self.admin_token.clone().or_else(generate)
    }

    pub(crate) async fn bind(&self) -> Result<Bound, Error> {
        let mut addresses = BoundAddresses::default();
        let mut ports = Vec::new();

        #[cfg(feature = "tls")]
        let mut ca = None;
        #[cfg(feature = "tls")]
        let https = match self.https {
            Some(address) => {
                let (listener, port) = bind("https", address).await?;
                let folder = self.ca_dir.as_deref();
                let identity = super::tls::identity(&self.names, address.ip(), folder)?;
                ca = Some(identity.ca);
                addresses.https = Some(format!("https://{}", shown(address.ip(), port)));
                ports.push((address.ip(), port, true));
                Some(super::tls::TlsListener::new(listener, identity.config))
            }
            None => None,
        };
        let http = match self.http {
            Some(address) => {
                let (listener, port) = bind("http", address).await?;
                addresses.http = Some(format!("http://{}", shown(address.ip(), port)));
                ports.push((address.ip(), port, false));
                Some(listener)
            }
            None => None,
        };
        let admin = match self.admin {
            Some(address) => {
                let (listener, port) = bind("admin", address).await?;
                addresses.admin = Some(format!("http://{}/admin", shown(address.ip(), port)));
                Some(listener)
            }
            None => None,
        };

        Ok(Bound {
            authorities: self.authorities(&ports),
            content_origin: self.content_origin(&addresses),
            http,
            #[cfg(feature = "tls")]
            https,
            #[cfg(feature = "tls")]
            ca,
            admin,
            addresses,
        })
    }

    fn authorities(&self, ports: &[(IpAddr, u16, bool)]) -> Authorities {
        let stored_at = self.content_url.as_ref().and_then(Url::host_str);
        let mut authorities = Vec::new();
        for (address, port, is_https) in ports {
            let mut names = vec![literal(visible(*address)), "localhost".to_owned()];
            // Signatures for the host of the content are invalid, as on the service.
            let own = |name: &&String| !name.starts_with('*') && Some(name.as_str()) != stored_at;
            names.extend(self.names.iter().filter(own).cloned());
            let scheme = if *is_https {
                Scheme::Https
            } else {
                Scheme::Http
            };
            let names = names.into_iter();
            authorities.extend(names.map(|name| Authority::new(name, *port, scheme)));
        }
        Authorities::new(authorities, stored_at.map(str::to_owned))
    }

    /// The origin of content locations, such as `https://HOST:PORT`.
    fn content_origin(&self, addresses: &BoundAddresses) -> String {
        match &self.content_url {
            Some(url) => origin(url, addresses),
            None => addresses.endpoint(),
        }
    }
}

/// The origin of content locations. Port 0 is replaced by the port of the listener.
fn origin(url: &Url, addresses: &BoundAddresses) -> String {
    let mut url = url.clone();
    if url.port() == Some(0) {
        let listener = match url.scheme() {
            "https" => addresses.https.as_ref(),
            _ => addresses.http.as_ref(),
        };
        let port = listener
            .and_then(|address| Url::parse(address).ok())
            .and_then(|address| address.port_or_known_default());
        // Only URLs without a host cannot have a port.
        let _ = url.set_port(port);
    }
    url.as_str().trim_end_matches('/').to_owned()
}

async fn bind(listener: &'static str, address: SocketAddr) -> Result<(TcpListener, u16), Error> {
    let failed = |source| Error::Listen {
        listener,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

/// An address that clients on this machine can connect to.
fn visible(address: IpAddr) -> IpAddr {
    if address.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address
    }
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn shown(address: IpAddr, port: u16) -> String {
    SocketAddr::new(visible(address), port).to_string()
}

/// Serves requests until the emulator stops.
pub(crate) fn serve<L>(listener: L, router: Router, tasks: &Tasks) -> JoinHandle<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let tasks = tasks.clone();
    tokio::spawn(async move {
        let stopped = async move { tasks.stopped().await };
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
        if let Err(error) = serving.await {
            tracing::error!(%error, "the emulator stopped serving");
        }
    })
}

/// Disables Nagle's algorithm, because responses are written in small pieces.
pub(crate) fn without_delay(
    listener: TcpListener,
) -> impl Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(names: &[&str], content: Option<&str>) -> Network {
        Network {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            content_url: content.map(|url| Url::parse(url).unwrap()),
            ..Network::default()
        }
    }

    #[test]
    fn the_resource_is_known_by_its_addresses_and_names() {
        let network = network(
            &["acs.test", "*.asm.skype.com", "us.asm.skype.com"],
            Some("https://us.asm.skype.com:0/"),
        );
        let local = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let hosts = network.authorities(&[(local, 8443, true), (local, 80, false)]);
        for (host, known) in [
            ("127.0.0.1:8443", true),
            ("127.0.0.1", true),
            ("LOCALHOST:8443", true),
            ("acs.test:8443", true),
            ("acs.test", true),
            ("acs.test:443", false),
            ("us.asm.skype.com:8443", false),
            ("*.asm.skype.com:8443", false),
            ("", false),
        ] {
            assert_eq!(hosts.is_resource(host), known, "{host}");
        }
        let named = hosts.of_name("acs.test");
        assert_eq!(named, ["acs.test:8443", "acs.test"]);
        assert_eq!(hosts.of_name("acs.test:8443").len(), 0);
    }

    #[test]
    fn content_is_at_the_endpoint_by_default() {
        let addresses = BoundAddresses {
            http: Some("http://127.0.0.1:8080".to_owned()),
            https: Some("https://127.0.0.1:8443".to_owned()),
            admin: None,
        };
        for (url, expected) in [
            (None, "http://127.0.0.1:8080"),
            (Some("https://a.test:0"), "https://a.test:8443"),
            (Some("http://a.test:0/"), "http://a.test:8080"),
            (Some("https://a.test"), "https://a.test"),
            (Some("https://a.test:9"), "https://a.test:9"),
        ] {
            assert_eq!(network(&[], url).content_origin(&addresses), expected);
        }
    }
}
