//! Other clouds, and resources with a custom endpoint.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use acs_emulator::Emulator;
use acs_recording::models::RecordingState;
use acs_recording::{Media, RecordingClient, ServerCallId};

#[tokio::test]
async fn a_recording_is_controlled_through_a_tunnel() {
    let acs = Emulator::start().await.unwrap();
    let call = acs.call(["alice"]).await;
    let text = format!(
        "endpoint=https://contoso.communication.azure.us/;accesskey={}",
        acs.access_key()
    );
    let client = RecordingClient::builder(text.parse().unwrap())
        .custom_endpoint(acs.endpoint().parse().unwrap())
        .build()
        .unwrap();
    let id = ServerCallId::new(call.server_call_id()).unwrap();
    let start = client.start(id).media(Media::mixed_wav());
    let recording = start.await.unwrap();
    let active = recording.wait_until(RecordingState::Active);
    active.await.unwrap();
    recording.stop().await.unwrap();
}

#[cfg(feature = "entra")]
mod scope {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use acs_recording::{Cloud, RecordingClientBuilder, RecordingId};
    use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
    use azure_core::time::OffsetDateTime;

    use super::common::{Server, state};
    use super::*;

    /// Records the requested scopes.
    #[derive(Debug, Default)]
    struct RequestedScopes(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl TokenCredential for RequestedScopes {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let scopes = scopes.iter().map(ToString::to_string);
            self.0.lock().unwrap().extend(scopes);
            let end = OffsetDateTime::now_utc() + Duration::from_secs(60 * 60);
            Ok(AccessToken::new("token", end))
        }
    }

    async fn scope(
        endpoint: &str,
        set: impl FnOnce(RecordingClientBuilder) -> RecordingClientBuilder,
    ) -> String {
        let server = Server::start([state("active")]).await;
        let credential = Arc::new(RequestedScopes::default());
        let builder = RecordingClient::with_token_credential(
            endpoint.parse().unwrap(),
            Arc::clone(&credential) as _,
        );
        let client = set(builder.custom_endpoint(server.url.parse().unwrap())).build();
        let recording = client.unwrap().recording(RecordingId::new("rid").unwrap());
        recording.state().await.unwrap();
        credential.0.lock().unwrap().concat()
    }

    #[tokio::test]
    async fn tokens_have_the_scope_of_the_cloud() {
        let own = "https://acs.contoso.example";
        for (endpoint, cloud, expected) in [
            ("https://a.communication.azure.com", None, Cloud::Public),
            ("https://a.communication.azure.us", None, Cloud::UsGov),
            ("https://a.communication.azure.cn", None, Cloud::China),
            (own, None, Cloud::Public),
            (own, Some(Cloud::UsGov), Cloud::UsGov),
        ] {
            let requested = scope(endpoint, |builder| match cloud {
                Some(cloud) => builder.cloud(cloud),
                None => builder,
            });
            assert_eq!(requested.await, expected.token_scope(), "{endpoint}");
        }
        let requested = scope("https://a.communication.azure.us", |builder| {
            builder.token_scope("https://other.example/.default")
        });
        assert_eq!(requested.await, "https://other.example/.default");
    }
}
