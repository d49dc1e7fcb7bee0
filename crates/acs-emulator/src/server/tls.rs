//! HTTPS with a certificate of the emulator's own authority.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use super::authority::Authority;
use crate::error::Error;

/// The timeout of TLS handshakes.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The maximum number of connections that have completed their handshake and wait to be served.
const BACKLOG: usize = 64;
/// The validity of the certificate from its creation, which is the start of the emulator.
const LIFETIME_DAYS: i64 = 397;

/// A certificate, and its authority.
pub(crate) struct Identity {
    /// The CA certificate in PEM format, which clients must trust.
    pub(crate) ca: String,
    pub(crate) config: Arc<ServerConfig>,
}

/// Creates a certificate for `names`, loopback and `address`. Its authority is the one in `folder`, or
/// a new one.
pub(crate) fn identity(
    names: &[String],
    address: IpAddr,
    folder: Option<&Path>,
) -> Result<Identity, Error> {
    let authority = match folder {
        Some(folder) => Authority::in_folder(folder)?,
        None => Authority::new().map_err(Error::Certificate)?,
    };
    make(authority, names, address).map_err(Error::Certificate)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn make(authority: Authority, names: &[String], address: IpAddr) -> Result<Identity, Failure> {
    let Authority {
        certificate: ca,
        issuer,
    } = authority;
    let mut covered: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !address.is_loopback() && !address.is_unspecified() {
        covered.push(address.to_string());
    }
    for name in names {
        if !covered.contains(name) {
            covered.push(name.clone());
        }
    }
    let mut server = CertificateParams::new(covered)?;
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server
        .distinguished_name
        .push(DnType::CommonName, "acs-emulator");
    // Some systems trust only certificates that are valid for a short time.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let [from, to] = [
        today.checked_sub(1.day())?,
        today.checked_add(LIFETIME_DAYS.days())?,
    ]
    .map(|day| date_time_ymd(day.year().into(), month(day), day.day().unsigned_abs()));
    (server.not_before, server.not_after) = (from, to);
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &issuer)?;

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity {
        ca,
        config: Arc::new(config),
    })
}

fn month(day: jiff::civil::Date) -> u8 {
    day.month().unsigned_abs()
}

/// A TLS listener. Handshakes run concurrently, so that a slow one does not block others.
pub(crate) struct TlsListener {
    local: Option<SocketAddr>,
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        let local = listener.local_addr().ok();
        let (sender, connections) = mpsc::channel(BACKLOG);
        tokio::spawn(accept(listener, TlsAcceptor::from(config), sender));
        Self { local, connections }
    }
}

async fn accept(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = sender.closed() => return,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let handshake = acceptor.accept(stream);
        let sender = sender.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await {
                // The receiver is dropped when the emulator stops.
                Ok(Ok(stream)) => drop(sender.send((stream, peer)).await),
                Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The accepting task lives as long as this receiver.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.local.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
