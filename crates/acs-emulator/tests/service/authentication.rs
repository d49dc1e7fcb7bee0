//! Who is let in.

use std::time::{Duration, SystemTime};

use acs_emulator::Emulator;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::client::{Request, emulator};

const PATH: &str = "/calling/recordings/unknown";

#[track_caller]
fn assert_denied(answer: &crate::client::Answer, phrase: &str) {
    answer.assert_error(401, "Denied");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains(phrase), "{message}");
    assert!(!answer.header("api-supported-versions").is_empty());
}

#[tokio::test]
async fn a_good_signature_is_let_in() {
    let acs = emulator().await;
    let answer = Request::new(&acs, Method::GET, PATH).send().await;
    answer.assert_error(404, "8522");
}

#[tokio::test]
async fn a_wrong_key_is_denied() {
    let acs = emulator().await;
    let mut request = Request::new(&acs, Method::GET, PATH);
    request.key.reverse();
    assert_denied(&request.send().await, "resource provider");
}

#[tokio::test]
async fn a_wrong_content_hash_is_denied() {
    let acs = emulator().await;
    let mut request = Request::new(&acs, Method::POST, "/calling/recordings").json(&json!({}));
    request.signed_body = b"{ }".to_vec();
    assert_denied(&request.send().await, "differs from generated content hash");
}

#[tokio::test]
async fn more_than_five_minutes_of_skew_are_denied() {
    let acs = emulator().await;
    for (date, denied) in [
        (SystemTime::now() - Duration::from_secs(330), true),
        (SystemTime::now() + Duration::from_secs(330), true),
        (SystemTime::now() - Duration::from_secs(4 * 60), false),
        (SystemTime::now() + Duration::from_secs(4 * 60), false),
    ] {
        let mut request = Request::new(&acs, Method::GET, PATH);
        request.date = date;
        let answer = request.send().await;
        if denied {
            assert_denied(&answer, "allowed margin of 5 minutes");
        } else {
            answer.assert_error(404, "8522");
        }
    }
}

#[tokio::test]
async fn the_service_can_be_ahead_of_its_clients() {
    let acs = Emulator::builder()
        .server_time_offset(SignedDuration::from_secs(10 * 60))
        .start()
        .await
        .unwrap();
    let mut request = Request::new(&acs, Method::GET, PATH);
    assert_denied(&request.clone().send().await, "5 minutes");
    request.date += Duration::from_secs(10 * 60);
    request.send().await.assert_error(404, "8522");
}

#[tokio::test]
async fn moving_the_clock_does_not_age_signatures() {
    let acs = emulator().await;
    acs.clock().advance(Duration::from_secs(10 * 60 * 60));
    let answer = Request::new(&acs, Method::GET, PATH).send().await;
    answer.assert_error(404, "8522");
}

#[tokio::test]
async fn a_signature_covers_host_path_and_query_as_sent() {
    let acs = emulator().await;
    let path = "/calling/recordings/a%2Fb?x=%20y";
    let good = Request::new(&acs, Method::GET, path);
    good.clone().send().await.assert_error(404, "8522");

    let mut other_host = good.clone();
    other_host.signed_host = "localhost".to_owned();
    assert_denied(&other_host.send().await, "signature");
    let mut decoded = good.clone();
    decoded.signed_path = decoded.signed_path.replace("%20", "+");
    assert_denied(&decoded.send().await, "signature");
    let mut without_query = good;
    without_query.signed_path = "/calling/recordings/a%2Fb".to_owned();
    assert_denied(&without_query.send().await, "signature");
}

#[tokio::test]
async fn without_signature_nothing_is_served() {
    let acs = emulator().await;
    for path in [PATH, "/calling/nothing", "/calling/callConnections:answer"] {
        let answer = Request::new(&acs, Method::POST, path).send_unsigned().await;
        assert_denied(&answer, "authorization");
    }
}

#[tokio::test]
async fn the_version_is_needed() {
    let acs = emulator().await;
    for path in [PATH.to_owned(), format!("{PATH}?api-version=")] {
        let answer = Request::plain(&acs, Method::GET, &path).send().await;
        answer.assert_error(400, "MissingApiVersionParameter");
    }
}
