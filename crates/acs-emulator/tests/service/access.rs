//! Who gets in: two keys, tokens, and the forms in which official clients sign for content.

use std::time::Duration;

use acs_emulator::{AccessKey, Clock, Emulator};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::client::{Answer, Request, emulator, start};
use crate::webhook::Webhook;

fn state(acs: &Emulator) -> Request {
    Request::new(acs, Method::GET, "/calling/recordings/unknown")
}

async fn status_with(acs: &Emulator, key: &str) -> u16 {
    let mut request = state(acs);
    request.key = STANDARD.decode(key).unwrap();
    request.send().await.status.as_u16()
}

#[tokio::test]
async fn either_key_signs_and_a_replaced_one_does_not() {
    let acs = emulator().await;
    let primary = acs.access_key().to_owned();
    let secondary = acs.current_key(AccessKey::Secondary);
    assert_ne!(primary, secondary);
    assert_eq!(status_with(&acs, &primary).await, 404);
    assert_eq!(status_with(&acs, &secondary).await, 404);

    let fresh = acs.regenerate(AccessKey::Primary);
    assert_eq!(fresh, acs.current_key(AccessKey::Primary));
    assert_eq!(status_with(&acs, &primary).await, 401);
    assert_eq!(status_with(&acs, &fresh).await, 404);
    assert_eq!(status_with(&acs, &secondary).await, 404);
    acs.regenerate(AccessKey::Secondary);
    assert_eq!(status_with(&acs, &secondary).await, 401);
}

async fn with_token(request: Request, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    request
        .header("authorization", &authorization)
        .send_unsigned()
        .await
}

#[tokio::test]
async fn a_token_of_the_issuer_gets_in_until_it_expires() {
    let acs = emulator().await;
    let token = acs.access_token(Duration::from_secs(10 * 60)).unwrap();
    assert_eq!(with_token(state(&acs), &token).await.status, 404);
    with_token(state(&acs), "abc")
        .await
        .assert_error(401, "7501");
    let expired = acs.access_token(Duration::ZERO).unwrap();
    with_token(state(&acs), &expired)
        .await
        .assert_error(401, "7501");

    let other = emulator().await;
    with_token(state(&other), &token)
        .await
        .assert_error(401, "7501");

    let ahead = Emulator::builder()
        .clock(Clock::manual())
        .server_time_offset(SignedDuration::from_secs(60 * 60))
        .start()
        .await
        .unwrap();
    let later = ahead.access_token(Duration::from_secs(10 * 60)).unwrap();
    assert_eq!(with_token(state(&ahead), &later).await.status, 404);
}

async fn ask(acs: &Emulator, path: &str) -> Value {
    let answer = Request::plain(acs, Method::GET, path).send_unsigned().await;
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

#[tokio::test]
async fn programs_get_tokens_with_client_credentials() {
    let acs = emulator().await;
    let about = ask(&acs, "/any/v2.0/.well-known/openid-configuration").await;
    let endpoint = about["token_endpoint"].as_str().unwrap();
    let path = endpoint.strip_prefix(acs.endpoint()).unwrap();
    let form = |scope: &str, grant: &str| {
        let body = format!("grant_type={grant}&client_id=app&client_secret=s&scope={scope}");
        Request::plain(&acs, Method::POST, path)
            .body(body.into_bytes())
            .header("content-type", "application/x-www-form-urlencoded")
            .send_unsigned()
    };
    let scope = "https%3A%2F%2Fcommunication.azure.com%2F%2F.default";
    let answer = form(scope, "client_credentials").await;
    assert_eq!(answer.json()["token_type"], "Bearer");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(with_token(state(&acs), &token).await.status, 404);

    for (scope, grant, error) in [
        (
            "https%3A%2F%2Fvault.azure.net%2F.default",
            "client_credentials",
            "invalid_scope",
        ),
        (scope, "password", "unsupported_grant_type"),
    ] {
        let answer = form(scope, grant).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], error);
    }
}

/// The address of recorded content, which is not at the endpoint.
async fn content(acs: &Emulator) -> String {
    let mut webhook = Webhook::answering(&[]).await;
    acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let call = acs.call(["alice", "bob"]).await;
    start(acs, &json!({"callConnectionId": call.call_connection_id()})).await;
    acs.clock().advance(Duration::from_secs(1));
    call.hang_up();
    acs.clock().advance(Duration::from_millis(500));
    let event = webhook.next().await;
    let chunk = &event.event()["data"]["recordingStorageInfo"]["recordingChunks"][0];
    chunk["metadataLocation"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn content_is_signed_in_the_forms_of_the_official_clients_only() {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .content_url("http://store.test:0")
        .unwrap()
        .start()
        .await
        .unwrap();
    let authority = acs.endpoint().strip_prefix("http://").unwrap().to_owned();
    let (name, port) = authority.split_once(':').unwrap();
    let location = content(&acs).await;
    let store = format!("store.test:{port}");
    let path = location.strip_prefix(&format!("http://{store}")).unwrap();
    let query = format!("{path}?a=b%20c");

    // x-ms-host, Host, what is signed: host, and whether with the query.
    let cases = [
        // .NET and JavaScript
        (
            Some(authority.as_str()),
            store.as_str(),
            authority.as_str(),
            false,
            200,
        ),
        // Python
        (Some(name), &store, &authority, true, 200),
        // Java
        (None, name, name, false, 200),
        // and nothing between them
        (Some(authority.as_str()), &store, &authority, true, 401),
        (Some(name), &store, &authority, false, 401),
        (Some(name), &store, name, true, 401),
        (Some(name), &store, name, false, 401),
        (None, &store, &authority, false, 401),
        (None, name, name, true, 401),
        (None, name, &authority, false, 401),
        (None, &store, &store, false, 401),
        (Some(store.as_str()), &store, &store, false, 401),
        (Some("store.test"), &store, &store, true, 401),
        (Some("other.test"), &store, "other.test", false, 401),
    ];
    for (told, host, signed_host, signed_query, status) in cases {
        let mut request = Request::plain(&acs, Method::GET, &query).header("host", host);
        if let Some(told) = told {
            request = request.header("x-ms-host", told);
        }
        request.signed_host = signed_host.to_owned();
        if !signed_query {
            path.clone_into(&mut request.signed_path);
        }
        let answer = request.send().await;
        let case = format!("{told:?} {host} {signed_host} {signed_query}");
        assert_eq!(answer.status, status, "{case}");
    }

    let token = acs.access_token(Duration::from_secs(60)).unwrap();
    for (told, status) in [(authority.as_str(), 200), (name, 200), ("store.test", 401)] {
        let request = Request::plain(&acs, Method::GET, path).header("x-ms-host", told);
        assert_eq!(with_token(request, &token).await.status, status, "{told}");
    }
    let untold = with_token(Request::plain(&acs, Method::GET, path), &token).await;
    assert_eq!(untold.status, StatusCode::UNAUTHORIZED);
}
