//! The library does not install a process-wide cryptography provider.
//!
//! This test is alone in its process, because the first installed provider applies to all tests.

#![cfg(feature = "webhook")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "webhook/issuer.rs"]
mod issuer;

use acs_emulator::Emulator;
use acs_recording::webhook::{TokenAuthenticator, Webhook};
use acs_recording::{ConnectionString, ErrorKind, Event, RecordingClient, RecordingId};
use issuer::{AUDIENCE, ISSUER, Issuer, Key, claims};

#[tokio::test]
async fn no_provider_is_installed() {
    // A request over TLS.
    let acs = Emulator::builder().https(([127, 0, 0, 1], 0).into());
    let acs = acs.without_http().start().await.unwrap();
    let text: ConnectionString = acs.connection_string().parse().unwrap();
    let client = RecordingClient::builder(text)
        .add_root_certificate(acs.ca_certificate().unwrap().as_bytes())
        .unwrap()
        .build()
        .unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());

    // Validation of a token.
    let key = Key::new("k");
    let issuer = Issuer::start(&[&key]).await;
    let check = TokenAuthenticator::new(&issuer.configuration, [ISSUER], AUDIENCE).unwrap();
    let webhook = Webhook::builder(check).build(async |_: Event| Ok(()));
    let request = http::Request::post("https://app.example/events")
        .header("authorization", format!("Bearer {}", key.sign(&claims())))
        .header("content-type", "application/json")
        .body("[]".into())
        .unwrap();
    assert_eq!(webhook.respond(request).await.status(), 200);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    assert!(
        provider.install_default().is_ok(),
        "a provider was installed before"
    );
}
