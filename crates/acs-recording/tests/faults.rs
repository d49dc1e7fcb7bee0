//! What a network and a server in trouble do to an operation.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::time::{Duration, Instant, SystemTime};

use acs_recording::{
    ErrorKind, ExponentialBackoff, Media, RecordingId, RetryPolicyExt as _, ServerCallId,
};
use common::{Answer, KEY, Server, answer, client, state};
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
async fn passing_trouble_passes() {
    for trouble in [
        answer("503 Service Unavailable", &[("Retry-After", "0")], ""),
        answer("429 Too Many Requests", &[], ""),
        answer(
            "502 Bad Gateway",
            &[("Content-Type", "text/html")],
            "<html>",
        ),
        answer(
            "500 Internal Server Error",
            &[],
            r#"{"error":{"code":"9999","message":"?"}}"#,
        ),
        answer("408 Request Timeout", &[], ""),
        Answer::Close,
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
async fn a_start_is_repeated_as_the_same_start_with_a_new_signature() {
    let busy = || answer("500 Internal Server Error", &[], "");
    // HTTP dates have seconds; a signature of the same second is the same.
    let pause = &[("retry-after-ms", "1100")];
    let slow = answer("503 Service Unavailable", pause, "");
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
async fn lasting_trouble_is_told_with_all_that_is_known() {
    let busy = || {
        let body = r#"{"error":{"code":"8589","message":"Record throttled.","target":"/x"}}"#;
        answer("429 Too Many Requests", &[("retry-after-ms", "2")], body)
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
async fn a_server_that_never_answers_ends_in_a_timeout() {
    let server = Server::start(vec![Answer::Silence; 10]).await;
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

/// The wait that the service asks for is kept, and not a moment of it is left out.
#[tokio::test]
async fn a_pause_is_not_shorter_than_the_service_asks_for() {
    let busy = answer("503 Service Unavailable", &[("retry-after-ms", "400")], "");
    let server = Server::start([busy, state("active")]).await;
    let recording = server.client().build().unwrap().recording(rid());
    let started = Instant::now();
    recording.state().await.unwrap();
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
}

#[tokio::test]
async fn a_wait_of_zero_or_of_the_past_is_a_usual_pause() {
    let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(60));
    for header in [
        ("Retry-After", "0"),
        ("retry-after-ms", "0"),
        ("Retry-After", &past),
    ] {
        let busy = answer("503 Service Unavailable", &[header], "");
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
async fn a_wait_beyond_the_limit_is_not_begun() {
    let busy = answer("503 Service Unavailable", &[("Retry-After", "3600")], "");
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
    assert!(text.contains("asks to wait 3600 s"), "{text}");

    // So it is with content.
    let busy = answer("503 Service Unavailable", &[("Retry-After", "3600")], "");
    let server = Server::start([busy]).await;
    let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
    let client = server.client().build().unwrap();
    let error = client.delete_at(&location).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let text = error.to_string();
    assert!(text.contains("asks to wait 3600 s"), "{text}");
}

#[tokio::test]
async fn awaiting_a_clone_is_the_same_start() {
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
async fn awaiting_a_clone_is_the_same_call() {
    let statuses = [
        "201 Created",
        "201 Created",
        "200 OK",
        "200 OK",
        "200 OK",
        "200 OK",
    ];
    let body = r#"{"callConnectionId":"c"}"#;
    let server = Server::start(statuses.map(|status| answer(status, &[], body))).await;
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
async fn what_is_wrong_is_sent_once() {
    for (status, kind) in [
        ("400 Bad Request", ErrorKind::InvalidRequest),
        ("401 Unauthorized", ErrorKind::Authentication),
        ("403 Forbidden", ErrorKind::PermissionDenied),
        ("404 Not Found", ErrorKind::NotFound),
        ("501 Not Implemented", ErrorKind::Service),
    ] {
        let server = Server::start([answer(status, &[], "")]).await;
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
async fn a_stop_whose_answer_got_lost_is_a_success() {
    let gone = || {
        let body = r#"{"error":{"code":"8522","message":"Recording not found."}}"#;
        answer("404 Not Found", &[], body)
    };
    let server = Server::start([Answer::Close, gone()]).await;
    server
        .client()
        .build()
        .unwrap()
        .recording(rid())
        .stop()
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 2);

    // Where no attempt before can have ended it, there was nothing to end.
    let busy = answer("429 Too Many Requests", &[("retry-after-ms", "1")], "");
    let page = answer("404 Not Found", &[], "<html>no such page</html>");
    for answers in [vec![gone()], vec![busy, gone()], vec![Answer::Close, page]] {
        let server = Server::start(answers.clone()).await;
        let recording = server.client().build().unwrap().recording(rid());
        let error = recording.stop().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{answers:?}");
    }
}

#[tokio::test]
async fn a_pause_whose_answer_got_lost_is_a_success_if_the_recording_is_paused() {
    let conflict = || {
        let body = r#"{"error":{"code":"8573","message":"Not now."}}"#;
        answer("400 Bad Request", &[], body)
    };
    for (now, done) in [("inactive", true), ("active", false)] {
        let server = Server::start([Answer::Close, conflict(), state(now)]).await;
        let recording = server.client().build().unwrap().recording(rid());
        assert_eq!(recording.pause().await.is_ok(), done, "{now}");
        let server = Server::start([Answer::Close, conflict(), state(now)]).await;
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
async fn a_success_with_a_wrong_body_is_no_success() {
    for body in ["", "<html>", "{\"recordingId\":7}", "{}"] {
        let server = Server::start([answer("200 OK", &[], body)]).await;
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
    let server = Server::start([answer("401 Unauthorized", &[("Date", &date)], "")]).await;
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
async fn an_unreachable_endpoint_is_named_and_the_key_is_not() {
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
async fn a_redirect_to_a_foreign_host_takes_no_credentials_along() {
    // Another name of this machine stands for a foreign host.
    let foreign = Server::start([answer("200 OK", &[], "media")]).await;
    let port = foreign.url.rsplit(':').next().unwrap();
    let target = format!("http://0.0.0.0:{port}/x");
    let moved = answer("302 Found", &[("Location", &target)], "");
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
    let regional = Server::start([answer("200 OK", &[], "media")]).await;
    let target = format!("{}/v1/objects/o/content/video", regional.url);
    let home = Server::start([answer("302 Found", &[("Location", &target)], "")]).await;
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
async fn redirects_come_to_an_end() {
    let again = "/v1/objects/o/content/again";
    let moved = || answer("302 Found", &[("Location", again)], "");
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
async fn a_body_that_stalls_or_breaks_is_asked_for_again() {
    let part = "HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"recordingId\"";
    for broken in [
        Answer::Text(part.to_owned()),
        Answer::Stall(part.to_owned()),
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
