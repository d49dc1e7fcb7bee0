//! A server with TLS on loopback, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

/// The environment variable with the part that a process plays.
pub(crate) const ROLE: &str = "ACS_BENCH_ROLE";
/// The role of [`serve`].
pub(crate) const SERVER: &str = "server";
const CERTIFICATE: &str = "ACS_BENCH_CERTIFICATE";

/// The server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) http: String,
    pub(crate) https: String,
    certificate: NamedTempFile,
}

impl Server {
    /// Starts this program once more, as the server.
    pub(crate) fn start() -> Self {
        let certificate = NamedTempFile::new().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, SERVER)
            .env(CERTIFICATE, certificate.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let [http, https] = [(); 2].map(|()| lines.next().unwrap().unwrap());
        Self {
            process,
            http,
            https,
            certificate,
        }
    }

    /// This program once more, in a role that uses the server and trusts it.
    pub(crate) fn client(&self, role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, role);
        command.env("SSL_CERT_FILE", self.certificate.path());
        command
    }

    /// The certificate to trust.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.certificate.path()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves with and without TLS, and prints the two URLs.
pub(crate) async fn serve(router: Router) {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = Secure::bind(Path::new(&std::env::var_os(CERTIFICATE).unwrap())).await;
    println!("http://{}", plain.local_addr().unwrap());
    println!("https://{}", secure.local_addr().unwrap());
    let (plain, secure) = tokio::join!(
        axum::serve(plain, router.clone()),
        axum::serve(secure, router)
    );
    plain.unwrap();
    secure.unwrap();
}

fn acceptor(path: &Path) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A listener with TLS.
pub(crate) struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Secure {
    /// Listens with a new certificate, which is written to a file for those who shall trust it.
    pub(crate) async fn bind(certificate: &Path) -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: acceptor(certificate),
        }
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
