//! Operations with network and server errors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::time::{Duration, Instant, SystemTime};

use acs_recording::{
    ErrorKind, ExponentialBackoff, Media, RecordingId, RetryPolicyExt as _, ServerCallId,
};
use common::{KEY, Server, TestResponse, client, respond, state};
use tokio::net::TcpListener;

fn rid() -> RecordingId {
    RecordingId::new("rid").unwrap()
}

fn server_call_id() -> ServerCallId {
    ServerCallId::new("aHR0cHM6Ly9h").unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn temporary_errors_are_retried() {
    for trouble in [
        respond("503 Service Unavailable", &[("Retry-After", "0")], ""),
        respond("429 Too Many Requests", &[], ""),
        respond(
            "502 Bad Gateway",
            &[("Content-Type", "text/html")],
            "<html>",
        ),
        respond(
            "500 Internal Server Error",
            &[],
            r#"{"error":{"code":"9999","message":"?"}}"#,
        ),
        respond("408 Request Timeout", &[], ""),
        TestResponse::Close,
    ] {
        let server = Server::start([trouble.clone(), trouble.clone(), state("active")]).await;
        let recording = server.client().build().unwrap().recording(rid());
        recording
            .state()
            .await
            .unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
        assert_eq!(server.requests().len(), 3, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_start_is_retried_with_the_same_id_and_a_new_signature() {
    let busy = || respond("500 Internal Server Error", &[], "");
    // HTTP dates have a resolution of one second, so signatures in the same second are equal.
    let pause = &[("retry-after-ms", "1100")];
    let slow = respond("503 Service Unavailable", pause, "");
    let server = Server::start([busy(), slow, state("inactive")]).await;
    let client = server.client().build().unwrap();
    client
        .start(server_call_id())
        .media(Media::mixed_wav())
        .await
        .unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    let all = |name| {
        requests
            .iter()
            .map(|request| header(request, name).unwrap())
            .collect::<Vec<_>>()
    };
    for constant in [
        "repeatability-request-id",
        "repeatability-first-sent",
        "x-ms-client-request-id",
    ] {
        let values = all(constant);
        assert!(
            values.iter().all(|value| *value == values[0]),
            "{constant}: {values:?}"
        );
    }
    for fresh in ["x-ms-date", "authorization"] {
        let values = all(fresh);
        assert_ne!(values[1], values[2], "{fresh}");
    }
}

#[tokio::test]
async fn a_persistent_error_contains_all_details() {
    let busy = || {
        let body = r#"{"error":{"code":"8589","message":"Record throttled.","target":"/x"}}"#;
        respond("429 Too Many Requests", &[("retry-after-ms", "2")], body)
    };
    let server = Server::start([busy(), busy(), busy()]).await;
    let policy = ExponentialBackoff::default()
        .initial_delay(Duration::from_millis(1))
        .with_attempt_limit(3);
    let client = server.client().retry_policy(policy).build().unwrap();
    let error = client.recording(rid()).state().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(
        (error.status(), error.code(), error.target()),
        (Some(429), Some("8589"), Some("/x"))
    );
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2)));
    assert!(error.is_retryable());
    let id = header(&server.requests()[0], "x-ms-client-request-id")
        .unwrap()
        .to_owned();
    assert_eq!(error.request_id(), Some(id.as_str()));
}

#[tokio::test]
async fn a_server_that_never_responds_causes_a_timeout() {
    let server = Server::start(vec![TestResponse::Silence; 10]).await;
    let client = server
        .client()
        .attempt_timeout(Duration::from_millis(60))
        .operation_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let started = Instant::now();
    let error = client.recording(rid()).pause().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.attempts() >= 2, "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// A retry waits at least as long as the service requests.
#[tokio::test]
async fn a_delay_is_not_shorter_than_retry_after() {
    let busy = respond("503 Service Unavailable", &[("retry-after-ms", "400")], "");
    let server = Server::start([busy, state("active")]).await;
    let recording = server.client().build().unwrap().recording(rid());
    let started = Instant::now();
    recording.state().await.unwrap();
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
}

#[tokio::test]
async fn retry_after_of_zero_or_in_the_past_means_the_usual_delay() {
    let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(60));
    for header in [
        ("Retry-After", "0"),
        ("retry-after-ms", "0"),
        ("Retry-After", &past),
    ] {
        let busy = respond("503 Service Unavailable", &[header], "");
        let server = Server::start([busy, state("active")]).await;
        let policy = ExponentialBackoff::default()
            .initial_delay(Duration::from_millis(400))
            .with_attempt_limit(5);
        let client = server.client().retry_policy(policy).build().unwrap();
        let started = Instant::now();
        client.recording(rid()).state().await.unwrap();
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(200), "{header:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_delay_beyond_the_timeout_is_an_error() {
    let busy = respond("503 Service Unavailable", &[("Retry-After", "3600")], "");
    let server = Server::start([busy]).await;
    let error = server
        .client()
        .build()
        .unwrap()
        .recording(rid())
        .state()
        .await
        .unwrap_err();
    assert_eq!(
        (error.attempts(), error.retry_after()),
        (1, Some(Duration::from_secs(60 * 60)))
    );
    let text = error.to_string();
    assert!(text.contains("requests a delay of 3600 s"), "{text}");

    // The same applies to content.
    let busy = respond("503 Service Unavailable", &[("Retry-After", "3600")], "");
    let server = Server::start([busy]).await;
    let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
    let client = server.client().build().unwrap();
    let error = client.delete_at(&location).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let text = error.to_string();
    assert!(text.contains("requests a delay of 3600 s"), "{text}");
}

#[tokio::test]
async fn awaiting_a_clone_repeats_the_same_start() {
    let server = Server::start(vec![state("inactive"); 4]).await;
    let client = server.client().build().unwrap();
    let start = client.start(server_call_id()).media(Media::mixed_wav());
    let again = start.clone();
    start.await.unwrap();
    again.await.unwrap();
    let own = uuid::Uuid::new_v4();
    let start = client.start(server_call_id());
    let start = start.repeatability(own, SystemTime::UNIX_EPOCH);
    start.await.unwrap();
    client.start(server_call_id()).await.unwrap();
    let requests = server.requests();
    let ids = ["repeatability-request-id", "repeatability-first-sent"].map(|name| {
        let values = requests.iter().map(|request| header(request, name));
        values.map(Option::unwrap).collect::<Vec<_>>()
    });
    for values in &ids {
        assert_eq!(values[0], values[1]);
    }
    assert_eq!(ids[0][2], own.to_string());
    assert_eq!(ids[1][2], "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_ne!(ids[0][0], ids[0][3]);
}

#[tokio::test]
async fn awaiting_a_clone_repeats_the_same_call() {
    let statuses = [
        "201 Created",
        "201 Created",
        "200 OK",
        "200 OK",
        "200 OK",
        "200 OK",
    ];
    let body = r#"{"callConnectionId":"c"}"#;
    let server = Server::start(statuses.map(|status| respond(status, &[], body))).await;
    let client = server.client().build().unwrap();
    let (calls, callback) = (client.calls(), "https://app.example/c");
    let create = calls.create(["4:+14255550123"], callback).unwrap();
    create.clone().await.unwrap();
    create.await.unwrap();
    let pick_up = calls.answer("context", callback).unwrap();
    pick_up.clone().await.unwrap();
    pick_up.await.unwrap();
    let join = calls.connect(server_call_id(), callback).unwrap();
    join.clone().await.unwrap();
    join.await.unwrap();
    let requests = server.requests();
    let id = |index: usize| header(&requests[index], "repeatability-request-id").unwrap();
    for first in [0, 2, 4] {
        assert_eq!(id(first), id(first + 1));
    }
    assert!(id(0) != id(2) && id(2) != id(4));
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    for (status, kind) in [
        ("400 Bad Request", ErrorKind::InvalidRequest),
        ("401 Unauthorized", ErrorKind::Authentication),
        ("403 Forbidden", ErrorKind::PermissionDenied),
        ("404 Not Found", ErrorKind::NotFound),
        ("501 Not Implemented", ErrorKind::Service),
    ] {
        let server = Server::start([respond(status, &[], "")]).await;
        let error = server
            .client()
            .build()
            .unwrap()
            .recording(rid())
            .state()
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (kind, 1), "{status}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_stop_with_a_lost_response_succeeds() {
    let gone = || {
        let body = r#"{"error":{"code":"8522","message":"Recording not found."}}"#;
        respond("404 Not Found", &[], body)
    };
    let server = Server::start([TestResponse::Close, gone()]).await;
    server
        .client()
        .build()
        .unwrap()
        .recording(rid())
        .stop()
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 2);

    // Without an earlier attempt that can have stopped it, there was no recording to stop.
    let busy = respond("429 Too Many Requests", &[("retry-after-ms", "1")], "");
    let page = respond("404 Not Found", &[], "<html>no such page</html>");
    for responses in [
        vec![gone()],
        vec![busy, gone()],
        vec![TestResponse::Close, page],
    ] {
        let server = Server::start(responses.clone()).await;
        let recording = server.client().build().unwrap().recording(rid());
        let error = recording.stop().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{responses:?}");
    }
}

#[tokio::test]
async fn a_pause_with_a_lost_response_succeeds_if_the_recording_is_paused() {
    let conflict = || {
        let body = r#"{"error":{"code":"8573","message":"Not now."}}"#;
        respond("400 Bad Request", &[], body)
    };
    for (now, done) in [("inactive", true), ("active", false)] {
        let server = Server::start([TestResponse::Close, conflict(), state(now)]).await;
        let recording = server.client().build().unwrap().recording(rid());
        assert_eq!(recording.pause().await.is_ok(), done, "{now}");
        let server = Server::start([TestResponse::Close, conflict(), state(now)]).await;
        let recording = server.client().build().unwrap().recording(rid());
        assert_eq!(recording.resume().await.is_ok(), !done, "{now}");
    }
    let server = Server::start([conflict()]).await;
    let recording = server.client().build().unwrap().recording(rid());
    let error = recording.pause().await.unwrap_err();
    assert_eq!(
        error.service_code(),
        Some(acs_recording::ServiceCode::PauseResumeNotAllowed)
    );
}

#[tokio::test]
async fn a_success_with_an_invalid_body_is_an_error() {
    for body in ["", "<html>", "{\"recordingId\":7}", "{}"] {
        let server = Server::start([respond("200 OK", &[], body)]).await;
        let error = server
            .client()
            .build()
            .unwrap()
            .recording(rid())
            .state()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}: {error}");
        if body != "{}" {
            assert_eq!((error.attempts(), error.status()), (1, Some(200)));
            assert!(error.request_id().is_some(), "{error}");
        }
    }
}

#[tokio::test]
async fn a_skewed_clock_is_named() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(20 * 60));
    let server = Server::start([respond("401 Unauthorized", &[("Date", &date)], "")]).await;
    let error = server
        .client()
        .build()
        .unwrap()
        .recording(rid())
        .state()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("clock"), "{error}");
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named_without_the_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let policy = ExponentialBackoff::default()
        .initial_delay(Duration::from_millis(1))
        .with_attempt_limit(5);
    let client = client(&format!("http://{address}"))
        .retry_policy(policy)
        .build()
        .unwrap();
    let error = client.start(server_call_id()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connection, 5));
    let shown = format!("{error} {error:?} {client:?}");
    assert!(
        shown.contains(&address.to_string()) && shown.contains("cannot be reached"),
        "{shown}"
    );
    assert!(
        !shown.contains(KEY) && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_redirect_to_a_foreign_host_sends_no_credentials() {
    // Another name of this machine serves as the foreign host.
    let foreign = Server::start([respond("200 OK", &[], "media")]).await;
    let port = foreign.url.rsplit(':').next().unwrap();
    let target = format!("http://0.0.0.0:{port}/x");
    let moved = respond("302 Found", &[("Location", &target)], "");
    let home = Server::start([moved]).await;
    let location = format!("{}/v1/objects/o/content/video", home.url)
        .parse()
        .unwrap();
    let client = home.client().build().unwrap();
    assert_eq!(
        client.download(&location).into_bytes().await.unwrap(),
        b"media"
    );
    assert!(header(&home.requests()[0], "authorization").is_some());
    let seen = &foreign.requests()[0];
    for secret in [
        "authorization",
        "x-ms-host",
        "x-ms-date",
        "x-ms-content-sha256",
    ] {
        assert_eq!(header(seen, secret), None, "{seen}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_service_is_signed_again() {
    let regional = Server::start([respond("200 OK", &[], "media")]).await;
    let target = format!("{}/v1/objects/o/content/video", regional.url);
    let home = Server::start([respond("302 Found", &[("Location", &target)], "")]).await;
    let location = format!("{}/v1/objects/o/content/old", home.url);
    let location = location.parse().unwrap();
    let client = home.client().build().unwrap();
    client.download(&location).into_bytes().await.unwrap();
    let host = home.url.trim_start_matches("http://");
    assert_eq!(header(&regional.requests()[0], "x-ms-host"), Some(host));
    let first = header(&home.requests()[0], "authorization")
        .unwrap()
        .to_owned();
    assert_ne!(
        header(&regional.requests()[0], "authorization").unwrap(),
        first,
        "another path"
    );
}

#[tokio::test]
async fn redirects_are_limited() {
    let again = "/v1/objects/o/content/again";
    let moved = || respond("302 Found", &[("Location", again)], "");
    let server = Server::start((0..20).map(|_| moved())).await;
    let location = format!("{}{again}", server.url).parse().unwrap();
    let client = server.client().build().unwrap();
    let error = client.download(&location).into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn nothing_is_sent_to_a_host_that_gets_no_credentials() {
    let client = client("https://contoso.communication.azure.com")
        .build()
        .unwrap();
    let location = "https://example.com/v1/objects/o/content/video";
    let location = location.parse().unwrap();
    let error = client.download(&location).into_bytes().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::ForbiddenHost, 0)
    );
}

#[tokio::test]
async fn an_incomplete_body_is_requested_again() {
    let part = "HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"recordingId\"";
    for broken in [
        TestResponse::Text(part.to_owned()),
        TestResponse::Stall(part.to_owned()),
    ] {
        let server = Server::start([broken.clone(), state("active")]).await;
        let client = server.client().attempt_timeout(Duration::from_millis(200));
        let recording = client.build().unwrap().recording(rid());
        recording
            .state()
            .await
            .unwrap_or_else(|error| panic!("{broken:?}: {error}"));
        assert_eq!(server.requests().len(), 2, "{broken:?}");
    }
}
