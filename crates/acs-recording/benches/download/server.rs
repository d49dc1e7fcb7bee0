//! The server, and the settings with which the programs reach and trust it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segments, Request};
use axum::response::Response;
use axum::routing::get;
use axum::serve::Listener;
use bytes::Bytes;
use futures_util::stream;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use crate::ROLE;

const CERTIFICATE: &str = "ACS_BENCH_CERTIFICATE";
const PIECE: usize = 64 * 1024;
/// Rate of the limited server in bytes per second and connection. `LATENCY` is its time to the
/// first byte.
const RATE: f64 = 25e6;
const LATENCY: Duration = Duration::from_millis(40);

pub(crate) struct Server {
    process: Child,
    pub(crate) http: String,
    pub(crate) https: String,
    certificate: NamedTempFile,
}

impl Server {
    pub(crate) fn start() -> Self {
        let certificate = NamedTempFile::new().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, "server")
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

    /// A program that downloads.
    pub(crate) fn client(&self, kind: &str, url: &str, count: usize) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(ROLE, format!("{kind} {url} {count}"))
            .env("SSL_CERT_FILE", self.certificate.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) async fn serve() {
    let router = Router::new().route(
        "/{kind}/{length}",
        get(
            async |Segments((kind, length)): Segments<(String, u64)>, request: Request| {
                let limit = kind == "limited";
                if limit {
                    tokio::time::sleep(LATENCY).await;
                }
                respond(length, &request, limit)
            },
        ),
    );
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = Secure {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        acceptor: acceptor(),
    };
    println!("http://{}", plain.local_addr().unwrap());
    println!("https://{}", secure.local_addr().unwrap());
    let (plain, secure) = tokio::join!(
        axum::serve(plain, router.clone()),
        axum::serve(secure, router)
    );
    plain.unwrap();
    secure.unwrap();
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = std::env::var_os(CERTIFICATE).unwrap();
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

struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
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

fn respond(total: u64, request: &Request, limit: bool) -> Response {
    let range = request
        .headers()
        .get("range")
        .and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (mut start, mut end) = (0, total);
    let mut response = Response::builder().header("accept-ranges", "bytes");
    if let Some((first, last)) = range {
        start = first.parse().unwrap();
        end = last
            .parse()
            .map_or(total, |last: u64| (last + 1).min(total));
        let range = format!("bytes {start}-{}/{total}", end - 1);
        response = response.status(206).header("content-range", range);
    }
    let piece = Bytes::from(vec![0x2a; PIECE]);
    let begun = tokio::time::Instant::now();
    let body = stream::unfold(start, move |at| {
        let size = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = piece.slice(..size);
        async move {
            if limit {
                let due = Duration::from_secs_f64((at - start) as f64 / RATE);
                tokio::time::sleep_until(begun + due).await;
            }
            (size > 0).then_some((Ok::<_, std::io::Error>(piece), at + size as u64))
        }
    });
    let response = response.header("content-length", end - start);
    response.body(Body::from_stream(body)).unwrap()
}
