//! Certificates over real TLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use acs_emulator::{Emulator, SyntheticRecording};
use acs_recording::{
    ConnectionString, ErrorKind, RecordingClient, RecordingClientBuilder, RecordingId,
};

async fn https() -> Emulator {
    let builder = Emulator::builder().https(([127, 0, 0, 1], 0).into());
    builder.without_http().start().await.unwrap()
}

fn builder(acs: &Emulator) -> RecordingClientBuilder {
    let text: ConnectionString = acs.connection_string().parse().unwrap();
    RecordingClient::builder(text)
}

#[tokio::test]
async fn an_added_authority_is_trusted_for_requests_and_content() {
    let acs = https().await;
    let client = builder(&acs).build().unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
    // A retry would have the same result.
    assert_eq!(error.attempts(), 0);

    let other = https().await;
    let both = [&other, &acs].map(|acs| acs.ca_certificate().unwrap());
    let client = builder(&acs).add_root_certificate(both.concat().as_bytes());
    let client = client.unwrap().build().unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    let error = recording.state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let stored = acs.add_recording(SyntheticRecording::new(1000));
    let chunk = &stored.chunks()[0];
    let location = chunk.content_location().parse().unwrap();
    let content = client.download(&location).into_bytes().await.unwrap();
    assert_eq!(content.len(), 1000);
    assert!(content.starts_with(&chunk.read(0, 40)));
    let place = chunk.delete_location().parse().unwrap();
    client.delete_at(&place).await.unwrap();
    client.delete_at(&place).await.unwrap();
    let gone = client.download(&location).into_bytes().await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn invalid_certificates_are_rejected() {
    let acs = Emulator::start().await.unwrap();
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n";
    for (pem, said) in [
        ("", "no root certificate"),
        ("a key or a page of text", "no root certificate"),
        (junk, "cannot be read"),
        (broken, "cannot be read"),
    ] {
        let error = builder(&acs)
            .add_root_certificate(pem.as_bytes())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(said), "{pem}: {error}");
    }
}
