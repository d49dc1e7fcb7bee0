//! Content comes over HTTP/1, although `object_store` turns HTTP/2 on in the same build.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::sync::{Arc, Mutex};

use acs_recording::{ConnectionString, RecordingClient};
use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A TLS server that would rather speak HTTP/2, and the protocols that were agreed on.
struct Server {
    url: String,
    authority: String,
    agreed: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
}

impl Server {
    async fn start(body: &'static [u8]) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::from_params(&authority, &authority_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let agreed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&agreed);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                let is_http2 = protocol.as_deref() == Some(b"h2");
                log.lock().unwrap().push(protocol);
                if is_http2 {
                    continue;
                }
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            url,
            authority: certificate.pem(),
            agreed,
        }
    }
}

#[tokio::test]
async fn content_comes_over_http_1_from_a_server_that_offers_http_2() {
    let server = Server::start(b"RIFF").await;
    let text = format!("endpoint={};accesskey=MDEyMzQ1Njc4OWFiY2RlZg==", server.url);
    let client = RecordingClient::builder(text.parse::<ConnectionString>().unwrap())
        .add_root_certificate(server.authority.as_bytes())
        .unwrap()
        .allow_content_host(server.url.trim_start_matches("https://"))
        .build()
        .unwrap();
    let location = format!("{}/v1/objects/0-weu-d1-a/content/audiowav", server.url);
    let location = location.parse().unwrap();
    let content = client.download(&location).into_bytes().await.unwrap();
    assert_eq!(content, b"RIFF");

    // Without the setting, a client of this build takes HTTP/2.
    let trusted = reqwest::Certificate::from_pem(server.authority.as_bytes()).unwrap();
    let plain = reqwest::Client::builder().tls_certs_only([trusted]).build();
    let _ = plain.unwrap().get(&server.url).send().await;
    let agreed = server.agreed.lock().unwrap();
    let protocols = [Some(b"http/1.1".to_vec()), Some(b"h2".to_vec())];
    assert_eq!(agreed[..], protocols);
}
